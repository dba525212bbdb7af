"""Keeping the garbage collector's pauses short: while it looks, no thread of the engine runs."""

from __future__ import annotations

import gc

# Containers made since the last look, then how many such looks before a longer one. Nearly all that
# the engine makes is freed without the collector's help, so that looking seldom costs little.
_THRESHOLDS = (10_000, 20, 50)


def look_less() -> None:
    """Leave alone what is there now (modules, the folded state), and look seldom at the rest.

    To be called once, when an engine is put together and before its sessions begin.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
