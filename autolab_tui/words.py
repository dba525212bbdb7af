"""Quantities in words: durations, rewards, money, counts. Unknown is always a dash, never a 0."""

from __future__ import annotations

from datetime import datetime

from verifier.numerals import numeral

UNKNOWN = "—"
_UNBELIEVABLE = 1e15  # of a damaged or forged journal


def duration(seconds: float | None) -> str:
    """A span of time to the second: `0:41`, `3:12`, `1:04:07`, `2d 03:00`."""
    if seconds is None:
        return UNKNOWN
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    if hours >= 48:
        return f"{hours // 24}d {hours % 24:02}:{rest // 60:02}"
    if hours:
        return f"{hours}:{rest // 60:02}:{rest % 60:02}"
    return f"{rest // 60}:{rest % 60:02}"


def short(seconds: float | None) -> str:
    """A span of time to its leading unit: `41s`, `3m`, `1h04`, `2d3h`."""
    if seconds is None:
        return UNKNOWN
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m"
    if whole < 48 * 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02}"
    return f"{whole // 86400}d{whole % 86400 // 3600}h"


def limit(seconds: float | None) -> str:
    """A limit of time, short but exact to the second: `10m`, `2:30`, `2h00`."""
    if seconds is None or seconds < 60 or seconds % 60 == 0:
        return short(seconds)
    return duration(seconds)


def amount(key: str, value: float) -> str:
    """An amount of what a budget's key limits: `2h00`, `$5.00`, `50`."""
    if key in ("active", "wall", "gpu"):
        return limit(value)
    return money(value) if key == "cost" else numeral(value)


def reward(value: float | None) -> str:
    """A reward in [0, 1] to three places."""
    return UNKNOWN if value is None else f"{value:.3f}"


def money(dollars: float | None) -> str:
    """An amount in US dollars."""
    if dollars is None:
        return UNKNOWN
    return f"${dollars:,.0f}" if dollars >= 1000 else f"${dollars:.2f}"


def cost(dollars: float | None, unpriced: int) -> str:
    """What was spent: all of it, at least so much where calls are `unpriced`, or unknown."""
    if dollars is None:
        return "unknown"
    return f"at least {money(dollars)}" if unpriced else money(dollars)


def count(number: float | None) -> str:
    """A count, short: `912`, `12.3k`, `1.2M`; unknown where no count can be so."""
    if number is None or not 0 <= number < _UNBELIEVABLE:
        return UNKNOWN
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= size:
            scaled = number / (1e3 if unit == "k" else size)
            return f"{scaled:.0f}{unit}" if scaled >= 100 else f"{scaled:.1f}{unit}"
    return f"{number:.0f}"


def quantity(value: float | None, unit: str = "") -> str:
    """A measured value with its unit."""
    if value is None:
        return UNKNOWN
    text = numeral(value)
    return f"{text} {unit}" if unit else text


def speedup(factor: float | None) -> str:
    """A ratio of baseline to candidate: `1.43x`, `42.4x`, `812x`."""
    if factor is None:
        return UNKNOWN
    if factor >= 1e6:
        return f"{numeral(factor)}x"
    places = 2 if factor < 10 else 1 if factor < 100 else 0
    return f"{factor:.{places}f}x"


def time_of_day(at: float) -> str:
    """A Unix time as the operator's local `HH:MM:SS`."""
    return _local(at, "%H:%M:%S")


def hour(at: float) -> str:
    """A Unix time as the operator's local `HH:MM`."""
    return _local(at, "%H:%M")


def _local(at: float, form: str) -> str:
    try:
        return datetime.fromtimestamp(at).astimezone().strftime(form)
    except (ValueError, OverflowError, OSError):  # a clock that was wrong by thousands of years
        return UNKNOWN


def noun(number: int, one: str) -> str:
    """The noun that goes with a number: `session` or `sessions`."""
    return one if number == 1 else f"{one}s"


def plural(number: int, one: str) -> str:
    """`1 session`, `3 sessions`."""
    return f"{number} {noun(number, one)}"
