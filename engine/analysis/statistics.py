"""The few statistics that the analysis needs, in plain Python. Pure, and seeded where random."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from random import Random

from verifier.verdict import Interval

SEED = 20260605
REPLICATES = 1000
_POOL = 1024
Pool = tuple[tuple[float, float], ...]


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean of at least one value, to 12 places: so that what ties is equal."""
    return round(math.fsum(values) / len(values), 12)


def interval(replicates: Sequence[float], level: float = 0.95) -> Interval | None:
    """The percentile interval of bootstrap replicates; None without any."""
    if not replicates:
        return None
    ordered = sorted(replicates)
    tail = (1.0 - level) / 2
    return Interval(quantile(ordered, tail), quantile(ordered, 1.0 - tail))


def quantile(ordered: Sequence[float], share: float) -> float:
    """A quantile of sorted values, between neighbours where it falls between them."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    low, high = ordered[below], ordered[above]
    # The other way of writing this can leave [low, high] by a rounding error.
    return min(high, max(low, low + (place - below) * (high - low)))


def pool(attempts: Sequence[float], random: Random) -> Pool:
    """Resamples of a cell's attempts, equally likely, each as (mean, maximum).

    All of them while there are at most 1024 (four attempts), that many drawn ones above.
    """
    k = len(attempts)
    if k**k <= _POOL:
        samples = [tuple(sample) for sample in product(attempts, repeat=k)]
    else:
        samples = [tuple(pick(attempts, random) for _ in range(k)) for _ in range(_POOL)]
    return tuple((mean(sample), max(sample)) for sample in samples)


def pick(values: Sequence[float], random: Random) -> float:
    """One of the values."""
    return values[int(random.random() * len(values))]


def clustered_error(means: Sequence[float]) -> float | None:
    """The standard error of a mean over clusters (tasks), from each cluster's mean.

    The root of the sum of squared deviations, over the number of clusters: with equally many values
    in each it is the clustered error of Miller 2024 (arXiv 2411.00640). None for fewer than two.
    """
    if len(means) < 2:
        return None
    middle = mean(means)
    return math.sqrt(math.fsum((m - middle) ** 2 for m in means)) / len(means)


def sign_test(differences: Sequence[float]) -> tuple[int, int, int, float]:
    """(positive, negative, ties, p): two-sided and exact, ties left out."""
    wins = sum(d > 0 for d in differences)
    losses = sum(d < 0 for d in differences)
    trials, fewer = wins + losses, min(wins, losses)
    if trials == 0:
        return wins, losses, len(differences), 1.0
    tail = sum(math.comb(trials, i) for i in range(fewer + 1)) / 2**trials
    return wins, losses, len(differences) - trials, min(1.0, 2.0 * tail)


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Kendall's tau-b of two scores of the same things; None where one of them has only ties."""
    together = ties_first = ties_second = 0
    pairs = len(first) * (len(first) - 1) // 2
    for i in range(len(first)):
        for j in range(i):
            a, b = _sign(first[i] - first[j]), _sign(second[i] - second[j])
            together += a * b
            ties_first += a == 0
            ties_second += b == 0
    under = (pairs - ties_first) * (pairs - ties_second)
    return together / math.sqrt(under) if under > 0 else None


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1 for the smallest; ties share the mean of theirs."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    found = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for index in order[start : end + 1]:
            found[index] = (start + end) / 2 + 1
        start = end + 1
    return found
