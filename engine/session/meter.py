"""Which state a session's clock is in, from what is going on at the moment.

By precedence: paused; working while a model turn is in flight; frozen while the sandbox is held for
a measurement; waiting while it is held for want of a slot (or, without a sandbox, of a GPU), or
because all that its command asked of the model waits; working while a command runs; waiting for a
retry or a connection; and working otherwise, since the agent loop's own book-keeping is the
session's time too. A command that is held frozen does no work and is not charged. A soft pause
begins when the turn in flight is over. Only changes are journalled, so that intervals are as long
as they can be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from engine.clock import Clock, ClockCause, ClockState, PauseCause
from engine.events import ClockMoved


class _Why(NamedTuple):
    state: ClockState
    cause: ClockCause
    reason: str
    soft: bool = False


_STOPPED = _Why("stopped", "", "")
_WORKING = _Why("working", "", "")


class Meter:
    """The clock of one session. Used on the sessions' loop only."""

    def __init__(
        self,
        record: Callable[[ClockMoved], object],
        clock: Clock,
        state: ClockState = "stopped",
        cause: ClockCause = "",
    ) -> None:
        self._record = record
        self._clock = clock
        self._running = False
        self._turns = 0
        self._commands = 0
        self._pauses: list[_Why] = []
        self._holds: list[_Why] = []
        self._waits: list[_Why] = []
        self._quiet = asyncio.Event()
        self._quiet.set()
        self.state: ClockState = state
        self.cause: ClockCause = cause

    def start(self) -> None:
        """The session's time begins, or goes on after the engine was down."""
        self._running = True
        self._move()

    def stop(self) -> None:
        """The agent's time is over."""
        self._running = False
        self._move()

    def leave(self, reason: str) -> None:
        """The engine goes away and the session stays: from now on nothing is charged."""
        if self._running:
            self._running = False
            self._to(_Why("paused", "engine down", reason), self._clock.now())

    def park(self, state: ClockState, cause: ClockCause, reason: str) -> None:
        """The agent has no sandbox for a while, and its time stands still or waits."""
        self._running = False
        self._to(_Why(state, cause, reason), self._clock.now())

    def gap(self, since: float, reason: str) -> None:
        """Somebody held the session from `since` (boottime) until now without this meter knowing.

        That time is paused; what was before it is charged as it was.
        """
        if self._running:
            self._to(_Why("paused", "engine down", reason), since)
            self._move()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A model turn is in flight."""
        self._turns += 1
        self._quiet.clear()
        self._move()
        try:
            yield
        finally:
            self._turns -= 1
            if not self._turns:
                self._quiet.set()
            self._move()

    async def quiet(self) -> None:
        """Wait until no model turn is in flight."""
        await self._quiet.wait()

    @contextmanager
    def command(self) -> Iterator[None]:
        """A command runs in the sandbox."""
        self._commands += 1
        self._move()
        try:
            yield
        finally:
            self._commands -= 1
            self._move()

    @contextmanager
    def frozen(self, reason: str) -> Iterator[None]:
        """The sandbox is held still while something else is measured."""
        with self._within(self._holds, _Why("frozen", "verifying", reason)):
            yield

    @contextmanager
    def stalled(self, reason: str, cause: ClockCause = "retry") -> Iterator[None]:
        """The sandbox is held still until a retry or a connection is due, command or not."""
        with self._within(self._holds, _Why("waiting", cause, reason)):
            yield

    @contextmanager
    def without_slot(self, reason: str) -> Iterator[None]:
        """The sandbox is held still until the session has a slot again."""
        with self._within(self._holds, _Why("waiting", "slot", reason)):
            yield

    @contextmanager
    def waiting(self, reason: str, cause: ClockCause = "retry") -> Iterator[None]:
        """Nothing can be done until a retry or a connection is due."""
        with self._within(self._waits, _Why("waiting", cause, reason)):
            yield

    @contextmanager
    def paused(self, reason: str, cause: PauseCause, soft: bool = False) -> Iterator[None]:
        """Somebody other than the agent keeps it from working; charged to nobody.

        With `soft` a model turn that is in flight is still charged until it is over.
        """
        with self._within(self._pauses, _Why("paused", cause, reason, soft)):
            yield

    @contextmanager
    def _within(self, whys: list[_Why], why: _Why) -> Iterator[None]:
        whys.append(why)
        self._move()
        try:
            yield
        finally:
            whys.remove(why)
            self._move()

    def _now(self) -> _Why:
        if not self._running:
            return _STOPPED
        pauses = [p for p in self._pauses if not (p.soft and self._turns)]
        if pauses:
            return pauses[-1]
        if self._turns:
            return _WORKING
        if self._holds:
            return self._holds[-1]
        if self._commands or not self._waits:
            return _WORKING
        return self._waits[-1]

    def _move(self) -> None:
        self._to(self._now(), self._clock.now())

    def _to(self, why: _Why, moment: float) -> None:
        if (why.state, why.cause) != (self.state, self.cause):
            self.state, self.cause = why.state, why.cause
            self._record(
                ClockMoved(to=why.state, reason=why.reason, cause=why.cause, moment=moment)
            )
