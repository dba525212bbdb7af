"""A launch plan at one size, as it goes to the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ShapedLaunch:
    """One launch at one size: blocks, threads, bytes; arguments are a buffer or (type, number)."""

    entry: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared_bytes: int
    arguments: tuple[str | tuple[str, int], ...]


@dataclass(frozen=True)
class ShapedPlan:
    """A plan at one size: the bytes of each scratch buffer, and the launches in order."""

    scratch: Mapping[str, int]
    launches: tuple[ShapedLaunch, ...]
