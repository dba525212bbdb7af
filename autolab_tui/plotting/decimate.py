"""Many points into few columns without losing an extreme."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """What one column has to show: the first, lowest, highest and last value in it."""

    first: float
    low: float
    high: float
    last: float


def decimate(
    points: Iterable[tuple[float, float]], start: float, end: float, columns: int
) -> list[Bucket | None]:
    """`columns` buckets over x in [start, end], None where no point falls.

    Points outside the window are left out; those in it are kept exactly: each value lies in its
    bucket's [low, high], and every low, high, first and last is the value of some point. Within a
    bucket, first and last follow the order in which points are given.
    """
    buckets: list[Bucket | None] = [None] * columns
    if columns < 1:
        return buckets
    for x, y in points:
        if not start <= x <= end:
            continue
        index = column_of(x, start, end, columns)
        bucket = buckets[index]
        if bucket is None:
            buckets[index] = Bucket(y, y, y, y)
            continue
        bucket.low = min(bucket.low, y)
        bucket.high = max(bucket.high, y)
        bucket.last = y
    return buckets


def column_of(x: float, start: float, end: float, columns: int) -> int:
    """The column of an x in [start, end]."""
    if end <= start:
        return 0
    return min(columns - 1, max(0, int((x - start) / (end - start) * columns)))
