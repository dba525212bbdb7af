"""What an operator does, key by key, on a served engine."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from textual.binding import Binding

from autolab_tui import preferences, themes
from autolab_tui.actions import ACTIONS, at, key_line
from autolab_tui.app import AutolabApp
from autolab_tui.replay.app import ReplayApp
from autolab_tui.screens.confirm import ConfirmScreen
from autolab_tui.screens.diff import DiffScreen
from autolab_tui.screens.files import FilesScreen
from autolab_tui.screens.fleet import FleetScreen
from autolab_tui.screens.help import HelpScreen
from autolab_tui.screens.processes import ProcessesScreen
from autolab_tui.screens.prompt import PromptScreen
from autolab_tui.screens.session import SessionScreen
from autolab_tui.screens.tops import TOPS
from autolab_tui.screens.verdict import VerdictScreen
from autolab_tui.widgets.lines import Choosable
from autolab_tui.widgets.plot import ReadablePlot
from engine.client import EngineClient
from engine.events import SessionPaused, TurnAbandoned
from tests.app.conftest import Desk, until
from tests.app.journal import Journal
from tests.app.served import EngineServer, serve, still_clock

SIZES = [(80, 24), (120, 40), (200, 50)]


@pytest.mark.parametrize("size", SIZES)
async def test_the_fleet_shows_every_session(desk: Any, size: tuple[int, int]) -> None:
    async with desk(size) as desk_:
        text = desk_.text()
        for word in ("median_filter", "build_flags", "rack_placement", "1 of 3 finished",
                     "engine live", "0.421", "what happened", "enter open"):  # fmt: skip
            assert word in text


async def test_enter_opens_and_escape_comes_back(desk: Any) -> None:
    async with desk((120, 40)) as desk_:
        await desk_.press("j", "enter")
        assert isinstance(desk_.app.screen, SessionScreen)
        assert desk_.app.screen.identity == "s-rising"
        await desk_.until(lambda: "running histogram" in desk_.text(), "the transcript")
        text = desk_.text()
        for word in (
            "median_filter",
            "best 0.421",
            "active 4:03 of 10m",
            "5 verdicts",
            "reference",
        ):
            assert word in text
        await desk_.press("escape")
        assert isinstance(desk_.app.screen, FleetScreen)
        await desk_.press("enter")
        await desk_.press("q")
        assert isinstance(desk_.app.screen, FleetScreen)


async def test_a_new_verdict_is_seen_on_both_screens(desk: Any, engine: EngineServer) -> None:
    async with desk((120, 40)) as desk_:
        before = len(engine.journal.events)
        engine.journal.verdict("s-rising", 210, 0.777, speedup=60.0)
        for event in engine.journal.events[before:]:
            for follower in engine.followers:
                follower.put(event)
        await desk_.until(lambda: "0.777" in desk_.text(), "the verdict in the fleet")
        await desk_.press("j", "enter")
        await desk_.until(lambda: "6 verdicts" in desk_.text(), "the verdict in the session")


async def test_the_cursor_stays_on_its_session_when_the_order_changes(
    desk: Any, engine: EngineServer
) -> None:
    async with desk((120, 40)) as desk_:
        await desk_.press("j")
        table = desk_.app.screen.query_one("#table", Choosable)
        assert (table.cursor, table.index) == ("s-rising", 1)
        before = len(engine.journal.events)
        engine.journal.end("s-spinning", 0.03, "budget_exhausted", "used up")
        for event in engine.journal.events[before:]:
            for follower in engine.followers:
                follower.put(event)
        await desk_.until(lambda: table.index == 0, "the order changed")
        assert table.cursor == "s-rising"


async def test_next_and_previous_session(desk: Any) -> None:
    async with desk((120, 40)) as desk_:
        await desk_.press("enter")
        seen = [desk_.app.screen.identity]
        for key in ("right_square_bracket", "n", "n", "N", "left_square_bracket"):
            await desk_.press(key)
            seen.append(desk_.app.screen.identity)
        assert seen == ["s-spinning", "s-rising", "s-hasty", "s-spinning", "s-hasty", "s-rising"]
        await desk_.until(lambda: "running histogram" in desk_.text(), "its own transcript")


async def test_the_filter_narrows_as_one_types_and_escape_clears(desk: Any) -> None:
    async with desk() as desk_:
        await desk_.press("slash")
        await desk_.press(*"state:fin")
        table = desk_.app.screen.query_one("#table", Choosable)
        assert table.identities == ["s-hasty"]
        await desk_.press("enter")
        assert desk_.app.focused is table
        assert "filter: state:fin" in desk_.text()
        await desk_.press("escape")
        assert len(table.identities) == 3
        await desk_.press("slash", *"nothing-like-it")
        assert "No session matches" in desk_.text()
        await desk_.press("escape")
        assert len(table.identities) == 3


async def test_sorting_goes_through_the_orders(desk: Any) -> None:
    async with desk() as desk_:
        assert "by needs you" in desk_.text()
        await desk_.press("s")
        assert "by reward" in desk_.text()
        assert desk_.app.screen.query_one("#table", Choosable).identities[0] == "s-rising"


async def test_the_feed_leads_to_its_session(desk: Any) -> None:
    async with desk() as desk_:
        await desk_.press("tab", "j", "enter")
        assert isinstance(desk_.app.screen, SessionScreen)
        assert desk_.app.screen.identity == "s-rising"


async def test_a_fold_of_the_feed_opens_and_closes(desk: Any, engine: EngineServer) -> None:
    async with desk() as desk_:
        for name in ("s-rising", "s-hasty", "s-spinning"):
            engine.publish(TurnAbandoned(turn=4, why="the engine went away"), name)
        await desk_.until(lambda: "3 turns given up" in desk_.text(), "the fold")
        assert "turn 4 given up" not in desk_.text()
        await desk_.press("tab", "enter")
        assert desk_.text().count("turn 4 given up: the engine went away") == 3
        await desk_.press("enter")
        assert "turn 4 given up" not in desk_.text()
        await desk_.press("enter", "j", "enter")
        assert isinstance(desk_.app.screen, SessionScreen)
        assert desk_.app.screen.identity == "s-spinning"


async def test_stop_asks_and_no_means_no(desk: Any, engine: EngineServer) -> None:
    async with desk() as desk_:
        for refusal in ("n", "escape"):
            await desk_.press("x")
            assert isinstance(desk_.app.screen, ConfirmScreen)
            assert "rack_placement, local/spinner" in desk_.text()
            await desk_.press(refusal)
            assert isinstance(desk_.app.screen, FleetScreen)
        assert engine.stopped == []


async def test_stop_and_yes_reaches_the_engine(desk: Any, engine: EngineServer) -> None:
    async with desk() as desk_:
        await desk_.press("x", "y")
        await until(desk_.pilot, lambda: engine.stopped == [["s-spinning"]], "the call")
        await desk_.until(lambda: "will be scored and ended" in desk_.text(), "the answer")


async def test_p_pauses_and_lets_go_on(desk: Any, engine: EngineServer) -> None:
    async with desk() as desk_:
        await desk_.press("p")
        await until(desk_.pilot, lambda: engine.orders == [("pause", ["s-spinning"])], "the call")
        await desk_.until(lambda: "Pausing" in desk_.text(), "the answer")
        engine.publish(SessionPaused(cause="operator", by="ann"), "s-spinning")
        await desk_.until(lambda: "pausing: operator" in desk_.text(), "the pause")
        await desk_.press("enter", "p")
        await until(desk_.pilot, lambda: engine.orders[1:] == [("resume", ["s-spinning"])], "end")


async def test_a_refused_stop_says_why(desk: Any, engine: EngineServer) -> None:
    engine.refuse["stop"] = (409, "the session is being scored already; wait for its end")
    async with desk((120, 40)) as desk_:
        await desk_.press("x", "y")
        await desk_.until(lambda: "being scored already" in desk_.text(), "the reason")


async def test_what_is_over_cannot_be_stopped(desk: Any, engine: EngineServer) -> None:
    async with desk((120, 40)) as desk_:
        await desk_.press("G", "x")
        assert isinstance(desk_.app.screen, FleetScreen)
        await desk_.until(lambda: "is finished." in desk_.text(), "the notice")


async def test_axes_and_zoom(desk: Any) -> None:
    async with desk((120, 40)) as desk_:
        await desk_.press("j", "enter")
        for name in ("wall time", "turns", "tokens", "US dollars", "active time"):
            await desk_.press("b")
            assert f"by {name}" in desk_.text()
        await desk_.press("z")
        assert "used part" in desk_.text()


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_list_can_have_the_plot_s_room(desk: Any, size: tuple[int, int]) -> None:
    async with desk(size) as desk_:
        await desk_.press("j", "enter", "tab")
        screen = desk_.app.screen
        before = screen.transcript.size.height
        await desk_.press("l")
        assert screen.transcript.size.height > before or screen.transcript.size.width == size[0]
        assert "reference 0.5" not in desk_.text()
        await desk_.press("l")
        assert "reference 0.5" in desk_.text() and screen.transcript.size.height == before


async def test_a_verdict_opens_whole(desk: Any) -> None:
    async with desk((120, 40)) as desk_:
        await desk_.press("j", "enter")
        await desk_.press("j", "j", "j", "enter")
        await until(desk_.pilot, lambda: isinstance(desk_.app.screen, VerdictScreen), "the screen")
        await desk_.until(lambda: "correct failed" in desk_.text(), "the gate")
        assert "official" in desk_.text()
        await desk_.press("escape")
        assert isinstance(desk_.app.screen, SessionScreen)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_transcript_folds_opens_and_follows(
    desk: Any, engine: EngineServer, size: tuple[int, int]
) -> None:
    async with desk(size) as desk_:
        await desk_.press("j", "enter", "tab")
        screen = desk_.app.screen
        await desk_.until(lambda: len(screen.transcript.identities) == 9, "eight and the live one")
        assert screen.transcript.following
        await desk_.press("g", "j", "j", "j")
        assert not screen.transcript.following and screen.transcript.cursor == "3"
        assert "36 more lines" in desk_.text()
        folded = len(screen.transcript.shown)
        await desk_.press("space")
        assert len(screen.transcript.shown) == folded + 35
        await desk_.press("enter")
        assert len(screen.transcript.shown) == folded
        engine.journal.say("s-rising", {"kind": "note", "text": "a later remark"})
        engine.followers[0].put(engine.journal.events[-1])
        await desk_.until(lambda: "8" in screen.transcript.identities, "the new entry")
        assert screen.transcript.cursor == "3", "reading is not disturbed"
        await desk_.press("f")
        await desk_.until(lambda: "a later remark" in desk_.text(), "the tail")


async def test_earlier_entries_are_fetched_at_the_top(desk: Any, engine: EngineServer) -> None:
    engine.journal.say("s-hasty", *({"kind": "note", "text": f"remark {n}"} for n in range(450)))
    async with desk((120, 40)) as desk_:
        await desk_.press("G", "enter", "tab")
        transcript = desk_.app.screen.transcript
        await desk_.until(lambda: len(transcript.identities) >= 200, "the end of it")
        assert transcript.first == 250
        await desk_.press("g")
        await desk_.until(lambda: transcript.first == 50, "earlier entries")
        assert transcript.cursor == "250"


async def test_hostile_text_is_only_text(desk: Any, engine: EngineServer) -> None:
    evil = "[@click=app.quit]click[/] \x1b]0;pwned\x07\x1b[2J\u202eexe.txt [bold]"
    engine.journal.say("s-rising", {"kind": "assistant", "text": evil, "tool_calls": []})
    engine.journal.tool("s-rising", evil)
    engine.journal.alert("s-rising", evil)
    async with desk((200, 50)) as desk_:
        assert "[@click=app.quit]click[/]" in desk_.text()
        await desk_.press("enter")
        await desk_.until(lambda: "[bold]" in desk_.text(), "the text")
        assert "\x1b" not in desk_.text() and "\u202e" not in desk_.text()


@pytest.mark.parametrize("keys", [("question_mark",), ("enter", "question_mark")])
async def test_help_comes_from_the_registry(desk: Any, keys: tuple[str, ...]) -> None:
    async with desk((120, 50)) as desk_:
        await desk_.press(*keys)
        assert isinstance(desk_.app.screen, HelpScreen)
        text = desk_.text()
        for action in at("fleet" if len(keys) == 1 else "session"):
            assert not action.keys or action.help.split(";")[0][:40] in text
        await desk_.press("escape")
        assert not isinstance(desk_.app.screen, HelpScreen)


async def test_the_theme_is_remembered(desk: Any, tmp_path: Path) -> None:
    async with desk() as desk_:
        assert desk_.app.theme == "autolab-dark"
        assert set(desk_.app.available_themes) == set(themes.shipped())
        for theme in ("autolab-ansi", "autolab-safe", "autolab-dark", "autolab-light"):
            desk_.app.theme = theme
            await desk_.pilot.pause()
            assert "median_filter" in desk_.text()
    assert preferences.load(tmp_path).theme == "autolab-light"
    async with desk() as desk_:
        assert desk_.app.theme == "autolab-light"


async def test_a_theme_is_chosen_by_name(desk: Any, tmp_path: Path) -> None:
    async with desk() as desk_:
        await desk_.pilot.press("T")
        await desk_.pilot.press(*"autolab", "minus", *"light")
        await until(desk_.pilot, lambda: "autolab-light" in desk_.text(), "the one that matches")
        await desk_.pilot.press("enter")
        await until(desk_.pilot, lambda: desk_.app.theme == "autolab-light", "the choice")
    assert preferences.load(tmp_path).theme == "autolab-light"


async def test_a_broken_theme_of_the_operators_is_named(desk: Any, tmp_path: Path) -> None:
    (tmp_path / "themes").mkdir()
    (tmp_path / "themes" / "mine.toml").write_text("name = 'Mine'")
    async with desk((120, 40)) as desk_:
        await desk_.until(lambda: "A theme was left out" in desk_.text(), "the notice")


async def test_a_dead_engine_shows_old_data_with_its_age(
    socket_path: Path, journal: Journal, tmp_path: Path
) -> None:
    app = AutolabApp(EngineClient(socket_path), clock=still_clock(journal), config=tmp_path)
    async with app.run_test(size=(100, 30)) as pilot:
        desk_ = Desk(app, pilot)
        with serve(socket_path, journal):
            await desk_.until(lambda: app.store.beats, "data")
        await desk_.until(lambda: "engine down" in desk_.text(), "the loss")
        assert "autolab engine start" in desk_.text()
        journal.now += 90
        app.draw()
        await pilot.pause()
        assert "data 1:30 old" in desk_.text()
        assert "median_filter" in desk_.text(), "what was known stays"
        assert "4:06/10m" in desk_.text(), "and its clocks stand still after three seconds"
        with serve(socket_path, journal):
            await desk_.until(lambda: "engine live" in desk_.text(), "the return")


async def test_a_silent_engine_is_called_silent(desk: Any, engine: EngineServer) -> None:
    async with desk((100, 30)) as desk_:
        engine.beating = False
        await desk_.pilot.pause(0.2)
        desk_.app.draw()
        engine.journal.now += 30
        await desk_.until(lambda: "engine silent, data 0:30 old" in desk_.text(), "the word")


async def test_no_engine_from_the_start(socket_path: Path, tmp_path: Path) -> None:
    app = AutolabApp(EngineClient(socket_path), config=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        desk_ = Desk(app, pilot)
        await desk_.until(lambda: "No engine answers." in desk_.text(), "the words")
        assert "autolab engine start" in desk_.text()
        await desk_.press("x", "enter", "tab", "s", "z")
        assert isinstance(app.screen, FleetScreen)


async def test_no_session_yet(socket_path: Path, tmp_path: Path) -> None:
    empty = Journal()
    empty.engine()
    with serve(socket_path, empty):
        app = AutolabApp(EngineClient(socket_path), config=tmp_path)
        async with app.run_test(size=(80, 24)) as pilot:
            desk_ = Desk(app, pilot)
            await desk_.until(lambda: "No session yet." in desk_.text(), "the words")
            assert "starts the demo" in desk_.text() and "launches a run" in desk_.text()


async def test_a_failing_transcript_leaves_the_rest(desk: Any, engine: EngineServer) -> None:
    engine.refuse["transcript"] = (503, "the transcript cannot be read")
    async with desk((120, 40)) as desk_:
        await desk_.press("j", "enter")
        await desk_.until(lambda: "could not read the transcript" in desk_.text(), "the notice")
        assert "5 verdicts" in desk_.text()
        del engine.refuse["transcript"]
        await desk_.until(lambda: "running histogram" in desk_.text(), "the transcript after all")


async def test_leaving_says_how_to_come_back(desk: Any) -> None:
    async with desk() as desk_:
        await desk_.pilot.press("q")
        assert desk_.app.return_code == 0
    said = desk_.app.farewell()
    assert said == "2 sessions go on without this screen. Come back with `autolab`."


async def test_fewer_frames_while_nobody_looks(desk: Any) -> None:
    async with desk() as desk_:
        drawn: list[int] = []
        desk_.app.draw = lambda: drawn.append(1)  # type: ignore[method-assign]
        desk_.app._focused_terminal = False
        for _ in range(10):
            desk_.app._tick()
        assert len(drawn) == 2


async def test_an_unchanged_frame_refreshes_nothing(desk: Any, engine: EngineServer) -> None:
    engine.beat = 60
    async with desk((120, 40)) as desk_:
        screen = desk_.app.screen
        await desk_.until(lambda: screen.outlook_known, "the outlook")
        refreshed: list[object] = []
        for widget in screen.query("Lines"):
            widget.refresh = lambda *a, w=widget, **k: refreshed.append(w)  # type: ignore[method-assign]
        screen.draw_frame(desk_.app.frame())
        assert refreshed == []


def test_every_action_has_somewhere_to_go() -> None:
    """Each declared key leads to a method that exists."""
    homes: dict[str, list[type]] = {
        "app": [AutolabApp],
        "fleet": [FleetScreen],
        "filter": [FleetScreen],
        "session": [SessionScreen],
        "list": [Choosable],
        "plot": [ReadablePlot],
        "help": [HelpScreen],
        "verdict": [VerdictScreen],
        "confirm": [ConfirmScreen],
        "prompt": [PromptScreen],
        "diff": [DiffScreen],
        "files": [FilesScreen],
        "processes": [ProcessesScreen],
        "top": [AutolabApp],
        "replay": [ReplayApp],
    }
    for name, top in TOPS.items():
        homes[name] = [getattr(import_module(f"autolab_tui.screens.{top.module}"), top.name)]
    prefixes = {"app.": [AutolabApp, ReplayApp], "screen.": [FleetScreen, PromptScreen]}
    for action in ACTIONS:
        name, places = action.call.split("(")[0], homes[action.place]
        for prefix, owners in prefixes.items():
            if name.startswith(prefix):
                name, places = name.removeprefix(prefix), owners
        assert any(hasattr(home, f"action_{name}") for home in places), action


def test_no_key_is_declared_twice_at_one_place() -> None:
    for place in {action.place for action in ACTIONS}:
        keys = [key for action in at(place) for key in action.keys]
        assert len(keys) == len(set(keys)), place
    assert len({action.name for action in ACTIONS}) == len(ACTIONS)


def test_the_key_line_is_part_of_the_bindings() -> None:
    bound = {b.id for b in FleetScreen.BINDINGS if isinstance(b, Binding)}
    assert {action.name for action in key_line(["fleet"])} <= bound


async def test_keys_move_in_what_came_after_an_empty_screen(
    socket_path: Path, tmp_path: Path, journal: Journal
) -> None:
    empty = Journal()
    empty.engine()
    with serve(socket_path, empty) as server:
        app = AutolabApp(EngineClient(socket_path), clock=still_clock(journal), config=tmp_path)
        async with app.run_test(size=(120, 40)) as pilot:
            at = Desk(app, pilot)
            await at.until(lambda: app.screen.has_class("-empty"), "the empty fleet")
            server.journal = journal
            for event in journal.events[len(empty.events) :]:
                for follower in list(server.followers):
                    follower.put(event)
            await at.until(lambda: "median_filter" in at.text(), "the sessions")
            await at.until(lambda: app.screen.focused is not None, "the focus")
            await at.press("G")
            assert app.screen.focused.id == "table"
            assert app.screen._table.index == 2


async def test_leaving_a_dead_engine_says_that_nothing_goes_on(
    socket_path: Path, journal: Journal, tmp_path: Path
) -> None:
    app = AutolabApp(EngineClient(socket_path), clock=still_clock(journal), config=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        desk_ = Desk(app, pilot)
        with serve(socket_path, journal):
            await desk_.until(lambda: app.store.beats, "data")
        await desk_.until(lambda: "engine down" in desk_.text(), "the loss")
        await pilot.press("q")
    said = app.farewell()
    assert said == "No engine runs: 2 sessions stand still until `autolab engine start`."


async def test_a_click_on_a_key_of_the_bottom_line_is_that_key(desk: Any) -> None:
    async with desk() as desk_:
        bottom = desk_.text().splitlines()[-1]
        sort = desk_.app.choice.sort
        await desk_.pilot.click(offset=(bottom.index("sort") + 1, 23))
        await desk_.until(lambda: desk_.app.choice.sort != sort, "the next order")


async def test_a_click_on_a_title_sorts_and_another_turns_it_round(desk: Any) -> None:
    async with desk() as desk_:
        table = desk_.app.screen.query_one("#table", Choosable)

        async def click(title: str) -> None:
            [(y, line)] = [
                (y, line)
                for y, line in enumerate(desk_.text().splitlines())
                if line.split()[:1] == ["state"] or line.split()[:1] == ["state▾"]
            ]
            await desk_.pilot.click(offset=(line.index(title) + 1, y))

        await click("task")
        await desk_.until(lambda: "task▾" in desk_.text(), "the order")
        first = list(table.identities)
        await click("task▾")
        await desk_.until(lambda: "task▴" in desk_.text(), "the other way")
        assert list(table.identities) == first[::-1]
        assert "by task ▴" in desk_.text()
        await desk_.press("S")
        assert list(table.identities) == first
        await click("budget")
        assert desk_.app.choice.sort == "budget"


async def test_an_engine_of_another_version_is_called_so(desk: Any, engine: EngineServer) -> None:
    from engine.events import SessionMoved

    moved = SessionMoved(state="dreaming")  # type: ignore[arg-type]
    engine.journal.write(moved, "s-rising")
    async with desk((120, 30), loaded=False) as at:
        await at.until(lambda: "engine of another version" in at.text(), "the standing")
        assert "autolab engine restart" in at.text()
        assert "autolab engine start " not in at.text()


async def test_what_is_too_long_for_a_terminal_is_not_sent(desk: Any) -> None:
    async with desk((120, 30)) as at:
        at.app.copy("x" * 74_994, "the most")
        assert len(at.app.clipboard) == 74_994
        at.app.copy("\u00e4" * 40_000, "the difference")
        assert at.app.clipboard.startswith("x")
        await at.until(lambda: "the difference has 80,000 bytes" in at.text(), "the notice")
