"""Models in harnesses, ranked in the form that AutoLab's tables have, with what is uncertain."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from random import Random

import msgspec

from engine.analysis.counting import (
    Entrant,
    LeftOut,
    Missing,
    Sheet,
    Subject,
    Tally,
    left_out,
    remarks,
    sheet,
    tally,
)
from engine.analysis.statistics import (
    REPLICATES,
    SEED,
    Pool,
    clustered_error,
    interval,
    mean,
    pool,
)
from engine.state import SessionState, State
from verifier.verdict import Interval


class Estimate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A figure with its 95 % bootstrap interval (None where nothing varies: see docs)."""

    value: float
    interval: Interval | None


class Scores(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Means over `tasks` tasks; `error` is the standard error of `avg`, clustered by task.

    `dominance` is over `duels` (task, opponent) pairs and None without any.
    """

    tasks: int
    avg: Estimate | None
    error: float | None
    best: Estimate | None
    dominance: Estimate | None
    duels: int


class Cell(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The attempts of a row at one task, in rising order; `avg` and `best` None without any."""

    task: str
    domain: str
    rewards: tuple[float, ...]
    avg: float | None
    best: float | None


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model in one harness.

    `above_next` is the share of bootstrap replicates in which it stands above the next row; None
    where the two were not judged on the same tasks.
    `attempts` are the least and the most that count at a task.
    """

    model: str
    harness: str
    harness_hash: str
    attempts: tuple[int, int]
    tally: Tally
    overall: Scores
    domains: dict[str, Scores]
    above_next: float | None
    cells: tuple[Cell, ...]


class Leaderboard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rows, best first, and all that is needed to read them."""

    missing: Missing
    tasks: int
    tally: Tally
    rows: tuple[Row, ...]
    left_out: tuple[LeftOut, ...]
    remarks: tuple[str, ...]
    seed: int
    replicates: int


@dataclass(slots=True)
class _Draws:
    """Bootstrap replicates of one entrant's three figures; None where it had no task."""

    avg: list[float | None] = field(default_factory=list)
    best: list[float] = field(default_factory=list)
    dominance: list[float] = field(default_factory=list)


def leaderboard(
    state: State,
    sessions: Iterable[SessionState],
    missing: Missing = "exclude",
    replicates: int = REPLICATES,
) -> Leaderboard:
    """The table of these sessions."""
    every = list(sessions)
    made = sheet(state, every, missing)
    overall, draws = _scores(made, made.subjects, replicates)
    domains = {
        name: _scores(made, [s for s in made.subjects if s.domain == name], replicates)[0]
        for name in sorted({s.domain for s in made.subjects})
    }
    order = sorted(made.entrants, key=lambda e: (-_value(overall[e].avg), e))
    rows = [
        Row(
            model=entrant.model,
            harness=entrant.harness,
            harness_hash=entrant.harness_hash,
            attempts=_attempts(made, entrant),
            tally=tally(made.of(entrant)),
            overall=overall[entrant],
            domains={name: scores[entrant] for name, scores in domains.items()},
            above_next=_above(made, draws, entrant, after) if after else None,
            cells=tuple(_cell(made, entrant, subject) for subject in made.subjects),
        )
        for entrant, after in zip_longest(order, order[1:])
    ]
    return Leaderboard(
        missing=missing,
        tasks=len(made.subjects),
        tally=tally(every),
        rows=tuple(rows),
        left_out=tuple(left_out(sorted(every, key=lambda s: s.id))),
        remarks=tuple(remarks(made)),
        seed=SEED,
        replicates=replicates,
    )


def _value(estimate: Estimate | None) -> float:
    return -1.0 if estimate is None else estimate.value


def _attempts(made: Sheet, entrant: Entrant) -> tuple[int, int]:
    sizes = [n for s in made.subjects if (n := len(made.rewards(entrant, s)))]
    return (min(sizes), max(sizes)) if sizes else (0, 0)


def _cell(made: Sheet, entrant: Entrant, subject: Subject) -> Cell:
    rewards = made.rewards(entrant, subject)
    return Cell(
        made.label(subject),
        subject.domain,
        rewards,
        mean(rewards) if rewards else None,
        max(rewards, default=None),
    )


def _scores(
    made: Sheet, subjects: Sequence[Subject], replicates: int
) -> tuple[dict[Entrant, Scores], dict[Entrant, _Draws]]:
    """The figures of every entrant over some tasks, and their replicates."""
    cells = {e: [made.rewards(e, s) for s in subjects] for e in made.entrants}
    averages = [[mean(cells[e][t]) if cells[e][t] else None for e in made.entrants]
                for t in range(len(subjects))]  # fmt: skip
    duels = [[0.0, 0] for _ in made.entrants]
    for at_task in averages:
        _duel(at_task, duels)
    draws = _bootstrap(made.entrants, cells, len(subjects), replicates)
    found: dict[Entrant, Scores] = {}
    for index, entrant in enumerate(made.entrants):
        filled = [rewards for rewards in cells[entrant] if rewards]
        drawn = draws[entrant]
        varies = sum(map(len, filled)) > 1
        means = [mean(rewards) for rewards in filled]
        won, against = duels[index]
        found[entrant] = Scores(
            tasks=len(filled),
            avg=_estimate(mean(means), drawn.avg, varies) if filled else None,
            error=clustered_error(means),
            best=_estimate(mean([max(r) for r in filled]), drawn.best, varies) if filled else None,
            dominance=_estimate(won / against, drawn.dominance, varies) if against else None,
            duels=int(against),
        )
    return found, draws


def _estimate(value: float, drawn: Sequence[float | None], varies: bool) -> Estimate:
    known = [d for d in drawn if d is not None]
    return Estimate(value, interval(known) if varies else None)


def _duel(at_task: Sequence[float | None], duels: list[list[float]]) -> None:
    """Add one task's wins (a tie is half of one) and opponents to each entrant's."""
    ordered = sorted(value for value in at_task if value is not None)
    for value, mine in zip(at_task, duels, strict=True):
        if value is not None:
            below, upto = bisect_left(ordered, value), bisect_right(ordered, value)
            mine[0] += below + (upto - below - 1) / 2
            mine[1] += len(ordered) - 1


def _bootstrap(
    entrants: Sequence[Entrant],
    cells: dict[Entrant, list[tuple[float, ...]]],
    tasks: int,
    replicates: int,
) -> dict[Entrant, _Draws]:
    """Tasks are drawn, the same for all entrants, and within each its attempts."""
    random = Random(SEED)
    pools: list[list[Pool | None]] = [
        [pool(cells[e][t], random) if cells[e][t] else None for e in entrants] for t in range(tasks)
    ]
    draws = {entrant: _Draws() for entrant in entrants}
    uniform = random.random
    for _ in range(replicates if tasks else 0):
        totals = [[0.0, 0.0, 0.0] for _ in entrants]  # of avg, of best, tasks
        duels = [[0.0, 0.0] for _ in entrants]
        for _ in range(tasks):
            row = pools[int(uniform() * tasks)]
            drawn = [p[int(uniform() * len(p))] if p is not None else None for p in row]
            for total, pair in zip(totals, drawn, strict=True):
                if pair is not None:
                    total[0] += pair[0]
                    total[1] += pair[1]
                    total[2] += 1
            _duel([pair[0] if pair is not None else None for pair in drawn], duels)
        for entrant, total, (won, against) in zip(entrants, totals, duels, strict=True):
            kept = draws[entrant]
            kept.avg.append(total[0] / total[2] if total[2] else None)
            if total[2]:
                kept.best.append(total[1] / total[2])
            if against:
                kept.dominance.append(won / against)
    return draws


def _above(
    made: Sheet, draws: Mapping[Entrant, _Draws], first: Entrant, second: Entrant
) -> float | None:
    """The share of replicates in which one is above the other; a tie is half.

    None where they were not judged on the same tasks.
    """
    if any(bool(made.rewards(first, s)) != bool(made.rewards(second, s)) for s in made.subjects):
        return None
    both = zip(draws[first].avg, draws[second].avg, strict=True)
    pairs = [(a, b) for a, b in both if a is not None and b is not None]
    if not pairs:
        return None
    return sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs)
