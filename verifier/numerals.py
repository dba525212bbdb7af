"""How a measured value is written for a person: one rule, for every place that shows one."""

from __future__ import annotations

import math

_MOST, _LEAST = 1e15, 1e-6  # from here on, and below this, an exponent is shorter than zeros


def numeral(value: float, digits: int = 4) -> str:
    """A value in `digits` significant digits; the digits before the point are all there.

    Whole numbers are never rounded, and nothing has an exponent between a millionth and 10^15:
    `15348`, `0.0001234`, `1.5`.
    """
    if not math.isfinite(value):
        return f"{value}"
    if value == 0:
        return "0"
    if not _LEAST <= abs(value) < _MOST:
        return f"{value:.{digits}g}"
    size = math.floor(math.log10(abs(value)))
    if float(value).is_integer() or size >= digits - 1:
        return f"{value:.0f}"
    return f"{value:.{digits - 1 - size}f}".rstrip("0").rstrip(".")
