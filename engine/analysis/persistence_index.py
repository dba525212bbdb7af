"""Whether those who keep at it do better: rank correlations over sessions, with intervals."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from random import Random

import msgspec

from engine.analysis.counting import FEW_TASKS, standing
from engine.analysis.persistence import Persistence, persistence
from engine.analysis.statistics import REPLICATES, SEED, interval, ranks
from engine.state import SessionState
from verifier.verdict import Interval

_FIGURES = ("iterations", "used", "first")
_Moments = tuple[float, float, float, float, float, float]


class Correlation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Spearman's rho of the final reward with one figure of persistence, over `sessions`.

    The interval is a bootstrap over `tasks` tasks of the ranks as they are; None for fewer than
    five. `rho` is None where one side is the same everywhere.
    """

    figure: str
    rho: float | None
    interval: Interval | None
    sessions: int
    tasks: int


def persistence_index(
    sessions: Iterable[SessionState], boot: str, now: float, replicates: int = REPLICATES
) -> list[Correlation]:
    """The correlations with iterations, share of budget used and first score."""
    rows = [
        (s.task, persistence(s, boot, now))
        for s in sorted(sessions, key=lambda s: s.id)
        if standing(s) == "counted"
    ]
    return [_correlation(name, rows, replicates) for name in _FIGURES]


def _correlation(
    figure: str, rows: Sequence[tuple[str, Persistence]], replicates: int
) -> Correlation:
    known = [
        (task, getattr(found, figure), found.final)
        for task, found in rows
        if getattr(found, figure) is not None and found.final is not None
    ]
    x, y = ranks([k[1] for k in known]), ranks([k[2] for k in known])
    by_task: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for (task, _, _), a, b in zip(known, x, y, strict=True):
        by_task[task].append((a, b))
    sums = [_moments(by_task[task]) for task in sorted(by_task)]
    random, drawn = Random(SEED), []
    for _ in range(replicates if len(sums) >= FEW_TASKS else 0):
        value = _rho([sums[int(random.random() * len(sums))] for _ in sums])
        if value is not None:
            drawn.append(value)
    return Correlation(figure, _rho(sums), interval(drawn), len(known), len(sums))


def _moments(pairs: Sequence[tuple[float, float]]) -> _Moments:
    return (
        float(len(pairs)),
        math.fsum(x for x, _ in pairs),
        math.fsum(y for _, y in pairs),
        math.fsum(x * x for x, _ in pairs),
        math.fsum(y * y for _, y in pairs),
        math.fsum(x * y for x, y in pairs),
    )


def _rho(clusters: Sequence[_Moments]) -> float | None:
    if not clusters:
        return None
    n, sx, sy, sxx, syy, sxy = (math.fsum(column) for column in zip(*clusters, strict=True))
    spread = (n * sxx - sx * sx) * (n * syy - sy * sy)
    if spread <= 1e-9:
        return None
    return max(-1.0, min(1.0, (n * sxy - sx * sy) / math.sqrt(spread)))
