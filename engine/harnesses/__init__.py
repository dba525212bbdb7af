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
from engine.harnesses.outside import COMMAND_SLOTS

DEFAULT = "minimal"

__all__ = [
    "COMMAND_SLOTS",
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
