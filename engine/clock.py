"""Stamps and the four clocks of a session.

A stamp is (boot id, CLOCK_BOOTTIME): it survives suspend and steps of the wall clock, and two
stamps of different boots are never subtracted. Wall-clock time is for display only.

At every instant a session's clock is in exactly one state. By precedence: paused > working (a model
turn in flight or a command running) > frozen (verifying) > waiting (rate limit, retry, slot).
`active` is the working time; `wall` is working, frozen and waiting together. Every interval that is
not work has a cause of a closed list, and intervals never overlap: one ends where the next begins.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

ClockState = Literal["working", "frozen", "waiting", "paused", "stopped"]
PauseCause = Literal[
    "operator",
    "schedule",
    "soft limit",
    "missing key",
    "no credit",
    "unreachable",
    "storage",
    "damaged",
    "GPU lost",
    "engine down",
]
ClockCause = (
    Literal["", "verifying", "rate limit", "retry", "connection", "slot", "GPU"] | PauseCause
)


@cache
def boot_id() -> str:
    """The kernel's identifier of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def boottime() -> float:
    """CLOCK_BOOTTIME in seconds."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Clock(msgspec.Struct, frozen=True):
    """Where the engine reads time; tests pass their own."""

    boot: Callable[[], str] = boot_id
    now: Callable[[], float] = boottime
    wall: Callable[[], float] = time.time


class Clocks(msgspec.Struct):
    """Accumulated seconds by state, and the state that is running since `since` (boottime).

    `causes` has the seconds of everything but work, by cause.
    """

    working: float = 0.0
    frozen: float = 0.0
    waiting: float = 0.0
    paused: float = 0.0
    state: ClockState = "stopped"
    reason: str = ""
    boot: str = ""
    since: float = 0.0
    cause: ClockCause = ""
    causes: dict[str, float] = msgspec.field(default_factory=dict)

    def move(
        self, to: ClockState, reason: str, boot: str, moment: float, cause: ClockCause = ""
    ) -> None:
        """Close the open interval at `moment` and open the next one.

        An interval that a reboot cut counts nothing. One that would end before it began counts
        nothing either, and the next begins where it did: no second is counted twice.
        """
        if self.state != "stopped" and boot == self.boot:
            moment = max(moment, self.since)
            self._add(self.state, moment - self.since)
        self.state, self.reason, self.boot, self.since = to, reason, boot, moment
        self.cause = cause

    def _add(self, state: ClockState, seconds: float) -> None:
        setattr(self, state, getattr(self, state) + seconds)
        if self.cause:
            self.causes[self.cause] = self.causes.get(self.cause, 0.0) + seconds

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

    def by_cause(self, boot: str, now: float) -> dict[str, float]:
        """Seconds of everything but work so far, by cause."""
        found = dict(self.causes)
        if self.cause:
            running = self._open(boot, now, "frozen", "waiting", "paused")
            found[self.cause] = found.get(self.cause, 0.0) + running
        return found


class Span(msgspec.Struct):
    """Seconds during which at least one of several things went on; overlaps count once."""

    closed: float = 0.0
    open: int = 0
    boot: str = ""
    since: float = 0.0

    def begin(self, boot: str, moment: float) -> None:
        """One more goes on."""
        if self.open == 0:
            self.boot, self.since = boot, moment
        self.open += 1

    def end(self, boot: str, moment: float) -> None:
        """One fewer goes on."""
        self.open -= 1
        if self.open == 0 and boot == self.boot:
            self.closed += max(0.0, moment - self.since)

    def seconds(self, boot: str, now: float) -> float:
        """Seconds so far."""
        running = self.open > 0 and boot == self.boot
        return self.closed + (max(0.0, now - self.since) if running else 0.0)
