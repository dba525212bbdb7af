"""Stamps and the four clocks of a session.

A stamp is (boot id, CLOCK_BOOTTIME): it survives suspend and steps of the wall clock, and two
stamps of different boots are never subtracted. Wall-clock time is for display only.

At every instant a session's clock is in exactly one state. By precedence: paused > working (a model
turn in flight or a command running) > frozen (verifying) > waiting (rate limit, retry, slot).
`active` is the working time; `wall` is working, frozen and waiting together.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

ClockState = Literal["working", "frozen", "waiting", "paused", "stopped"]


@cache
def boot_id() -> str:
    """The kernel's identifier of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def boottime() -> float:
    """CLOCK_BOOTTIME in seconds."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Clock:
    """Where the engine reads time; tests pass their own."""

    boot: Callable[[], str] = boot_id
    now: Callable[[], float] = boottime
    wall: Callable[[], float] = time.time


class Clocks(msgspec.Struct):
    """Accumulated seconds by state, and the state that is running since `since` (boottime)."""

    working: float = 0.0
    frozen: float = 0.0
    waiting: float = 0.0
    paused: float = 0.0
    state: ClockState = "stopped"
    reason: str = ""
    boot: str = ""
    since: float = 0.0

    def move(self, to: ClockState, reason: str, boot: str, moment: float) -> None:
        """Close the open interval at `moment` and open the next one.

        An interval that a reboot cut, or that would end before it began, counts nothing.
        """
        if self.state != "stopped" and boot == self.boot:
            self._add(self.state, max(0.0, moment - self.since))
        self.state, self.reason, self.boot, self.since = to, reason, boot, moment

    def _add(self, state: ClockState, seconds: float) -> None:
        setattr(self, state, getattr(self, state) + seconds)

    def _open(self, boot: str, now: float, *states: ClockState) -> float:
        if self.state in states and boot == self.boot:
            return max(0.0, now - self.since)
        return 0.0

    def active(self, boot: str, now: float) -> float:
        """Seconds of work so far."""
        return self.working + self._open(boot, now, "working")

    def wall(self, boot: str, now: float) -> float:
        """Seconds of work, verification freezes and waiting so far; pauses are not in it."""
        closed = self.working + self.frozen + self.waiting
        return closed + self._open(boot, now, "working", "frozen", "waiting")

    def seconds(self, state: ClockState, boot: str, now: float) -> float:
        """Seconds spent in one state so far."""
        return float(getattr(self, state)) + self._open(boot, now, state)
