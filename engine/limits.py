"""Limits of sessions and runs in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from engine.events import BUDGET_KEYS, Limit
from verifier.numerals import numeral

_TIMES = ("active", "wall", "gpu")


def duration(seconds: float) -> str:
    """Seconds in words, such as "1 h 12 min"."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    parts = [(hours, "h"), (minutes, "min"), (left, "s")]
    return " ".join(f"{amount} {unit}" for amount, unit in parts if amount) or "0 s"


def amount(key: str, value: float) -> str:
    """An amount of what `key` limits, with its unit: time, US dollars, or a bare count."""
    if key in _TIMES:
        return duration(value) if value >= 1 else f"{value:g} s"
    return f"{value:.2f} USD" if key == "cost" else numeral(value)


def changes(before: Mapping[str, Limit], after: Mapping[str, Limit]) -> str:
    """Each limit that is another now: "gpu 2 h (soft 1 h 30 min), cost none"."""
    said = []
    for key in BUDGET_KEYS:
        limit = after.get(key, Limit())
        if limit == before.get(key, Limit()):
            continue
        hard = "none" if limit.hard is None else amount(key, limit.hard)
        soft = "" if limit.soft is None else f" (soft {amount(key, limit.soft)})"
        said.append(f"{key} {hard}{soft}")
    return ", ".join(said)
