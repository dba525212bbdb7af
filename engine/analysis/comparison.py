"""Two models, two harnesses or two runs on the same tasks: which is better, and how sure that is.

Sessions are paired within a task, and within whatever else both sides have in common: two harnesses
model by model, two models harness by harness.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import combinations
from random import Random
from typing import Literal

import msgspec

from engine.analysis.counting import (
    Missing,
    Subject,
    Tally,
    name_of,
    remarks,
    reward,
    sheet,
    tally,
)
from engine.analysis.leaderboard import Estimate
from engine.analysis.statistics import (
    REPLICATES,
    SEED,
    Pool,
    clustered_error,
    interval,
    kendall_tau,
    mean,
    pool,
    ranks,
    sign_test,
)
from engine.state import SessionState, State

SideKind = Literal["model", "harness", "run"]
_KINDS: Mapping[SideKind, Callable[[SessionState], str]] = {
    "model": name_of,
    "harness": lambda session: session.harness,
    "run": lambda session: session.run,
}
_OTHERS: Mapping[SideKind, Callable[[SessionState], str]] = {
    "model": lambda session: session.harness,
    "harness": name_of,
    "run": lambda session: f"{name_of(session)} in {session.harness}",
}


class ComparisonError(ValueError):
    """The two sides cannot be compared; the message names the side and the remedy."""


class Side(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the two; `mean` is over the tasks that are paired, None without any."""

    name: str
    kind: SideKind
    members: tuple[str, ...]
    tally: Tally
    mean: float | None


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One task, with what both sides share there; rewards in rising order."""

    task: str
    domain: str
    shared: str
    a: tuple[float, ...]
    b: tuple[float, ...]
    difference: float


class SignTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Over tasks: where A is better, where B is, where neither; exact and two-sided."""

    a: int
    b: int
    ties: int
    p: float


class Standing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member's place, from 1 for the best, on both sides."""

    name: str
    rank_a: float
    rank_b: float


