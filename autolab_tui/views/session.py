"""One session: its head lines, its clocks, its verdicts."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from autolab_tui import words
from autolab_tui.plain import cut, cut_middle, fit, plain, width
from autolab_tui.roles import Line, Role, Span
from autolab_tui.views import fleet
from autolab_tui.views import sessions as say
from autolab_tui.views.frame import Frame
from autolab_tui.views.layout import Column, Remark, between, pad, remark, remarks, widths
from autolab_tui.views.overview import heartbeat
from engine.state import Point, SessionState

_VALUE = Column("value", "measured", 9, 20, rank=1, align="right")
_VERDICT_COLUMNS = (
    Column("sign", "", 1, 1),
    Column("at", "at", 7, 8, align="right"),
    Column("stage", "stage", 6, 6, rank=3),
    Column("reward", "reward", 6, 6, align="right"),
    Column("speedup", "faster", 6, 7, rank=2, align="right"),
    _VALUE,
    Column("reason", "why", 16, 400),
)


def head(session: SessionState, frame: Frame, place: str, cells: int) -> tuple[Line, Line]:
    """Who works on what, how it stands, and the headline: the final reward beside the best.

    `place` says where the session stands in the fleet ("2 of 3").
    """
    dot: Span = (f" {frame.glyphs.separator} ", "faint")
    rewards: list[Span] = [
        ("final ", "dim"),
        (words.reward(session.final_reward), "strong"),
        ("   best ", "dim"),
        (words.reward(session.best_reward), "strong"),
        ("  ", "text"),
    ]
    name: list[Span] = [
        (" ", "text"),
        (cut_middle(plain(session.task), max(12, cells // 3)), "title"),
        dot,
        (cut_middle(say.who(session), max(12, cells // 4)), "text"),
    ]
    beat: list[Span] = [*heartbeat(frame), ("  ", "text")]
    if frame.health.standing == "live":
        beat = [(frame.glyphs.pulse[frame.beat % len(frame.glyphs.pulse)] + "  ", "good")]
    told = _told(session, frame)
    # What it does gets what it needs, or half the line when there is something to tell as well.
    states = say.state_spans(session, frame.glyphs)
    room = cells - 6 - sum(width(text) for text, _ in states)
    doing = fleet.now(session, frame.moment, room // 2 - 4 if told else room)
    said = [Remark((*states, ("  ", "text"), *doing), 0)]
    if told is not None:
        text, role = told
        said.append(remark(cut(text, cells - 5 - said[0].cells), role, rank=0))
    if not session.official:
        how = "timed_by: task" if session.timed_by == "task" else "unofficial"
        said.append(remark(how, "warn", rank=2))
    said.append(remark(place, "dim", rank=3))
    said.append(remark(plain(session.id), "dim", rank=4))
    said.append(remark(f"{plain(session.harness)} harness", "dim", rank=5))
    top = between([*name], [*rewards, *beat], cells)
    return top, tuple(pad([(" ", "text"), *remarks(said, cells - 2, dot)], cells))


def _told(session: SessionState, frame: Frame) -> Span | None:
    """Its newest alert while it lives; how it ended afterwards."""
    if session.over:
        evidence = plain(session.outcome_evidence)
        return (evidence, "dim") if evidence else None
    if session.alerts:
        alert = session.asking[-1] if session.asking else session.alerts[-1]
        return f"{frame.glyphs.alert} {plain(alert.text)}", "dim" if alert.acknowledged else "warn"
    return None


def clocks(session: SessionState, frame: Frame, cells: int) -> tuple[Line, Line]:
    """The budgets of time as a bar and figures, then the other clocks and what was used."""
    moment, glyphs = frame.moment, frame.glyphs
    used = say.use(session, moment)
    gap: Span = ("   ", "text")
    first: list[Remark] = [_figure("active", used.active, used.active_limit)]
    on_gpus = [_figure("GPU", used.gpu, used.gpu_limit, rank=1)] if session.want.count else []
    if used.share is not None:
        room = cells - 56 - sum(figure.cells + len(gap[0]) for figure in on_gpus)
        first.append(Remark(tuple(say.bar(used, max(8, min(40, room)), glyphs)), rank=2))
    first += [_figure("wall", used.wall, used.wall_limit, rank=1), *on_gpus]
    second: list[Remark] = []
    for key in ("frozen", "waiting", "paused"):
        seconds = session.clocks.seconds(key, moment.boot, moment.stamp)
        second.append(_named(key, words.duration(seconds), rank=2))
    usage = session.usage
    second.append(_counted(session, "turns", session.turn))
    second.append(_counted(session, "tokens", usage.tokens))
    cost = words.cost(usage.cost, usage.unpriced)
    limit = say.hard(session, "cost")
    second.append(_named("cost", cost if limit is None else f"{cost} of {words.money(limit)}"))
    blank: Span = (" ", "text")
    return (
        tuple(pad([blank, *remarks(first, cells - 2, gap)], cells)),
        tuple(pad([blank, *remarks(second, cells - 2, gap)], cells)),
    )


def _named(name: str, value: str, rank: int = 0) -> Remark:
    return Remark(((f"{name} ", "dim"), (value, "text")), rank)


def _figure(name: str, used: float, limit: float | None, rank: int = 0) -> Remark:
    of = "" if limit is None else f" of {words.limit(limit)}"
    return Remark(((f"{name} ", "dim"), (words.duration(used), "text"), (of, "dim")), rank)


def _counted(session: SessionState, key: str, number: int) -> Remark:
    limit = say.hard(session, key)
    of = "" if limit is None else f" of {words.count(limit)}"
    return Remark(((f"{key} ", "dim"), (words.count(number), "text"), (of, "dim")), 1)


def verdict_head(session: SessionState, cells: int) -> Line:
    """The titles over the verdicts."""
    columns = _columns(session)
    given = widths(columns, cells - 3)
    line: list[Span] = [("  ", "dim")]
    for column in columns:
        if column.key in given:
            line += [(fit(column.title, given[column.key], column.align), "dim"), (" ", "dim")]
    return tuple(pad(line, cells))


def verdicts(session: SessionState, frame: Frame, cells: int) -> list[tuple[str, Sequence[Line]]]:
    """A line for each verdict, newest first, and one for a verification that goes on."""
    columns = _columns(session)
    given = widths(columns, cells - 3)
    rows: list[tuple[str, Sequence[Line]]] = []
    if session.verifying is not None:
        sign = frame.glyphs.states["verifying"]
        said: list[Span] = [(f"  {sign} verifying {plain(session.verifying)[:8]}", "run-verifying")]
        rows.append(("verifying", (tuple(pad(said, cells)),)))
    elif session.verify_asked or session.verify_dropped:
        text = f"no new verdict: {plain(session.verify_dropped)}"
        if session.verify_asked:
            text = "a verdict was asked for, and waits its turn"
        rows.append(("asked", (tuple(pad([(f"  {cut(text, cells - 3)}", "dim")], cells)),)))
    befores = say.best_before(session.points)
    for point, before in zip(reversed(session.points), reversed(befores), strict=True):
        line: list[Span] = [("  ", "text")]
        for column in columns:
            if column.key in given:
                cell = _verdict_cell(column.key, session, point, before, frame)
                line += [*pad([cell], given[column.key], column.align), (" ", "text")]
        rows.append((point.verdict, (tuple(pad(line, cells)),)))
    return rows


def _columns(session: SessionState) -> tuple[Column, ...]:
    """The columns of verdicts; what was measured has the room that it needs, unit and all."""
    needed = max((width(_measured(session, point)) for point in session.points), default=0)
    cells = min(max(needed, _VALUE.least), _VALUE.most)
    value = msgspec.structs.replace(_VALUE, least=cells, most=cells)
    return tuple(value if column is _VALUE else column for column in _VERDICT_COLUMNS)


def _measured(session: SessionState, point: Point) -> str:
    return words.quantity(point.value, plain(session.metric_unit))


def _verdict_cell(  # noqa: PLR0911 - one return for each column reads best as a list
    key: str, session: SessionState, point: Point, before: float, frame: Frame
) -> Span:
    if key == "sign":
        return say.sign_of(point, before, frame.glyphs)
    if key == "at":
        return words.duration(point.active), "dim"
    if key == "stage":
        return "" if point.stage == "checkpoint" else point.stage, "strong"
    if key == "reward":
        role: Role = "verdict-pass" if (point.reward or 0.0) > before else "text"
        return words.reward(point.reward), role
    if key == "speedup":
        return words.speedup(point.speedup), "text"
    if key == "value":
        return _measured(session, point), "text"
    reason = plain(point.reason)
    if point.failed_gate is not None:
        gate = plain(point.failed_gate)
        return reason if gate in reason else f"gate {gate}: {reason}", "verdict-fail"
    if point.unofficial:
        return f"{reason}; unofficial: {plain(point.unofficial)}", "dim"
    return reason, "verdict-suspect" if point.status == "suspect" else "dim"
