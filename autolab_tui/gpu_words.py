"""What is to be known of a GPU beside its figures, in the words of all who show one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from autolab_tui import words
from autolab_tui.plain import plain

BUSY = 5  # percent from which a device is in use
WASTED_SECONDS = 120.0  # of a lease without use, from which it is worth a word
_XID_SECONDS = 3600.0  # for which an Xid is told
Gpu = Mapping[str, Any]


def is_wasted(gpu: Gpu) -> bool:
    """Whether somebody has had a device for minutes and has not used it."""
    idle = gpu["standing"] == "ok" and bool(gpu.get("leases"))
    return idle and (gpu.get("idle_seconds") or 0.0) >= WASTED_SECONDS


def faults(gpu: Gpu, wall: Callable[[], float] = time.time) -> list[str]:
    """What is wrong with a device that answers: its last Xid, throttling, memory errors."""
    said = []
    xids = [] if gpu.get("parent") else gpu.get("xids") or []
    if xids and wall() - xids[-1]["at"] < _XID_SECONDS:
        more = f" and {len(xids) - 1} before" if len(xids) > 1 else ""
        said.append(f"{plain(xids[-1]['words'])} at {words.time_of_day(xids[-1]['at'])}{more}")
    if gpu["throttle"]:
        said.append(f"throttled: {plain(', '.join(gpu['throttle']))}")
    if gpu["ecc"]:
        said.append(f"{gpu['ecc']} uncorrected memory errors")
    return said


def process_name(process: Mapping[str, Any]) -> str:
    """A process that is of no session: its host pid and its program."""
    name = plain(str(process.get("name") or "")).strip()
    return f"pid {process['pid']} {name}".rstrip()
