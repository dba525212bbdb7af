"""A comparison as lines: the sides, what tells them apart, the tasks, and trajectories overlaid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from statistics import fmean

from autolab_tui import words
from autolab_tui.glyphs import Glyphs
from autolab_tui.plain import cut, cut_middle, fit, plain, width, wrapped
from autolab_tui.plotting.chart import Axis, Series, Trajectory
from autolab_tui.roles import Line, Role, Span
from autolab_tui.store import Moment
from autolab_tui.views import sessions as say
from autolab_tui.views.layout import Column, between, pad, remark, remarks, widths
from engine.analysis.comparison import Comparison, ComparisonError, compare
from engine.analysis.counting import Missing, name_of
from engine.analysis.leaderboard import Estimate
from engine.state import SessionState, State

KINDS = ("model", "harness", "run", "session")
_ROLES: tuple[Role, ...] = ("plot-1", "plot-2", "plot-3", "plot-4", "plot-5", "plot-6")
_DASHES = ((1, 0), (4, 2), (1, 2), (6, 2), (2, 2), (1, 4))
MOST_SIDES = len(_ROLES)
_NAME = 24  # cells of a side's name that nothing else takes
EVERY = "\n"  # the identity of the row for all tasks together
_PAIRS = (
    Column("task", "task", 14, 30),
    Column("with", "with", 8, 22, rank=2),
    Column("a", "A", 7, 26, rank=1),
    Column("b", "B", 7, 26, rank=1),
    Column("difference", "A - B", 7, 7, align="right"),
)


@dataclass(frozen=True, slots=True)
class Compared:
    """Two sides compared, or in `problem` why they cannot be."""

    made: Comparison | None
    problem: str = ""


def names(sessions: Sequence[SessionState], kind: str) -> dict[str, list[SessionState]]:
    """The sessions by what they are compared as, in a fixed order."""
    found: dict[str, list[SessionState]] = {}
    for session in sessions:
        found.setdefault(_name(session, kind), []).append(session)
    return dict(sorted(found.items()))


def _name(session: SessionState, kind: str) -> str:
    if kind == "model":
        return name_of(session)
    if kind == "harness":
        return session.harness
    return session.run if kind == "run" else session.id


def contrast(state: State, kind: str, sides: Sequence[str], missing: Missing) -> Compared:
    """Compare two sides of a kind; with thousands of sessions that takes seconds."""
    a, b = (f"{kind}:{escape(side)}" for side in sides[:2])
    try:
        return Compared(compare(state, state.sessions.values(), a, b, missing=missing))
    except ComparisonError as error:
        return Compared(None, str(error))


def sides(
    known: Mapping[str, Sequence[SessionState]], chosen: Sequence[str], cells: int, glyphs: Glyphs
) -> list[tuple[str, Sequence[Line]]]:
    """A row for everything that can be put on a side; those that are have their line's sign."""
    rows: list[tuple[str, Sequence[Line]]] = []
    for name, members in known.items():
        finals = [s.final_reward for s in members if s.final_reward is not None]
        open_ones = sum(not s.over for s in members)
        lead: list[Span] = [("     ", "text")]
        if name in chosen:
            at = chosen.index(name)
            letter = chr(ord("A") + at)
            lead = [(" ", "text"), (f"{letter} ", "key"), (glyphs.rule, _ROLES[at])]
        what = members[0].task if len(members) == 1 and name == members[0].id else ""
        shown = f"{plain(what)}, {say.who(members[0])}, {name}" if what else plain(name)
        said = [remark(words.plural(len(members), "session"), "dim", rank=1)]
        on_gpus = sum(s.gpu_time.closed for s in members if s.over)
        if on_gpus:
            said.append(remark(f"GPU {words.duration(on_gpus)}", "dim", rank=2))
        if open_ones:
            said.append(remark(f"{open_ones} going on", "dim", rank=2))
        if finals:
            said.append(remark(f"mean final {fmean(finals):.3f}"))
        free = cells - 8 - min(width(shown), _NAME)  # what is said of a name never hides it
        right = remarks(said, free, ("  ", "text")) if free > 0 else []
        room = max(8, cells - sum(len(t) for t, _ in (*lead, *right)) - 3)
        left: list[Span] = [*pad(lead, 5), (cut_middle(shown, room), "strong")]
        rows.append((name, (between(left, [*right, (" ", "text")], cells),)))
    return rows


def verdict(compared: Compared | None, count: int, cells: int) -> list[Line]:
    """What tells the two sides apart, in words and numbers."""
    if count < 2:
        said = "Choose two to compare them; more are only drawn over one another."
        return [((f" {part}", "dim"),) for part in wrapped(said, cells - 2)]
    if compared is None:
        return [((" Comparing.", "dim"),)]
    if compared.made is None:
        return [((f" {part}", "warn"),) for part in wrapped(plain(compared.problem), cells - 2)]
    made = compared.made
    if made.difference is None:
        return [((" They share no task with a judged session on both sides.", "warn"),)]
    spans: list[Span] = [(" A - B ", "dim"), *_estimate(made.difference)]
    spans.append((f" over {words.plural(made.tasks, 'task')}", "dim"))
    if made.probability is not None:
        spans.append((f"   A is better in {made.probability:.0%} of replicates", "text"))
    test = made.sign_test
    second = (
        f" sign test: A {test.a}, B {test.b}, ties {test.ties}; p = {test.p:.3g}"
        f"   means {_mean(made.a.mean)} and {_mean(made.b.mean)}"
    )
    lines: list[Line] = [tuple(pad(spans, cells)), ((cut(second, cells), "dim"),)]
    lines += _order(made, cells)
    notes = [f"unpaired: {text}" for text in made.unpaired] + list(made.remarks)
    lines += [((f" {p}", "dim"),) for note in notes for p in wrapped(plain(note), cells - 2)]
    return lines


