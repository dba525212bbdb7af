"""What a handful of values says of their mean and median: intervals from textbook statistics.

For the mean, Student's t; for the median, order statistics (the number of values below it is
binomial with p = 1/2, whatever the distribution).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from verifier.verdict import Interval

# Two-sided quantiles of Student's t for 1 to 30 degrees of freedom, and the normal's.
_T95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
_T99 = (
    *(63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169),
    *(3.106, 3.055, 3.012, 2.977, 2.947, 2.921, 2.898, 2.878, 2.861, 2.845),
    *(2.831, 2.819, 2.807, 2.797, 2.787, 2.779, 2.771, 2.763, 2.756, 2.750),
)
# (quantiles, normal quantile z, first term (z^2 + 1) / 4 of the expansion t = z (1 + c / freedom))
_TABLES = {0.95: (_T95, 1.960, 1.21), 0.99: (_T99, 2.576, 1.91)}


def mean_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """The two-sided interval of the mean of at least two values; `level` is 0.95 or 0.99."""
    freedom = len(values) - 1
    table, normal, correction = _TABLES[level]
    quantile = table[freedom - 1] if freedom <= len(table) else normal * (1 + correction / freedom)
    half = quantile * statistics.stdev(values) / math.sqrt(len(values))
    middle = statistics.fmean(values)
    return Interval(middle - half, middle + half)


def half_width(interval: Interval) -> float:
    """How far the ends are from the middle."""
    return (interval.high - interval.low) / 2


def median_interval(values: Sequence[float]) -> Interval | None:
    """An interval that holds the median with at least 95 %, from order statistics.

    None below six values, where no such interval exists.
    """
    ordered, count = sorted(values), len(values)
    if count < 6:
        return None
    outside, cut = 0.0, 0
    while True:
        outside += 2 * math.comb(count, cut) / 2**count
        if outside > 0.05:
            break
        cut += 1
    return Interval(ordered[cut - 1], ordered[count - cut])
