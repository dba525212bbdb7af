"""In which knobs two harnesses differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.harnesses.harness import Harness, knobs

_APART = ("name", "description")


@dataclass(frozen=True, slots=True)
class Difference:
    """One knob with its two values."""

    knob: str
    first: Any
    second: Any


def difference(first: Harness, second: Harness) -> list[Difference]:
    """The knobs in which two harnesses differ; name and description count for nothing."""
    left, right = knobs(first), knobs(second)
    return [
        Difference(key, left[key], right[key])
        for key in left
        if key not in _APART and left[key] != right[key]
    ]
