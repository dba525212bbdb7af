"""Round values for axes."""

from __future__ import annotations

import math
from itertools import pairwise

from autolab_tui import words

_TIME_STEPS = (
    *(1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600),
)


def step(span: float, most: int) -> float:
    """The smallest of 1, 2, 5 times a power of ten that cuts `span` into at most `most` parts."""
    if span <= 0 or most < 1:
        return 1.0
    rough = span / most
    power = 10.0 ** math.floor(math.log10(rough))
    for factor in (1, 2, 5, 10):
        if factor * power >= rough * (1 - 1e-9):
            return factor * power
    return 10 * power


def values(start: float, end: float, most: int) -> list[float]:
    """Round values in [start, end], at most `most` + 1 of them."""
    return _multiples(start, end, step(end - start, most))


def times(start: float, end: float, most: int) -> list[float]:
    """Round durations in seconds: whole seconds, minutes, hours or days."""
    rough = (end - start) / max(1, most)
    for size in _TIME_STEPS:
        if size >= rough:
            return _multiples(start, end, float(size))
    return _multiples(start, end, step((end - start) / 86400, most) * 86400)


def _multiples(start: float, end: float, size: float) -> list[float]:
    first = math.ceil(start / size - 1e-9)
    last = math.floor(end / size + 1e-9)
    return [number * size for number in range(first, last + 1)]


def time_label(seconds: float) -> str:
    """`0`, `30s`, `1:15`, `5m`, `1h`, `1h30`, `2d`."""
    if seconds == 0:
        return "0"
    if seconds >= 86400 and seconds % 86400 == 0:
        return f"{seconds / 86400:.0f}d"
    if seconds >= 3600 and seconds % 3600 == 0:
        return f"{seconds / 3600:.0f}h"
    if 60 < seconds < 3600 and seconds % 60:
        return words.duration(seconds)
    return words.short(seconds)


def number_label(value: float) -> str:
    """`0`, `50`, `2.0k`..."""
    return "0" if value == 0 else words.count(value)


def reward_labels(ticks: list[float]) -> list[str]:
    """Rewards with as many places as tell the ticks apart."""
    gap = min((b - a for a, b in pairwise(ticks)), default=1.0)
    places = 1 if gap >= 0.0999 else 2 if gap >= 0.00999 else 3
    return [f"{tick:.{places}f}" for tick in ticks]
