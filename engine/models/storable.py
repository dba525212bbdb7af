"""What came from a server or a model, made fit to be kept in a file and sent again."""

from __future__ import annotations

import math
from typing import Any

LARGEST = 1 << 53  # above it, JSON readers disagree about whole numbers
_DEEPEST = 100


def clean(text: str) -> str:
    """Text that UTF-8 can carry: halves of surrogate pairs become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def storable(value: Any, depth: int = 0) -> Any:
    """JSON that can be kept and sent again: no half characters, no number that JSON lacks.

    Raises `ValueError` when it is nested too deeply.
    """
    if depth > _DEEPEST:
        raise ValueError(f"a value is nested more than {_DEEPEST} deep")
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [storable(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {clean(key): storable(item, depth + 1) for key, item in value.items()}
    kept = not isinstance(value, int | float) or (math.isfinite(value) and abs(value) < LARGEST)
    return value if kept else None
