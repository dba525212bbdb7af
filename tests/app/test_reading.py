"""A plot that is read: zoomed, moved, with a cursor; exact however it is looked at."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from autolab_tui.glyphs import ASCII, UNICODE, choose
from autolab_tui.plain import width
from autolab_tui.plotting.chart import AXES, Look, Shade, chart
from autolab_tui.plotting.window import CLOSEST, Window
from autolab_tui.roles import text_of
from autolab_tui.screens.session import SessionScreen
from autolab_tui.screens.verdict import VerdictScreen
from autolab_tui.views.trajectory import trajectory
from autolab_tui.widgets.plot import ReadablePlot
from tests.app.journal import Journal
from tests.app.served import EngineServer
from tests.app.test_plotting import example

SHARES = st.floats(0, 1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("zoom"), st.floats(0.1, 4)),
        st.tuples(st.just("move"), st.floats(-3, 3)),
        st.tuples(st.just("show"), SHARES),
    ),
    max_size=20,
)


@given(STEPS, SHARES)
def test_a_window_never_leaves_the_axis(steps: list[tuple[str, float]], about: float) -> None:
    window = Window()
    for kind, value in steps:
        if kind == "zoom":
            window = window.zoomed(value, window.start + about * window.span)
        elif kind == "move":
            window = window.moved(value)
        else:
            window = window.showing(value)
            assert window.start - 1e-9 <= value <= window.end + 1e-9
        assert -1e-9 <= window.start < window.end <= 1 + 1e-9
        assert window.span >= CLOSEST * 0.999


@given(SHARES, st.floats(0.01, 0.99))
def test_zooming_keeps_what_it_is_about_in_its_place(about: float, place: float) -> None:
    window = Window(0.25, 0.75)
    at = window.start + place * window.span
    closer = window.zoomed(0.5, at)
    assert (at - closer.start) / closer.span == pytest.approx(place, abs=1e-6)
    del about


@given(SHARES, st.floats(0.001, 1), SHARES, st.integers(20, 120), st.integers(3, 40))
def test_however_it_is_looked_at_a_chart_fills_its_room(
    start: float, span: float, cursor: float, cells: int, rows: int
) -> None:
    window = Window(start * (1 - span), start * (1 - span) + span)
    shades = (Shade(5, 9, "rate limit"), Shade(50, 50, "operator"))
    for glyphs in (UNICODE, ASCII, replace(UNICODE, dots="blocks")):
        lines = chart(example(shades=shades), cells, rows, glyphs, Look(window, cursor))
        assert len(lines) == rows
        assert all(width(text_of(line)) == cells for line in lines)


def test_the_line_goes_on_from_what_was_before_the_window() -> None:
    look = Look(Window(0.7, 0.75))
    text = [text_of(line) for line in chart(example(), 60, 12, UNICODE, look)]
    drawn = [line for line in text[:9] if any("\u2800" < c <= "\u28ff" for c in line[8:])]
    assert len(drawn) >= 2  # the best so far (0.4) and the reference


def test_a_wait_is_shaded_where_it_was() -> None:
    journal = Journal()
    journal.engine()
    journal.run("r", ["s"])
    journal.create("s", active=100.0)
    journal.start("s")
    journal.wait(10)
    journal.clock("s", "waiting", "429")
    journal.wait(20)
    journal.clock("s", "working")
    journal.wait(10)
    journal.clock("s", "paused", "operator")
    journal.wait(5)
    journal.clock("s", "working")
    session = journal.state().sessions["s"]
    assert [(g.state, g.active, g.wall, g.seconds) for g in session.gaps] == [
        ("waiting", 10.0, 10.0, 20.0),
        ("paused", 20.0, 40.0, 5.0),
    ]
    from tests.app.test_views import frame

    moment = frame(journal).moment
    on_wall = trajectory(session, moment, "wall", UNICODE).shades
    assert [(s.start, s.end) for s in on_wall] == [(10.0, 30.0), (40.0, 40.0)]
    on_work = trajectory(session, moment, "active", UNICODE).shades
    assert all(s.start == s.end for s in on_work)
    drawn = chart(trajectory(session, moment, "wall", UNICODE), 100, 20, UNICODE)
    assert "░" in "".join(map(text_of, drawn))


async def test_the_cursor_finds_verdicts_and_opens_them(desk: Any, engine: EngineServer) -> None:
    async with desk((120, 40)) as at:
        await at.press("j", "enter", "tab", "tab")
        screen = at.app.screen
        assert isinstance(screen, SessionScreen)
        assert isinstance(at.app.focused, ReadablePlot)
        assert "at 10:00" in at.text()
        await at.press("up")
        assert "improved 0.421 at 3:26" in at.text()
        await at.press("plus", "plus")
        assert "active time, 2:" in at.text()
        await at.press("0")
        assert "active time, " not in at.text()
        await at.press("enter")
        await at.until(lambda: isinstance(at.app.screen, VerdictScreen), "the verdict")
        await at.press("escape")
        for _ in AXES:
            await at.press("b")
            await at.press("left")
            assert "at " in at.text()


def test_fonts_without_braille_have_blocks() -> None:
    assert choose(True, {"TERM": "linux"}).dots == "blocks"
    assert choose(True, {"AUTOLAB_PLOT": "blocks"}).dots == "blocks"
    assert choose(True, {"AUTOLAB_PLOT": "ascii"}).dots == "ascii"
    assert choose(True, {"TERM": "xterm"}).dots == "braille"
    assert choose(False, {}).dots == "ascii"


async def test_a_transcript_that_is_whole_at_once_is_shown_from_its_end(
    desk: Any, engine: EngineServer
) -> None:
    engine.journal.say("s-hasty", *({"kind": "assistant", "text": f"so {n}"} for n in range(60)))
    async with desk((120, 40)) as at:
        await at.press("G", "enter")
        assert at.app.screen.identity == "s-hasty"
        await at.until(lambda: "so 59" in at.text(), "the newest entry")


async def test_a_transcript_that_is_ahead_of_the_events_is_not_read_again(
    desk: Any, engine: EngineServer
) -> None:
    more = [{"n": n, "kind": "assistant", "text": f"so {n}"} for n in range(60)]
    engine.journal.transcripts["s-rising"] = more  # the engine knows of more than was told yet
    async with desk((120, 40)) as at:
        await at.press("j", "enter")
        await at.until(lambda: "so 59" in at.text(), "the newest entry")
        for _ in range(5):
            await at.until(lambda: "so 59" in at.text(), "it stays")
