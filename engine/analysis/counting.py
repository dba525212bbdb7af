"""Which sessions count, for whom and on what: the denominators of every table.

A session counts once it is over and its final snapshot was judged. What could not be judged is
listed apart and counted as asked for; what is suspect is left out until a person has looked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import msgspec

from engine.state import SessionState, State

FEW_TASKS = 5  # fewer are too few to draw from
_NAMED = 3  # tasks of which a remark is made one by one
Missing = Literal["exclude", "zero"]
Standing = Literal["counted", "not_judged", "suspect", "unfinished"]


class Entrant(NamedTuple):
    """Who is compared: a model (or an agent without one) in a harness."""

    model: str
    harness: str
    harness_hash: str


class Subject(NamedTuple):
    """What it is compared on: a task as it was then, in one size."""

    domain: str
    task: str
    task_hash: str
    size: str
    timed_by: str = "driver"


class Tally(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many sessions, and of those that are counted how many are of a special kind.

    `gpu_seconds` is the GPU time of those that are over, counted or not.
    """

    sessions: int
    counted: int
    not_judged: int
    suspect: int
    unfinished: int
    stopped: int
    assisted: int
    unofficial: int
    timed_by_task: int
    gpu_seconds: float = 0.0


class LeftOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A session that is not counted (or counted as 0), and why."""

    session: str
    task: str
    model: str
    harness: str
    standing: Standing
    why: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """Sessions by entrant and subject. Subjects and entrants are in a fixed order."""

    sessions: Mapping[Entrant, Mapping[Subject, list[SessionState]]]
    entrants: tuple[Entrant, ...]
    subjects: tuple[Subject, ...]
    missing: Missing

    def of(self, entrant: Entrant) -> list[SessionState]:
        """All sessions of an entrant."""
        return [s for cell in self.sessions[entrant].values() for s in cell]

    def rewards(self, entrant: Entrant, subject: Subject) -> tuple[float, ...]:
        """The rewards that count in a cell, in rising order."""
        cell = self.sessions[entrant].get(subject, ())
        found = (reward(session, self.missing) for session in cell)
        return tuple(sorted(r for r in found if r is not None))

    def label(self, subject: Subject) -> str:
        """A subject's name, with as much more as tells it from others of that name."""
        same = [s for s in self.subjects if s.task == subject.task]
        parts = [subject.task]
        if len({s.size for s in same}) > 1:
            parts.append(subject.size)
        if len({s.task_hash for s in same}) > 1:
            parts.append(subject.task_hash[:8])
        if subject.timed_by == "task":
            parts.append("(timed_by: task)")
        return " ".join(parts)


def standing(session: SessionState) -> Standing:
    """How a session stands in the tables."""
    if not session.over:
        return "unfinished"
    if final_status(session) == "suspect":
        return "suspect"
    if session.final_reward is None or session.outcome == "infrastructure":
        return "not_judged"
    return "counted"


def final_status(session: SessionState) -> str:
    """The status of the final verdict, or nothing without one."""
    return next((p.status for p in reversed(session.points) if p.stage == "final"), "")


def reward(session: SessionState, missing: Missing) -> float | None:
    """The reward that a session puts into a mean, or None."""
    match standing(session):
        case "counted":
            return session.final_reward
        case "not_judged":
            return 0.0 if missing == "zero" else None
    return None


def name_of(session: SessionState) -> str:
    """The model, or the agent where there is none."""
    return session.model or session.agent


def entrant_of(session: SessionState) -> Entrant:
    """Who a session belongs to."""
    return Entrant(name_of(session), session.harness, session.harness_hash)


def sheet(state: State, sessions: Iterable[SessionState], missing: Missing) -> Sheet:
    """Sort sessions into cells."""
    cells: dict[Entrant, dict[Subject, list[SessionState]]] = defaultdict(lambda: defaultdict(list))
    subjects: set[Subject] = set()
    for session in sorted(sessions, key=lambda s: s.id):
        run = state.runs.get(session.run)
        size = str(run.spec.get("size", "")) if run is not None else ""
        subject = Subject(session.domain, session.task, session.task_hash, size, session.timed_by)
        subjects.add(subject)
        cells[entrant_of(session)][subject].append(session)
    return Sheet(cells, tuple(sorted(cells)), tuple(sorted(subjects)), missing)


