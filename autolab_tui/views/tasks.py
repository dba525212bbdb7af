"""The tasks of a suite as lines: one for each in a list, and one of them whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autolab_tui import words
from autolab_tui.glyphs import Glyphs
from autolab_tui.plain import cut, fit, plain, wrapped
from autolab_tui.roles import Line, Role, Span
from autolab_tui.suite import SuiteSeen, TaskSeen
from autolab_tui.views.layout import HEADING, Column, pad, widths
from engine.state import State

_COLUMNS = (
    Column("task", "task", 16, 30),
    Column("here", "here", 16, 60),
    Column("best", "best", 6, 6, rank=1, align="right"),
    Column("sessions", "tried", 5, 5, rank=2, align="right"),
    Column("budget", "budget", 7, 7, rank=3, align="right"),
)
_NAME = 12  # cells of the names at the left of a task's facts


@dataclass(frozen=True, slots=True)
class Past:
    """The sessions that the journal knows of a task; `best` None without a verdict that counts."""

    sessions: int = 0
    open: int = 0
    best: float | None = None
    who: str = ""


def past(state: State) -> dict[str, Past]:
    """By task what its sessions came to."""
    found: dict[str, Past] = {}
    for session in state.sessions.values():
        before = found.get(session.task, Past())
        best, who = before.best, before.who
        reward = session.final_reward
        if reward is not None and (best is None or reward > best):
            best, who = reward, session.model or session.agent
        still = before.open + (not session.over)
        found[session.task] = Past(before.sessions + 1, still, best, who)
    return found


def rows(
    suite: SuiteSeen, known: dict[str, Past], cells: int, glyphs: Glyphs
) -> list[tuple[str, Sequence[Line]]]:
    """A line for each task, its domain over the first of each, then what is broken."""
    given = widths(_COLUMNS, cells - 4)
    made: list[tuple[str, Sequence[Line]]] = []
    domain = None
    for task in suite.tasks:
        if task.domain != domain:
            domain = task.domain
            title: Line = ((f" {plain(domain).replace('_', ' ')}", "title"),)
            made.append((f"{HEADING}{domain}", (title,)))
        of = known.get(task.name, Past())
        size = task.sizes.get("full")
        here = _here(task, glyphs)
        cell: dict[str, Span] = {
            "task": (cut(plain(task.name), given.get("task", 16)), "strong"),
            # What is missing, first: the rest stands beside the list.
            "here": (cut(here[0].replace(" it needs ", " ", 1), given.get("here", 10)), here[1]),
            "best": (words.reward(of.best), "text" if of.best is not None else "dim"),
            "sessions": (str(of.sessions or ""), "dim"),
            "budget": (words.short(size.active_sec if size else None), "dim"),
        }
        spans: list[Span] = [("   ", "text")]
        for column in _COLUMNS:
            if column.key in given:
                room = given[column.key]
                spans += [*pad([cell[column.key]], room, column.align), (" ", "text")]
        made.append((task.name, (tuple(spans),)))
    for number, why in enumerate(suite.broken):
        parts: list[Line] = [((f" {part}", "bad"),) for part in wrapped(plain(why), cells - 2)]
        made.append((f"broken/{number}", parts))
    return made


def head(cells: int) -> Line:
    """The titles over the list."""
    given = widths(_COLUMNS, cells - 4)
    spans: list[Span] = [("   ", "dim")]
    for column in _COLUMNS:
        if column.key in given:
            spans += [(fit(column.title, given[column.key], column.align), "dim"), (" ", "dim")]
    return tuple(pad(spans, cells))


def _here(task: TaskSeen, glyphs: Glyphs) -> Span:
    if task.why_not:
        return f"{glyphs.failed} {plain(task.why_not)}", "warn"
    if task.pins not in ("", "ok"):
        return f"{glyphs.alert} pins {task.pins}", "bad"
    return "ready", "good"


def facts(task: TaskSeen, of: Past, cells: int, glyphs: Glyphs) -> list[Line]:
    """One task whole: what it needs, what may change, how it is judged, what it asks."""
    unit = f" {task.unit}" if task.unit else ""
    here = _here(task, glyphs)
    said: list[tuple[str, str, Role]] = [("here", *here)]
    if task.needs:
        said.append(("needs", task.needs, "text"))
    if of.sessions:
        best = f", best {words.reward(of.best)} by {of.who}" if of.best is not None else ""
        open_ones = f", {of.open} going on" if of.open else ""
        said.append(("sessions", f"{of.sessions}{open_ones}{best}", "text"))
    said.append(("metric", f"{task.metric or words.UNKNOWN}, {task.direction} is better", "text"))
    for name, size in task.sizes.items():
        baseline, reference = (words.quantity(x) for x in (size.baseline, size.reference))
        budget = words.short(size.active_sec)
        text = f"baseline {baseline}{unit}, reference {reference}{unit}, {budget} of work"
        said.append((name, text, "text"))
    if task.bound:
        said.append(("bound", task.bound, "dim"))
    said.append(("editable", ", ".join(task.editable) or words.UNKNOWN, "accent"))
    said.append(("pinned", ", ".join(task.pinned) or "nothing", "dim"))
    said += [(f"gate {number}", f"{name}: {what}", "text")
             for number, (name, what) in enumerate(task.gates, 1)]  # fmt: skip
    said.append(("reference", ", ".join(task.stages) or "none", "dim"))
    said.append(("pins", task.pins or "none: a task of somebody else's", "dim"))
    said.append(("path", str(task.path), "dim"))
    made = [line for name, text, role in said for line in _fact(name, text, role, cells)]
    made.append(((" ", "text"),))
    for text in task.instruction.strip().splitlines():
        made += [((f" {part}", "said"),) for part in wrapped(plain(text), cells - 2)] or [
            ((" ", "text"),)
        ]
    return made


def _fact(name: str, text: str, role: Role, cells: int) -> list[Line]:
    parts = wrapped(plain(text), max(8, cells - _NAME - 2))
    return [
        ((f" {name if at == 0 else '':<{_NAME}}", "key"), (part, role))
        for at, part in enumerate(parts)
    ]
