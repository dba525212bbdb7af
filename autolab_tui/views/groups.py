"""Sessions of the fleet in groups, and the line over each group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

from autolab_tui import words
from autolab_tui.plain import cut_middle, plain
from autolab_tui.roles import Line, Span
from autolab_tui.views import fleet
from autolab_tui.views import sessions as say
from autolab_tui.views.fleet import Choice
from autolab_tui.views.frame import Frame
from autolab_tui.views.layout import Remark, between, remark, remarks
from engine.state import SessionState

_OF: Mapping[str, Callable[[SessionState], str]] = {
    "task": lambda session: session.task,
    "model": lambda session: session.model or session.agent,
    "harness": lambda session: session.harness,
    "domain": lambda session: session.domain,
    "run": lambda session: session.run,
}
GROUPS = ("", *_OF)
_PREFIX = "group/"


def grouped(sessions: Sequence[SessionState], by: str) -> dict[str, list[SessionState]]:
    """The sessions by what they have in common, in the order of each group's first session.

    One group without a name where `by` is empty or unknown.
    """
    of = _OF.get(by)
    if of is None:
        return {"": list(sessions)}
    found: dict[str, list[SessionState]] = {}
    for session in sessions:
        found.setdefault(of(session), []).append(session)
    return found


def identity(name: str) -> str:
    """The identity of a group's line, beside the ids of sessions."""
    return f"{_PREFIX}{name}"


def name_in(row: str | None) -> str | None:
    """The group whose line has this identity, or None where it is a session's."""
    return row.removeprefix(_PREFIX) if row is not None and row.startswith(_PREFIX) else None


def table(
    grouped: Mapping[str, Sequence[SessionState]],
    choice: Choice,
    frame: Frame,
    cells: int,
    room: int,
) -> fleet.Table:
    """The fleet's table, its rows being each group's line and then its sessions."""
    open_ones = [
        session
        for name, members in grouped.items()
        if not (choice.group and name in choice.folded)
        for session in members
    ]
    heads = len(grouped) if choice.group else 0
    painted = fleet.table(open_ones, frame, cells, room - heads, choice)
    if not choice.group:
        return painted
    of = dict(painted.rows)
    rows: list[tuple[str, Sequence[Line]]] = []
    for name, members in grouped.items():
        folded = name in choice.folded
        rows.append((identity(name), (line(name, members, folded, frame, cells),)))
        rows += [(s.id, of[s.id]) for s in members if s.id in of]
    return msgspec.structs.replace(painted, rows=tuple(rows))


def line(
    name: str, members: Sequence[SessionState], folded: bool, frame: Frame, cells: int
) -> Line:
    """A group's line: its name, how its sessions stand, its best and mean final rewards."""
    glyphs = frame.glyphs
    sign = glyphs.folded if folded else glyphs.opened
    counts = Counter(session.state for session in members)
    said = [remark(words.plural(len(members), "session"), "dim", 1)]
    if len(counts) > 1 or folded:
        said += [
            Remark(((f"{counts[state]} {state}", say.state_role_of(state)),), 3)
            for state in glyphs.states
            if counts[state]
        ]
    finals = [s.final_reward for s in members if s.final_reward is not None]
    if finals:
        mean = words.reward(sum(finals) / len(finals))
        known = "" if len(finals) == len(members) else f" of {len(finals)}"
        said.append(Remark((("mean final ", "dim"), (mean, "text"), (known, "dim")), 2))
    bests = [s.best_reward for s in members if s.best_reward is not None]
    if bests:
        said.append(Remark((("best ", "dim"), (words.reward(max(bests)), "text")), 2))
    head: list[Span] = [(f" {sign} ", "key"), (cut_middle(plain(name) or "none", 30), "title")]
    separator: Span = (f" {glyphs.separator} ", "faint")
    taken = sum(len(text) for text, _ in head)
    tail = [*remarks(said, max(0, cells - taken - 4), separator), ("  ", "text")]
    return between(head, tail, cells)
