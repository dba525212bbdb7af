"""The fleet: which sessions are shown, in which order, and the line or two each one gets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import msgspec
from msgspec.structs import replace

from autolab_tui import words
from autolab_tui.glyphs import Glyphs
from autolab_tui.plain import cut, cut_middle, fit, plain
from autolab_tui.roles import Line, Role, Span
from autolab_tui.store import Moment
from autolab_tui.views import sessions as say
from autolab_tui.views import sorting
from autolab_tui.views.frame import Frame
from autolab_tui.views.layout import Column, Remark, pad, remark, remarks, widths
from autolab_tui.views.rows import Painted, Row
from engine.state import SessionState, State, run_over

WIDE = 150  # from here on a session fits on one line with everything

_COLUMNS = (
    Column("state", "state", 12, 12),
    Column("id", "session", 8, 10, rank=5),
    Column("task", "task", 14, 20),
    Column("who", "model", 10, 18, rank=3),
    Column("final", "final", 6, 6, align="right"),
    Column("best", "best", 6, 6, align="right"),
    Column("spark", "best so far", 11, 14, rank=1),
    Column("bar", "budget", 8, 12, rank=1),
    Column("time", "used", 12, 13, rank=4),
    Column("spent", "spent", 6, 7, rank=3, align="right"),
    Column("improved", "improved", 9, 10, rank=2),
    Column("now", "now", 20, 26),
    Column("verdict", "last verdict", 18, 90, rank=2),
)
_PAIR = (
    Column("state", "state", 12, 12),
    Column("task", "task", 14, 24),
    Column("final", "final", 5, 6, align="right"),
    Column("best", "best", 5, 6, align="right"),
    Column("spark", "so far", 8, 24, rank=1),
    Column("bar", "budget", 8, 18, rank=1),
    Column("time", "used", 11, 13, rank=2),
)
_SINGLE = (
    Column("state", "state", 12, 12),
    Column("task", "task", 16, 22),
    Column("who", "model", 10, 18, rank=3),
    Column("final", "final", 5, 6, align="right"),
    Column("best", "best", 5, 6, align="right"),
    Column("spark", "so far", 6, 16, rank=2),
    Column("bar", "budget", 6, 14, rank=1),
    Column("what", "now", 16, 60),
)


_SAME = {"what": "now"}  # where a line has room for one, it is what to know before what it does


class Choice(msgspec.Struct, frozen=True):
    """What the operator chose to see. `run` narrows to one run; `history` shows old runs too.

    `sort` is one of `views.sorting.SORTS`, `turned` whether it is turned round; `group` is one of
    `views.groups.GROUPS`; `folded` are the names of groups that are closed; `marked` are the
    sessions that orders are for.
    """

    sort: str = sorting.SORTS[0]
    turned: bool = False
    words: str = ""
    run: str | None = None
    history: bool = False
    group: str = ""
    folded: frozenset[str] = frozenset()
    marked: frozenset[str] = frozenset()


def runs_shown(state: State, choice: Choice) -> list[str]:
    """The runs on the screen: the one asked for, else those that go on, else the newest."""
    if choice.run is not None and choice.run in state.runs:
        return [choice.run]
    everything = list(state.runs)
    if choice.history:
        return everything
    open_runs = [run for run in everything if not run_over(state, run)]
    return open_runs or everything[-1:]


def in_scope(state: State, choice: Choice) -> list[SessionState]:
    """The sessions of the runs on the screen, before the filter."""
    runs = set(runs_shown(state, choice))
    return [session for session in state.sessions.values() if session.run in runs]


def shown(state: State, choice: Choice, moment: Moment) -> list[SessionState]:
    """The sessions to list, filtered and sorted."""
    found = [s for s in in_scope(state, choice) if matches(s, choice.words)]
    return sorted(found, key=sorting.key(choice.sort, moment), reverse=choice.turned)


def matches(session: SessionState, asked: str) -> bool:
    """Whether a session has every word; `task:x`, `model:x`, `state:x` ... look in one place."""
    places = {
        "task": session.task,
        "model": say.who(session),
        "state": session.state,
        "harness": session.harness,
        "domain": session.domain,
        "outcome": session.outcome or "",
    }
    everywhere = " ".join((session.id, session.run, *places.values())).lower()
    for word in asked.lower().split():
        place, colon, sought = word.partition(":")
        if colon and place in places:
            if sought not in places[place].lower():
                return False
        elif word not in everywhere:
            return False
    return True


class Table(msgspec.Struct, frozen=True):
    """The fleet: a head line, and `height` lines for each session, in order, painted when seen.

    `ends` are the cell after each title of the head, and the name of the action that sorts by it.
    """

    head: Line
    ends: tuple[tuple[int, str], ...]
    rows: tuple[Row, ...]
    height: int


def table(
    sessions: Sequence[SessionState],
    frame: Frame,
    cells: int,
    room: int,
    choice: Choice | None = None,
) -> Table:
    """The fleet in `cells` columns; narrow, a session takes two lines while `room` lines allow.

    Those that are marked have a sign before their task, and the column that the sessions are
    sorted by has one behind its title.
    """
    choice = choice or Choice()
    columns: tuple[Column, ...]
    if cells >= WIDE:
        pair, columns = False, _COLUMNS
    else:
        pair = 2 * len(sessions) <= max(room, 2)
        columns = _PAIR if pair else _single(sessions)
    given = widths(columns, cells - 2)
    shown_columns = [c for c in columns if c.key in given]
    head, ends = _head(shown_columns, given, choice, frame.glyphs)

    def lines(session: SessionState) -> list[Line]:
        first = _row(session, frame, shown_columns, given, session.id in choice.marked)
        return [first, _second(session, frame, cells)] if pair else [first]

    height = 2 if pair else 1
    rows = tuple((s.id, Painted(height, partial(lines, s))) for s in sessions)
    return Table(tuple(pad(head, cells)), ends, rows, height)


def _single(sessions: Sequence[SessionState]) -> tuple[Column, ...]:
    """The columns of one line; where models compete, whose line it is goes before how it rose."""
    if len({session.model or session.agent for session in sessions}) < 2:
        return _SINGLE
    return tuple(replace(c, rank=4) if c.key == "spark" else c for c in _SINGLE)


def _head(
    columns: Sequence[Column], given: dict[str, int], choice: Choice, glyphs: Glyphs
) -> tuple[list[Span], tuple[tuple[int, str], ...]]:
    head: list[Span] = [("   ", "dim")]
    ends, end = [], 3
    for column in columns:
        # The first title stands over the word, not over the sign before it.
        cells = given[column.key] - (2 if column is columns[0] else 0)
        by = sorting.OF_COLUMN[column.key]
        title = column.title
        role: Role = "dim"
        if choice.sort == by and sorting.MARKED[by] in (column.key, _SAME.get(column.key)):
            sign = glyphs.rising if choice.turned else glyphs.falling
            title = f"{cut(title, cells - len(sign))}{sign}"
            role = "key"
        head += [(fit(title, cells, column.align), role), (" ", "dim")]
        end += cells + 1
        ends.append((end, sorting.action(by)))
    return head, tuple(ends)


def _row(
    session: SessionState,
    frame: Frame,
    columns: Iterable[Column],
    given: dict[str, int],
    marked: bool,
) -> Line:
    used = say.use(session, frame.moment)
    line: list[Span] = [(" ", "text")]
    for column in columns:
        cells = given[column.key]
        mark: list[Span] = []
        if marked and column.key == "task":
            mark = [(f"{frame.glyphs.marked} ", "key")]
        spans = _cell(column.key, session, frame, used, cells - 2 * len(mark))
        line += pad([*mark, *spans], cells, column.align)
        line.append((" ", "text"))
    return tuple(line)


def _cell(  # noqa: PLR0911 - one return for each column reads best as a list
    key: str, session: SessionState, frame: Frame, used: say.Use, cells: int
) -> Sequence[Span]:
    glyphs, moment = frame.glyphs, frame.moment
    if key == "state":
        return say.state_spans(session, glyphs)
    if key == "task":
        return say.task(session, cells)
    if key == "id":
        return [(cut_middle(plain(session.id), cells), "dim")]
    if key == "who":
        return [(cut_middle(say.who(session), cells), "text")]
    if key == "final":
        role: Role = "strong" if session.final_reward is not None else "dim"
        return [(words.reward(session.final_reward), role)]
    if key == "best":
        return [(words.reward(session.best_reward), "text" if session.best_reward else "dim")]
    if key == "spark":
        return say.spark(session, used, cells, glyphs)
    if key == "bar":
        return say.bar(used, cells, glyphs)
    if key == "time":
        return [(time_used(used), "dim")]
    if key == "spent":
        return [spent(session)]
    if key == "improved":
        return [improved(session, moment)]
    if key == "now" or (key == "what" and not pressing(session)):
        return now(session, moment, cells)
    return concern(session, glyphs)


def time_used(used: say.Use) -> str:
    """`3:12/2h00`: active time and its limit; `GPU 3m/10m` where that is nearer its end."""
    if used.gpu_ends_it:
        return f"GPU {words.short(used.gpu)}/{words.limit(used.gpu_limit)}"
    if used.active_limit is None:
        return words.duration(used.active)
    return f"{words.duration(used.active)}/{words.limit(used.active_limit)}"


def spent(session: SessionState) -> Span:
    """What its model cost, with a `+` where that is not all; tokens where no price is known."""
    usage = session.usage
    if not usage.turns and not usage.tokens:
        return words.UNKNOWN, "dim"
    if usage.cost is None:
        return f"{words.count(usage.tokens)}t", "dim"
    return f"{words.money(usage.cost)}{'+' if usage.unpriced else ''}", "dim"


def improved(session: SessionState, moment: Moment) -> Span:
    """How much active time ago the best reward rose."""
    ago = say.since_improvement(session, moment)
    if ago is None:
        return "never" if session.points else words.UNKNOWN, "dim"
    return f"{words.short(ago)} ago", "text"


def now(session: SessionState, moment: Moment, cells: int) -> list[Span]:
    """What it does, with the age kept whole at the right of the words."""
    doing, age = say.activity(session, moment)
    role: Role = "dim" if session.over or session.state == "queued" else "text"
    if age is None:
        return [(fit(doing, cells).rstrip(), role)]
    tail = f" {words.duration(age)}"
    return [(fit(doing, max(0, cells - len(tail))).rstrip(), role), (tail, "dim")]


def pressing(session: SessionState) -> bool:
    """Whether what to know of a session goes before what it does, where there is room for one."""
    if session.over:
        return False
    point = say.last_point(session)
    return bool(session.asking) or (
        session.pause is None and point is not None and point.failed_gate is not None
    )


def concern(session: SessionState, glyphs: Glyphs) -> list[Span]:
    """Its newest alert, else its last verdict and whether that is official."""
    if session.alerts and not session.over:
        alert = session.asking[-1] if session.asking else session.alerts[-1]
        known = f"known to {plain(alert.acknowledged)}: " if alert.acknowledged else ""
        role: Role = "dim" if alert.acknowledged else "warn"
        return [(f"{glyphs.alert} {known}{plain(alert.text)}", role)]
    point = say.last_point(session)
    if point is None:
        return [("verifying the first" if session.verifying else "no verdict yet", "dim")]
    spans: list[Span] = [say.verdict_words(point)]
    if not session.official:
        how = "timed_by: task" if session.timed_by == "task" else "unofficial"
        spans.append((f" {how}", "warn"))
    return spans


def _second(session: SessionState, frame: Frame, cells: int) -> Line:
    """The second line of a session on a narrow screen: doing what, and what to know about it."""
    glyphs, moment = frame.glyphs, frame.moment
    separator: Span = (f" {glyphs.separator} ", "faint")
    room = cells - 6
    known = Remark(tuple(concern(session, glyphs)), rank=0)
    wanted = Remark(tuple(now(session, moment, room)), rank=1)
    # The alert or verdict gets what it needs up to half the line, the activity the rest.
    most = room - min(known.cells, room // 2) - len(separator[0])
    doing = wanted if wanted.cells <= most else Remark(tuple(now(session, moment, most)), rank=1)
    left = room - doing.cells - len(separator[0])
    if known.cells > left:
        text, role = known.spans[0]
        known = Remark(((cut(text, left), role),), rank=0)
    said = [r for r in (doing, known) if r.cells]
    if session.last_improvement_active is not None and not session.over:
        said.append(remark(f"improved {improved(session, moment)[0]}", "dim", rank=2))
    if session.usage.cost != 0:
        said.append(remark(*spent(session), rank=4))
    said.append(remark(cut_middle(say.who(session), 22), "dim", rank=3))
    return tuple(pad([("   ", "text"), *remarks(said, room, separator)], cells - 2))
