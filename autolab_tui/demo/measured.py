"""Reading a measurement out of what a bench printed."""

from __future__ import annotations

import re

_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_FIGURE = re.compile(r"(\d+(?:\.\d+)?)\s*(s|ms|us)\b")
_FRAME = re.compile(r"\n?\[(?:exit code|cut off)[^\]]*\]\s*$")


def best_seconds(output: str) -> float | None:
    """The smallest time that a bench printed, in seconds; None for output that has none.

    The frame that the tool puts around the output also tells a time, which is not the program's.
    """
    if "bench" not in output and "best" not in output and "median" not in output:
        return None
    body = _FRAME.sub("", output)
    figures = [float(number) * _UNITS[unit] for number, unit in _FIGURE.findall(body)]
    return min((figure for figure in figures if figure > 0), default=None)


def spoken(seconds: float) -> str:
    """Seconds as a person would say them: "1.20 s" or "38.4 ms"."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"
