"""Values as an operator writes them: durations and budgets, read and written."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from tasks.nearest import hint

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_DURATIONS = ("active", "wall", "gpu")
_COUNTS = ("turns", "tokens")
_BUDGETS = ("active", "wall", "turns", "tokens", "cost", "gpu")


def duration(text: str) -> float:
    """Seconds from "90s", "2h", "1h30m" or a bare number of seconds.

    Raises `ValueError` with what is wrong and what would be right.
    """
    word = text.strip().lower()
    parts = _PART.findall(word)
    if parts and "".join(number + unit for number, unit in parts) == word:
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    else:
        try:
            seconds = float(word)
        except ValueError:
            raise ValueError(f"{text!r} is not a duration; write 90s, 15m, 2h or 1h30m") from None
    if not math.isfinite(seconds) or seconds <= 0:
        raise ValueError(f"{text!r} is not a duration above zero; write 90s, 15m, 2h or 1h30m")
    return seconds


def budgets(pairs: Iterable[str]) -> dict[str, float]:
    """{key: amount} from "active=2h,turns=50": seconds, counts or dollars by key.

    Raises `ValueError` naming the pair that does not fit.
    """
    found: dict[str, float] = {}
    for pair in (p for text in pairs for p in text.split(",") if p.strip()):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if key not in _BUDGETS or not equals or not value:
            known = f"KEY is one of {', '.join(_BUDGETS)}; write active=2h"
            remedy = hint(key, _BUDGETS, known) if key not in _BUDGETS else known
            raise ValueError(f"{pair!r} is not KEY=AMOUNT; {remedy}")
        if key in found:
            raise ValueError(f"{key} is given twice; give each budget once")
        found[key] = _amount(key, value)
    return found


def _amount(key: str, value: str) -> float:
    if key in _DURATIONS:
        try:
            return duration(value)
        except ValueError as error:
            raise ValueError(f"{key}={value}: {error}") from None
    try:
        amount = float(value)
    except ValueError:
        amount = math.nan
    whole = key not in _COUNTS or amount.is_integer()
    if not (math.isfinite(amount) and amount > 0 and whole):
        kind = "a whole number above zero" if key in _COUNTS else "an amount in USD above zero"
        raise ValueError(f"{key}={value} is not {kind}; write {key}=50")
    return amount


def short_duration(seconds: float) -> str:
    """Seconds as "8s", "3m20s", "2h05m" or "4d03h": two units at the most."""
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"
