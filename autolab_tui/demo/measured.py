"""Reading a measurement out of what a bench printed."""

from __future__ import annotations

import re

_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_FIGURE = re.compile(r"\bmedian (\d+(?:\.\d+)?) (s|ms|us)\b")


def best_seconds(output: str) -> float | None:
    """The smallest median that a bench printed, in seconds; None for output that has none."""
    figures = [float(number) * _UNITS[unit] for number, unit in _FIGURE.findall(output)]
    return min((figure for figure in figures if figure > 0), default=None)


def spoken(seconds: float) -> str:
    """Seconds as a person would say them: "1.20 s" or "38.4 ms"."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"
