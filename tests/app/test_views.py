"""What the screens say, as text: fleet, overview, feed, session, transcript, verdict."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autolab_tui.actions import ACTIONS
from autolab_tui.glyphs import ASCII, UNICODE
from autolab_tui.plain import width
from autolab_tui.roles import Line, text_of
from autolab_tui.store import Health, Moment
from autolab_tui.views import feed, fleet, overview, session, sorting, transcript, verdict
from autolab_tui.views import sessions as say
from autolab_tui.views.fleet import Choice
from autolab_tui.views.frame import Frame
from autolab_tui.views.layout import Column, remark, remarks, widths
from autolab_tui.views.trajectory import trajectory
from engine.events import (
    Limit,
    ModelRetried,
    SessionMoved,
    SessionPaused,
    SessionResumed,
    TurnAbandoned,
)
from engine.state import State
from tests.app.journal import BOOT, Journal, three_sessions
from verifier.gpus.device import Want

LIVE = Health("live", 0.2)


def frame(journal: Journal, health: Health = LIVE, beat: int = 3) -> Frame:
    return Frame(Moment(BOOT, journal.now, journal.at), health, beat, UNICODE)


def texts(lines: list[Line] | tuple[Line, ...]) -> str:
    return "\n".join(text_of(line) for line in lines)


def painted(journal: Journal, cells: int, room: int = 40, choice: Choice | None = None) -> str:
    at = frame(journal)
    found = fleet.shown(journal.state(), choice or Choice(), at.moment)
    table = fleet.table(found, at, cells, room)
    return texts([table.head, *(line for _, lines in table.rows for line in lines)])


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 30), st.integers(0, 5)), min_size=1),
       st.integers(1, 200))  # fmt: skip
def test_columns_never_overflow(asked: list[tuple[int, int, int]], room: int) -> None:
    columns = [
        Column(str(n), "", least, least + more, rank) for n, (least, more, rank) in enumerate(asked)
    ]
    given_widths = widths(columns, room)
    used = sum(given_widths.values()) + len(given_widths) - 1
    assert used <= room or len(given_widths) == 1
    for column in columns:
        if column.key in given_widths:
            assert column.least <= given_widths[column.key] <= column.most


@given(st.lists(st.tuples(st.text("ab ", max_size=12), st.integers(0, 5))), st.integers(0, 60))
def test_remarks_fit(said: list[tuple[str, int]], cells: int) -> None:
    spans = remarks([remark(text, "text", rank) for text, rank in said], cells, (" · ", "faint"))
    assert sum(width(text) for text, _ in spans) <= cells


@pytest.mark.parametrize("cells", [60, 80, 100, 120, 150, 200, 300])
@pytest.mark.parametrize("room", [3, 40])
def test_the_fleet_fits_its_width_and_says_the_essentials(cells: int, room: int) -> None:
    journal = three_sessions()
    at = frame(journal)
    found = fleet.shown(journal.state(), Choice(), at.moment)
    table = fleet.table(found, at, cells, room)
    for _, lines in table.rows:
        assert len(lines) == table.height
        assert all(width(text_of(line)) <= cells for line in lines)
    text = painted(journal, cells, room)
    for word in ("running", "finished", "median_filter", "0.421", "0.094"):
        assert word in text


def test_at_eighty_columns_the_five_questions_are_answered() -> None:
    journal = three_sessions()
    strip = texts(overview.lines(journal.state(), Choice(), frame(journal), 80))
    text = painted(journal, 80)
    assert "engine live" in strip  # alive?
    assert "improved" in text and "0.421" in text  # what got better?
    assert "▲ no better for 2:30" in text and "0:26" in text  # what is stuck?
    assert "at most" in strip and "cost $0.10" in strip and "1 of 3 finished" in strip  # when?
    assert "verdicts, all official" in strip  # can I trust it?


def test_those_that_need_somebody_come_first() -> None:
    journal = Journal()
    journal.engine()
    names = ("s-fine", "s-over", "s-queued", "s-gate", "s-alert", "s-broken", "s-soft", "s-parked")
    journal.run("r-1", names)
    for name in names:
        journal.create(name, task=name[2:])
        if name != "s-queued":
            journal.start(name)
    journal.verdict("s-gate", 10, 0.0, status="zero", gate="correct")
    journal.alert("s-alert", "429 for ten minutes")
    journal.end("s-over", 0.5, "converged", "done")
    journal.end("s-broken", None, "infrastructure", "the sandbox did not start")
    for name, cause, by in (("s-soft", "soft limit", "engine"), ("s-parked", "operator", "ann")):
        journal.write(SessionPaused(cause=cause, by=by), name)
        journal.write(SessionMoved(state="paused"), name)
    found = fleet.shown(journal.state(), Choice(), frame(journal).moment)
    needy = ["s-alert", "s-broken", "s-soft", "s-gate"]
    assert [s.id for s in found] == [*needy, "s-fine", "s-parked", "s-queued", "s-over"]
    assert [s.id for s in found if sorting.need(s) <= sorting.LEAST_NEED] == needy


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("median", {"s-rising"}),
        ("state:finished", {"s-hasty"}),
        ("model:spinner", {"s-spinning"}),
        ("task:r local", {"s-rising", "s-spinning"}),
        ("state:run model:rising", set()),
        ("outcome:premature", {"s-hasty"}),
        ("LOCAL/HASTY", {"s-hasty"}),
        ("", {"s-rising", "s-hasty", "s-spinning"}),
    ],
)
def test_the_filter(asked: str, found: set[str]) -> None:
    journal = three_sessions()
    shown = fleet.shown(journal.state(), Choice(words=asked), frame(journal).moment)
    assert {s.id for s in shown} == found


@pytest.mark.parametrize("sort", sorting.SORTS)
def test_every_order_keeps_every_session(sort: str) -> None:
    journal = three_sessions()
    shown = fleet.shown(journal.state(), Choice(sort=sort), frame(journal).moment)
    assert len(shown) == 3
    if sort == "reward":
        assert shown[0].id == "s-rising"
    if sort == "task":
        assert [s.task for s in shown] == sorted(s.task for s in shown)
    turned = Choice(sort=sort, turned=True)
    assert fleet.shown(journal.state(), turned, frame(journal).moment) == shown[::-1]


@pytest.mark.parametrize("cells", [40, 80, 120, 200])
@pytest.mark.parametrize("sort", sorting.SORTS)
def test_the_sorted_column_is_marked_and_each_title_sorts(sort: str, cells: int) -> None:
    journal = three_sessions()
    at, known = frame(journal), {action.name for action in ACTIONS}
    for turned, sign in ((False, UNICODE.falling), (True, UNICODE.rising)):
        choice = Choice(sort=sort, turned=turned)
        found = fleet.shown(journal.state(), choice, at.moment)
        table = fleet.table(found, at, cells, 40, choice)
        assert width(text_of(table.head)) == cells
        assert text_of(table.head).count(sign) <= 1
        if cells == 200:
            assert text_of(table.head).count(sign) == 1
        assert {name for _, name in table.ends} <= known
        assert [end for end, _ in table.ends] == sorted({end for end, _ in table.ends})


def test_old_runs_are_out_of_the_way_until_asked_for() -> None:
    journal = Journal()
    journal.engine()
    for run, name in (("r-1", "s-1"), ("r-2", "s-2"), ("r-3", "s-3")):
        journal.run(run, [name])
        journal.create(name, run=run)
    journal.end("s-1", 0.1, "converged", "x")
    state = journal.state()
    assert fleet.runs_shown(state, Choice()) == ["r-2", "r-3"]
    assert fleet.runs_shown(state, Choice(history=True)) == ["r-1", "r-2", "r-3"]
    assert fleet.runs_shown(state, Choice(run="r-1")) == ["r-1"]
    assert fleet.runs_shown(state, Choice(run="unknown")) == ["r-2", "r-3"]
    journal.end("s-2", 0.1, "converged", "x")
    journal.end("s-3", 0.1, "converged", "x")
    assert fleet.runs_shown(journal.state(), Choice()) == ["r-3"]


@pytest.mark.parametrize(
    ("health", "said"),
    [
        (Health("connecting", 0), "connecting to the engine"),
        (Health("stale", 9), "engine silent, data 0:09 old"),
        (Health("down", 65, "no engine runs"), "engine down, data 1:05 old"),
        (Health("live", 0, "", 2.5), "engine slow, 2.5 s behind"),
        (Health("live", 0, "", 0, "the disk is full"), "engine in trouble"),
    ],
)
def test_the_engine_s_health_in_words(health: Health, said: str) -> None:
    journal = three_sessions()
    assert said in texts(overview.lines(journal.state(), Choice(), frame(journal, health), 100))


def test_what_to_do_about_trouble_is_said_where_the_line_is_short() -> None:
    journal = three_sessions()
    trouble = (
        "the journal /some/where/deep/journal.sqlite3 cannot be written (full); make room on it"
    )
    health = Health("live", 0, "", 0, trouble)

    def said(cells: int) -> str:
        return texts(overview.lines(journal.state(), Choice(), frame(journal, health), cells))

    assert trouble in said(120)
    assert "make room on it: the journal /some" in said(60)


def test_the_heartbeat_moves() -> None:
    journal = three_sessions()
    signs = {
        texts(overview.lines(journal.state(), Choice(), frame(journal, LIVE, beat), 80))[10]
        for beat in range(10)
    }
    assert len(signs) == 10


def test_what_is_left_counts_only_sessions_at_work() -> None:
    journal = three_sessions()

    def strip() -> str:
        return texts(overview.lines(journal.state(), Choice(), frame(journal), 160))

    assert "at most 5:57 left" in strip()
    journal.write(SessionMoved(state="verifying"), "s-rising")
    assert "at most 0:59 left" in strip()
    journal.write(SessionMoved(state="verifying"), "s-spinning")
    assert "2 final verdicts to come" in strip()
    journal.end("s-rising", 0.4, "converged", "done")
    journal.end("s-spinning", 0.1, "budget_exhausted", "done")
    assert "all over" in strip()


def test_unknown_cost_is_said_to_be_unknown() -> None:
    journal = Journal()
    journal.engine()
    journal.run("r-1", ["s-1"])
    journal.create("s-1")
    assert "cost unknown" in texts(overview.lines(journal.state(), Choice(), frame(journal), 160))
    assert "1 queued" in texts(overview.lines(journal.state(), Choice(), frame(journal), 160))


@pytest.mark.parametrize("cells", [80, 120])
def test_a_session_of_one_line_says_why_it_needs_somebody(cells: int) -> None:
    journal = three_sessions()
    journal.create("s-gate", "matrix_chain", run="r-20251124-1600")
    journal.start("s-gate")
    journal.verdict("s-gate", 10, 0.0, status="zero", gate="correct", cause="wrong_output")
    lines = painted(journal, cells, room=3).splitlines()
    said = {line.split()[2]: line for line in lines[1:]}
    assert "▲ no better for" in said["rack_placement"]
    assert "gate correct" in said["matrix_chain"]
    assert "bash make" in said["median_filter"]
    assert ("local/persistent" if cells >= 100 else "loca") in said["median_filter"]
    assert "premature stop" in said["build_flags"]


def test_what_each_session_cost_is_in_its_row_and_can_be_sorted_by() -> None:
    journal = Journal()
    journal.engine()
    costs = {"s-free": None, "s-cheap": 0.04, "s-dear": 12.5}
    journal.run("r-1", costs)
    for name, cost in costs.items():
        journal.create(name)
        journal.start(name)
        journal.turn(name, 1, cost)
    order = fleet.shown(journal.state(), Choice(sort="spent"), frame(journal).moment)
    assert [s.id for s in order] == ["s-dear", "s-cheap", "s-free"]
    assert [fleet.spent(s)[0] for s in order] == ["$12.50", "$0.04", "7240t"]
    for cells in (120, 200):
        assert "$12.50" in painted(journal, cells)


def test_verdicts_that_cannot_be_trusted_are_counted() -> None:
    journal = three_sessions()
    journal.verdict("s-rising", 210, 0.9, status="suspect", cause="implausible")
    journal.verdict("s-rising", 220, None, status="not_judged", cause="contention")
    journal.verdict("s-rising", 230, 0.4, official=False)
    strip = texts(overview.lines(journal.state(), Choice(), frame(journal), 200))
    assert "1 suspect" in strip and "1 not judged" in strip and "1 session unofficial" in strip
    rising = journal.state().sessions["s-rising"]
    newest = session.verdicts(rising, frame(journal), 200)[0][1][0]
    assert text_of(newest).rstrip().endswith("the baseline; unofficial: one CPU")


def test_the_spark_spans_the_budget() -> None:
    journal = three_sessions()
    rising = journal.state().sessions["s-rising"]
    used = say.use(rising, frame(journal).moment)
    (drawn, _), (blank, _) = say.spark(rising, used, 20, UNICODE)
    assert len(drawn) + len(blank) == 20
    assert len(drawn) == round(used.active / 600 * 20)
    assert drawn.strip()[-1] > drawn.strip()[0]


@given(st.floats(0, 5000), st.floats(0, 5000), st.integers(3, 40))
def test_the_bar_is_as_wide_as_asked(active: float, wall: float, cells: int) -> None:
    for glyphs in (UNICODE, ASCII):
        spans = say.bar(say.Use(active, 1000.0, wall, 3000.0), cells, glyphs)
        assert sum(width(text) for text, _ in spans) == cells
    assert say.Use(active, None, wall, None).share is None


def test_activities_in_words() -> None:
    journal = Journal()
    journal.engine()
    journal.run("r-1", ["s-1"])
    journal.create("s-1")
    journal.start("s-1")
    journal.wait(41)

    def doing() -> tuple[str, float | None]:
        return say.activity(journal.state().sessions["s-1"], frame(journal).moment)

    assert doing() == ("generating", 41.0)
    journal.clock("s-1", "waiting", "429, retrying in 0:45")
    journal.wait(5)
    assert doing() == ("429, retrying in 0:45", 5.0)
    journal.clock("s-1", "frozen", "verifying")
    assert doing() == ("frozen: verifying", 0.0)
    journal.clock("s-1", "paused", "by the operator")
    assert doing() == ("paused: by the operator", 0.0)
    journal.clock("s-1", "working")
    journal.write(SessionPaused(cause="soft limit", why="cost"), "s-1")
    journal.wait(3)
    assert doing() == ("pausing: soft limit: cost", 3.0)
    journal.clock("s-1", "paused", "soft limit: cost")
    journal.write(SessionMoved(state="paused"), "s-1")
    assert doing() == ("soft limit: cost", 3.0)
    journal.write(SessionResumed(by="ann"), "s-1")
    journal.end("s-1", 0.2, "budget_exhausted", "used up")
    assert doing() == ("budget exhausted", None)


def test_the_feed_says_when_where_what() -> None:
    journal = three_sessions()
    state = journal.state()
    items = feed.items(state, Choice())
    assert [item.seq for item in items] == sorted((i.seq for i in items), reverse=True)
    ended = next(item for item in items if item.kind == "ended")
    line = text_of(feed.line(ended, state, 120, UNICODE))
    assert line.split()[:3] == ["16:01:08", "ended", "build_flags"]
    assert "premature stop: the agent" in line


def test_what_befell_many_sessions_at_once_is_one_line() -> None:
    journal = three_sessions()
    names = list(journal.state().sessions)
    for turn, name in enumerate(names):
        journal.write(TurnAbandoned(turn=turn, why="the engine went away"), name)
        journal.write(ModelRetried(attempt=turn, cause="overloaded", wait=1.0), name)
    journal.wait(60)  # another time, and too few
    for name in names[:2]:
        journal.write(TurnAbandoned(turn=9, why="the engine went away"), name)
    state = journal.state()
    items = feed.items(state, Choice())
    folds = [found for found in feed.folds(items) if isinstance(found, feed.Fold)]
    assert [len(fold.items) for fold in folds] == [3, 3]
    closed = feed.rows(items, state, 120, UNICODE)
    said = [" ".join(text_of(lines[0]).split()) for _, lines in closed]
    assert any("3 sessions 3 turns given up: the engine went away" in line for line in said)
    assert any("3 sessions 3 model calls retried (overloaded)" in line for line in said)
    assert sum("turn 9 given up" in line for line in said) == 2
    assert len(closed) == len(items) - 4
    opened = feed.rows(items, state, 120, UNICODE, {folds[1].identity})
    assert len(opened) == len(closed) + 3
    assert all(len(text_of(lines[0])) == 120 for _, lines in opened)


@pytest.mark.parametrize("cells", [60, 80, 120, 200])
def test_the_session_s_head_has_the_headline(cells: int) -> None:
    journal = three_sessions()
    state, at = journal.state(), frame(journal)
    for name in state.sessions:
        lines = [*session.head(state.sessions[name], at, "1 of 3", cells),
                 *session.clocks(state.sessions[name], at, cells)]  # fmt: skip
        assert all(width(text_of(line)) == cells for line in lines)
    top, second = session.head(state.sessions["s-hasty"], at, "3 of 3", cells)
    assert "final 0.094   best 0.094" in text_of(top)
    assert "finished  premature stop" in text_of(second)
    first, rest = session.clocks(state.sessions["s-rising"], at, cells)
    assert "active 4:03 of 10m" in text_of(first) and "frozen 0:00" in text_of(rest)


def test_verdict_rows_name_the_failed_gate() -> None:
    journal = three_sessions()
    rows = session.verdicts(journal.state().sessions["s-rising"], frame(journal), 90)
    lines = [text_of(lines[0]) for _, lines in rows]
    assert len(lines) == 5 and "0.421" in lines[0]
    (failed,) = [line for line in lines if "✗" in line]
    assert "gate correct: output differs" in failed
    assert all(width(line) <= 90 for line in lines)


def test_every_verdict_has_its_mark() -> None:
    journal = three_sessions()
    journal.verdict("s-rising", 215, 0.99, status="suspect", cause="implausible")
    journal.verdict("s-rising", 220, None, status="not_judged", cause="contention")
    journal.verdict("s-rising", 230, 0.4, stage="final")
    plotted = trajectory(
        journal.state().sessions["s-rising"], frame(journal).moment, "active", UNICODE
    )
    assert [mark.meaning for mark in plotted.marks] == [
        "improved", "gate failed", "improved", "no better", "improved",
        "suspect", "not judged", "final",
    ]  # fmt: skip
    assert len({mark.sign for mark in plotted.marks}) == 6
    assert plotted.end == 600.0 and plotted.reference == 0.5


@pytest.mark.parametrize("axis", ["active", "wall", "turns", "tokens"])
@pytest.mark.parametrize("whole", [True, False])
def test_every_axis_holds_every_verdict(axis: Any, whole: bool) -> None:
    journal = three_sessions()
    for one in journal.state().sessions.values():
        plotted = trajectory(one, frame(journal).moment, axis, UNICODE, whole)
        assert all(0 <= mark.x <= plotted.end for mark in plotted.marks)
        assert 0 <= plotted.now <= plotted.end


def page(cells: int = 60) -> transcript.Page:
    return transcript.Page(cells, UNICODE)


def test_a_tool_call_is_folded_to_its_command() -> None:
    journal = three_sessions()
    entry = journal.transcripts["s-rising"][2]
    folded = texts(transcript.entry_lines(entry, False, page()))
    assert "▸ bash cat solve.c" in folded and "I will look" in folded
    result = journal.transcripts["s-rising"][3]
    shown = transcript.entry_lines(result, False, page())
    assert "36 more lines" in texts(shown) and len(shown) == 6
    assert len(transcript.entry_lines(result, True, page())) == 41


def test_what_an_agent_of_somebody_elses_prints_is_shown_as_output() -> None:
    entry = {"kind": "output", "text": "\x1b[31mone\x1b[0m\n" + "more\n" * 9, "until": 60}
    shown = transcript.entry_lines(entry, False, page())
    assert "agent prints" in texts(shown) and "one" in texts(shown)
    assert "6 more lines" in texts(shown)
    assert shown[1][1][1] == "output"
    assert "\x1b" not in texts(shown)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip
KEYS = ("n", "at", "text", "reasoning", "tool_calls", "name", "output", "code", "seconds", "tool")
KEYS += ("replaces",)


@settings(deadline=None)
@given(
    st.sampled_from(
        ["system", "user", "assistant", "tool", "summary", "note", "output", "", "strange"]
    ),
    st.dictionaries(st.sampled_from(KEYS), VALUES),
    st.integers(1, 100),
    st.booleans(),
)
def test_no_entry_breaks_the_transcript(
    kind: str, fields: dict[str, Any], cells: int, opened: bool
) -> None:
    for line in transcript.entry_lines({"kind": kind, **fields}, opened, page(cells)):
        assert width(text_of(line)) <= max(cells, 8)
    for line in transcript.live_lines(fields, page(cells)):
        assert width(text_of(line)) <= max(cells, 8)


def test_a_summary_says_in_whose_place_it_is_read() -> None:
    entry = {
        "n": 118,
        "kind": "summary",
        "replaces": [2, 117],
        "text": "Best so far: 0.4 s\nTried:",
    }
    shown = texts(transcript.entry_lines(entry, False, page()))
    assert "summary in place of entries 2 to 117" in shown
    assert "Best so far: 0.4 s" in shown


def test_arguments_come_as_objects_or_as_json() -> None:
    call = {"name": "bash", "arguments": json.dumps({"command": "make\nmake bench"})}
    assert transcript.call_summary(call) == "bash make make bench"
    assert transcript.call_summary({"name": "bash", "arguments": "{half"}) == "bash {half"
    assert transcript.call_summary({"name": "submit", "arguments": {}}) == "submit"


def test_a_verdict_whole() -> None:
    journal = three_sessions()
    given_verdicts = json.loads(msgspec.json.encode(journal.verdicts["s-rising"]))
    text = texts(verdict.lines(given_verdicts[1], 80, UNICODE))
    for said in (
        *("0.000  zero", "✗ correct failed: all of 12 cases", "✓ built passed"),
        *("wrong output", "full, timed by the driver, official", "baseline 0.3"),
    ):
        assert said in text
    assert "26.9x (26.09x to 27.71x)" in texts(verdict.lines(given_verdicts[-1], 80, UNICODE))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(
    ["reward", "gates", "metric", "seal", "findings", "speedup", "anchors", "reason", "seconds"]
), VALUES))  # fmt: skip
def test_no_verdict_breaks_its_screen(fields: dict[str, Any]) -> None:
    for line in verdict.lines(fields, 40, UNICODE):
        assert width(text_of(line)) == 40


EVIL = "\x1b[2J\x1b]0;pwned\x07[red]x[/] \u202egpj\u0000 " + "w" * 5000


def test_hostile_names_and_reasons_stay_in_their_cells() -> None:
    journal = Journal()
    journal.engine()
    journal.run("r-" + EVIL[:20], ["s-1"])
    journal.create("s-1", task=EVIL, model=EVIL, run="r-" + EVIL[:20])
    journal.start("s-1")
    journal.tool("s-1", EVIL)
    journal.verdict("s-1", 5, 0.0, status="zero", gate=EVIL, reason=EVIL)
    journal.alert("s-1", EVIL)
    state: State = journal.state()
    at = frame(journal)
    for cells in (80, 200):
        lines = [*overview.lines(state, Choice(), at, cells)]
        found = fleet.shown(state, Choice(), at.moment)
        lines += [line for _, some in fleet.table(found, at, cells, 40).rows for line in some]
        lines += [feed.line(item, state, cells, UNICODE) for item in feed.items(state, Choice())]
        one = state.sessions["s-1"]
        lines += [*session.head(one, at, "1 of 1", cells), *session.clocks(one, at, cells)]
        lines += [line for _, some in session.verdicts(one, at, cells) for line in some]
        for line in lines:
            text = text_of(line)
            assert width(text) <= cells
            assert text.isprintable(), text
            assert "\u202e" not in text


def test_what_is_left_heeds_the_limit_of_gpu_time() -> None:
    journal = three_sessions()
    state = journal.state()
    for one in state.sessions.values():
        one.want, one.budget = Want(2), {**one.budget, "gpu": Limit(hard=20.0)}
    lines = overview.lines(state, Choice(), frame(journal), 160)
    assert "at most 0:10 left" in texts(lines)