def tally(sessions: Iterable[SessionState]) -> Tally:
    """Count sessions by how they stand."""
    every = list(sessions)
    by: dict[Standing, list[SessionState]] = defaultdict(list)
    for session in every:
        by[standing(session)].append(session)
    counted = by["counted"]
    return Tally(
        sessions=len(every),
        counted=len(counted),
        not_judged=len(by["not_judged"]),
        suspect=len(by["suspect"]),
        unfinished=len(by["unfinished"]),
        stopped=sum(s.outcome == "stopped_by_operator" for s in counted),
        assisted=sum(s.assisted for s in counted),
        unofficial=sum(not s.official for s in counted),
        timed_by_task=sum(s.timed_by == "task" for s in counted),
        gpu_seconds=round(sum(s.gpu_time.closed for s in every if s.over), 3),
    )


def left_out(sessions: Iterable[SessionState]) -> list[LeftOut]:
    """The sessions that are over and do not count as they are, with the reason."""
    found = []
    for session in sessions:
        how = standing(session)
        if how in ("not_judged", "suspect"):
            why = session.outcome_evidence
            if how == "suspect":
                why = next((p.reason for p in reversed(session.points) if p.stage == "final"), "")
            found.append(
                LeftOut(session.id, session.task, name_of(session), session.harness, how, why)
            )
    return found


def remarks(sheet: Sheet) -> list[str]:
    """What a reader of a table made of these sessions must know, in words."""
    found = []
    for name in sorted({s.task for s in sheet.subjects}):
        same = [s for s in sheet.subjects if s.task == name]
        if len(same) > 1:
            found.append(
                f"{name} counts as {len(same)} tasks: its size or its files differ between sessions"
            )
    uneven = []
    for subject in sheet.subjects:
        cells = [cell.get(subject, ()) for cell in sheet.sessions.values()]
        limits = {
            limit.hard
            for cell in cells
            for session in cell
            if (limit := session.budget.get(session.counts)) is not None and limit.hard
        }
        if len(limits) > 1:
            said = ", ".join(f"{seconds:g} s" for seconds in sorted(limits))
            uneven.append((sheet.label(subject), said))
    if len(uneven) > _NAMED:
        named = ", ".join(label for label, _ in uneven[:_NAMED])
        found.append(
            f"sessions of {len(uneven)} tasks had different budgets from others of the same task: "
            f"{named} and {len(uneven) - _NAMED} more"
        )
    else:
        found += [f"sessions of {label} had different budgets: {said}" for label, said in uneven]
    foreign = [s for s in sheet.subjects if s.timed_by == "task"]
    if foreign:
        mixed = len(foreign) < len(sheet.subjects)
        found.append(
            f"{len(foreign)} of {len(sheet.subjects)} tasks are timed and judged by their own "
            "test.sh (timed_by: task): their rewards are not of the same worth as the driver's"
            + ("; a mean over both kinds mixes them" if mixed else "")
        )
    harnesses: dict[str, set[str]] = defaultdict(set)
    for entrant in sheet.entrants:
        harnesses[entrant.harness].add(entrant.harness_hash)
    found += [
        f"harness {name} was changed between sessions; its {len(hashes)} versions are apart"
        for name, hashes in sorted(harnesses.items())
        if len(hashes) > 1
    ]
    if 0 < len(sheet.subjects) < FEW_TASKS:
        count = len(sheet.subjects)
        found.append(f"an interval over {count} task{'s' if count > 1 else ''} says little")
    done = {e: {s for s in sheet.subjects if sheet.rewards(e, s)} for e in sheet.entrants}
    if len(set(map(frozenset, done.values()))) > 1:
        found.append("not every row was judged on the same tasks; compare rows with care")
    return found