class Reversal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`first` stands above `second` with A and below it with B.

    `probability` is the share of replicates in which both hold.
    """

    first: str
    second: str
    probability: float | None


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The order of what both sides share, with A and with B; `tau` None where one has only ties."""

    tau: Estimate | None
    standings: tuple[Standing, ...]
    reversals: tuple[Reversal, ...]


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A less B. `probability`: the share of replicates in which A is better, a tie as half of one.

    `order` is None where fewer than two things are shared.
    """

    a: Side
    b: Side
    missing: Missing
    tasks: int
    pairs: tuple[Pair, ...]
    difference: Estimate | None
    error: float | None
    probability: float | None
    sign_test: SignTest
    order: Order | None
    unpaired: tuple[str, ...]
    remarks: tuple[str, ...]
    seed: int
    replicates: int


@dataclass(frozen=True, slots=True)
class _Selected:
    name: str
    kind: SideKind
    sessions: list[SessionState]

    @property
    def members(self) -> tuple[str, ...]:
        return tuple(sorted({_KINDS[self.kind](s) for s in self.sessions}))


def compare(
    state: State,
    sessions: Iterable[SessionState],
    a: str,
    b: str,
    *,
    missing: Missing = "exclude",
    replicates: int = REPLICATES,
) -> Comparison:
    """Compare two sides: `model:GLOB`, `harness:GLOB`, `run:GLOB`, or a bare name of one of them.

    Raises `ComparisonError`.
    """
    every = sorted(sessions, key=lambda s: s.id)
    first, second = _side(every, a), _side(every, b)
    if first.kind != second.kind:
        raise ComparisonError(
            f"{a!r} is a {first.kind} and {b!r} a {second.kind}; compare two of the same kind"
        )
    both = {s.id for s in first.sessions} & {s.id for s in second.sessions}
    if both:
        raise ComparisonError(f"{a!r} and {b!r} have {len(both)} sessions in common; narrow one")
    chosen = [*first.sessions, *second.sessions]
    made = sheet(state, chosen, missing)
    cells = [_cells(state, side, missing) for side in (first, second)]
    keys = sorted(key for key in cells[0].keys() & cells[1].keys())
    pairs = [
        Pair(
            made.label(subject),
            subject.domain,
            shared,
            *(mine := (cells[0][subject, shared], cells[1][subject, shared])),
            round(mean(mine[0]) - mean(mine[1]), 12),
        )
        for subject, shared in keys
    ]
    by_task: dict[Subject, list[Pair]] = defaultdict(list)
    for (subject, _), pair in zip(keys, pairs, strict=True):
        by_task[subject].append(pair)
    means_a = [mean([mean(p.a) for p in at_task]) for at_task in by_task.values()]
    means_b = [mean([mean(p.b) for p in at_task]) for at_task in by_task.values()]
    differences = [round(x - y, 12) for x, y in zip(means_a, means_b, strict=True)]
    draws = _bootstrap(cells, keys, replicates)
    varies = sum(len(p.a) + len(p.b) for p in pairs) > 2
    return Comparison(
        a=_said(first, means_a),
        b=_said(second, means_b),
        missing=missing,
        tasks=len(by_task),
        pairs=tuple(pairs),
        difference=Estimate(mean(differences), interval(draws.difference) if varies else None)
        if differences
        else None,
        error=clustered_error(differences),
        probability=mean([_half(d) for d in draws.difference]) if draws.difference else None,
        sign_test=SignTest(*sign_test(differences)),
        order=_order(cells, keys, draws),
        unpaired=_unpaired(made.label, cells),
        remarks=tuple(remarks(made)),
        seed=SEED,
        replicates=replicates,
    )


def _side(sessions: Sequence[SessionState], text: str) -> _Selected:
    kind, colon, glob = text.partition(":")
    for known, of in _KINDS.items():
        pattern = glob if colon and kind == known else text
        if pattern is text and colon and kind in _KINDS:
            continue
        found = [s for s in sessions if _matches(of(s), pattern)]
        if found:
            return _Selected(text, known, found)
    known_names = {name_of(s) for s in sessions} | {s.harness for s in sessions}
    said = ", ".join(name[:80] for name in sorted(known_names)[:12]) or "none"
    raise ComparisonError(
        f"no session matches {text!r}; give model:GLOB, harness:GLOB or run:GLOB "
        f"(there are: {said})"
    )


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name.rpartition("/")[2], pattern)


_Key = tuple[Subject, str]
_Cells = dict[_Key, tuple[float, ...]]


def _cells(state: State, side: _Selected, missing: Missing) -> _Cells:
    """The rewards that count, by task and by what the other side may share."""
    found: dict[_Key, list[float]] = defaultdict(list)
    for cells in sheet(state, side.sessions, missing).sessions.values():
        for subject, members in cells.items():
            for session in members:
                value = reward(session, missing)
                if value is not None:
                    found[subject, _OTHERS[side.kind](session)].append(value)
    return {key: tuple(sorted(values)) for key, values in found.items()}


@dataclass(slots=True)
class _Draws:
    """Replicates: the mean difference, and the means of each shared thing on both sides."""

    difference: list[float]
    orders: list[tuple[list[float], list[float]]]
    names: tuple[str, ...]


def _bootstrap(cells: Sequence[_Cells], keys: Sequence[_Key], replicates: int) -> _Draws:
    random = Random(SEED)
    names = tuple(sorted({shared for _, shared in keys}))
    place = {name: index for index, name in enumerate(names)}
    tasks: dict[Subject, list[tuple[int, Pool, Pool]]] = defaultdict(list)
    for key in keys:
        pools = [pool(side[key], random) for side in cells]
        tasks[key[0]].append((place[key[1]], pools[0], pools[1]))
    drawn = _Draws([], [], names)
    clusters = list(tasks.values())
    uniform = random.random
    for _ in range(replicates if clusters else 0):
        total = 0.0
        sums = [[0.0] * len(names), [0.0] * len(names)]
        counts = [0] * len(names)
        for _ in clusters:
            cluster = clusters[int(uniform() * len(clusters))]
            inside = 0.0
            for index, first, second in cluster:
                a = first[int(uniform() * len(first))][0]
                b = second[int(uniform() * len(second))][0]
                inside += a - b
                sums[0][index] += a
                sums[1][index] += b
                counts[index] += 1
            total += inside / len(cluster)
        drawn.difference.append(round(total / len(clusters), 12))
        if all(counts):
            first_means, second_means = (
                [round(s / c, 12) for s, c in zip(side, counts, strict=True)] for side in sums
            )
            drawn.orders.append((first_means, second_means))
    return drawn


def _order(cells: Sequence[_Cells], keys: Sequence[_Key], draws: _Draws) -> Order | None:
    names = draws.names
    if len(names) < 2:
        return None
    first, second = (
        [mean([mean(side[key]) for key in keys if key[1] == name]) for name in names]
        for side in cells
    )
    tau = kendall_tau(first, second)
    taus = [t for pair in draws.orders if (t := kendall_tau(*pair)) is not None]
    places = [ranks([-value for value in side]) for side in (first, second)]
    reversals = []
    for i, j in combinations(range(len(names)), 2):
        if (first[i] - first[j]) * (second[i] - second[j]) < 0.0:
            up, down = (i, j) if first[i] > first[j] else (j, i)
            held = [a[up] > a[down] and b[up] < b[down] for a, b in draws.orders]
            share = sum(held) / len(held) if held else None
            reversals.append(Reversal(names[up], names[down], share))
    return Order(
        tau=None if tau is None else Estimate(tau, interval(taus)),
        standings=tuple(Standing(name, places[0][i], places[1][i]) for i, name in enumerate(names)),
        reversals=tuple(reversals),
    )


def _half(difference: float) -> float:
    return 1.0 if difference > 0 else 0.5 if difference == 0 else 0.0


def _said(side: _Selected, means: Sequence[float]) -> Side:
    middle = mean(means) if means else None
    return Side(side.name, side.kind, side.members, tally(side.sessions), middle)


def _unpaired(label: Callable[[Subject], str], cells: Sequence[_Cells]) -> tuple[str, ...]:
    """What only one side was judged on, in words."""
    found = []
    for name, mine, other in (("A", cells[0], cells[1]), ("B", cells[1], cells[0])):
        for subject, shared in sorted(mine.keys() - other.keys()):
            found.append(f"{label(subject)} with {shared}: {name} only")
    return tuple(found)
