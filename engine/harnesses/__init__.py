"""Harnesses: data that says which loop asks the model, how, and what the model may see."""

from __future__ import annotations

from engine.harnesses.difference import Difference, difference
from engine.harnesses.files import (
    Broken,
    HarnessError,
    everything,
    load,
    names,
    sources,
    user_folder,
)
from engine.harnesses.harness import TIME_TOOL, Harness, knobs

DEFAULT = "minimal"

__all__ = [
    "DEFAULT",
    "TIME_TOOL",
    "Broken",
    "Difference",
    "Harness",
    "HarnessError",
    "difference",
    "everything",
    "knobs",
    "load",
    "names",
    "sources",
    "user_folder",
]