def _order(made: Comparison, cells: int) -> list[Line]:
    """How the order of what both sides share shifts between them."""
    if made.order is None:
        return []
    moved = [s for s in made.order.standings if s.rank_a != s.rank_b]
    moved.sort(key=lambda s: -abs(s.rank_a - s.rank_b))
    said = ", ".join(f"{plain(s.name)} {s.rank_a:g} to {s.rank_b:g}" for s in moved[:4])
    tau = made.order.tau
    text = f" ranks from A to B: {said or 'none moves'}"
    if tau is not None:
        text += f"; Kendall's tau {tau.value:.2f}"
    return [((cut(text, cells), "text"),)]


def _mean(value: float | None) -> str:
    return words.UNKNOWN if value is None else f"{value:.3f}"


def _estimate(value: Estimate) -> list[Span]:
    role: Role = "strong"
    if value.interval is not None and (value.interval.low > 0 or value.interval.high < 0):
        role = "good"  # surely not nothing; the words say in which direction
    spans: list[Span] = [(f"{value.value:+.3f}", role)]
    if value.interval is not None:
        spans.append((f" ({value.interval.low:+.3f} to {value.interval.high:+.3f})", "text"))
    return spans


def pairs(made: Comparison, cells: int) -> tuple[Line, list[tuple[str, Sequence[Line]]]]:
    """The head and a row for each task that both sides were judged on."""
    given = widths(_PAIRS, cells - 2)
    columns = [column for column in _PAIRS if column.key in given]
    head: list[Span] = [(" ", "dim")]
    for column in columns:
        head += [(fit(column.title, given[column.key], column.align), "dim"), (" ", "dim")]
    rows: list[tuple[str, Sequence[Line]]] = []
    if made.difference is not None and len(made.pairs) > 1:
        cell: dict[str, Span] = {
            "task": ("all of them", "title"),
            "a": (_mean(made.a.mean), "title"),
            "b": (_mean(made.b.mean), "title"),
            "difference": (f"{made.difference.value:+.3f}", "title"),
        }
        rows.append((EVERY, (_row(cell, columns, given),)))
    for pair in made.pairs:
        better: Role = "verdict-pass" if pair.difference > 0 else "verdict-fail"
        cell = {
            "task": (cut_middle(plain(pair.task), given["task"]), "strong"),
            "with": (cut_middle(plain(pair.shared), given.get("with", 8)), "dim"),
            "a": (" ".join(f"{r:.3f}" for r in pair.a), "text"),
            "b": (" ".join(f"{r:.3f}" for r in pair.b), "text"),
            "difference": (f"{pair.difference:+.3f}", better if pair.difference else "dim"),
        }
        rows.append((f"{pair.task}\n{pair.shared}", (_row(cell, columns, given),)))
    return tuple(pad(head, cells)), rows


def _row(cell: Mapping[str, Span], columns: Sequence[Column], given: Mapping[str, int]) -> Line:
    spans: list[Span] = [(" ", "text")]
    for column in columns:
        room = given[column.key]
        text, role = cell.get(column.key, ("", "text"))
        spans += [*pad([(cut(text, room), role)], room, column.align), (" ", "text")]
    return tuple(spans)


def overlay(
    known: Mapping[str, Sequence[SessionState]],
    chosen: Sequence[str],
    task: str | None,
    moment: Moment,
) -> Trajectory | None:
    """The sides' trajectories on one task (None: all, against the share of the budget)."""
    series: list[Series] = []
    reference, end = 0.0, 0.0
    for at, side in enumerate(chosen[:MOST_SIDES]):
        members = [s for s in known.get(side, ()) if task is None or s.task == task]
        curves = [_curve(session, moment, share=task is None) for session in members]
        curves = [curve for curve in curves if curve.end > 0]
        if not curves:
            continue
        end = max(end, *(curve.end for curve in curves))
        reference = max(reference, *(s.reference_reward for s in members))
        now = max(curve.now for curve in curves)
        letter = chr(ord("A") + at)
        name = f"{letter} {cut_middle(plain(side), 20)}"
        series.append(Series(name, _mean_curve(curves), now, _ROLES[at], _DASHES[at]))
    if not series:
        return None
    axis: Axis = "share" if task is None else "active"
    return Trajectory((), (), end, end, True, reference, axis, others=tuple(series))


@dataclass(frozen=True, slots=True)
class _Curve:
    points: tuple[tuple[float, float], ...]
    now: float
    end: float


def _curve(session: SessionState, moment: Moment, *, share: bool) -> _Curve:
    used = say.use(session, moment)
    limit = used.active_limit or used.active
    scale = (1.0 / limit if limit else 0.0) if share else 1.0
    points = sorted((point.active * scale, point.best) for point in session.points)
    return _Curve(tuple(points), used.active * scale, limit * scale)


def _mean_curve(curves: Sequence[_Curve]) -> tuple[tuple[float, float], ...]:
    """The mean of best-so-far over curves, at every moment when one of them rises."""
    best = [0.0] * len(curves)
    events = sorted((x, at, y) for at, curve in enumerate(curves) for x, y in curve.points)
    made = []
    for x, at, y in events:
        best[at] = max(best[at], y)
        made.append((x, sum(best) / len(best)))
    return tuple(made)
