"""Which state a session's clock is in, from what is going on at the moment.

By precedence: paused; working while a model turn is in flight; frozen while the sandbox is held for
a measurement; working while a command runs; waiting for a retry or a slot; and working otherwise,
since the agent loop's own book-keeping is the session's time too. A command that is held frozen
does no work and is not charged. Only changes are journalled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.clock import Clock, ClockState
from engine.events import ClockMoved


class Meter:
    """The clock of one session. Used on the sessions' loop only."""

    def __init__(
        self, record: Callable[[ClockMoved], object], clock: Clock, state: ClockState = "stopped"
    ) -> None:
        self._record = record
        self._clock = clock
        self._running = False
        self._turns = 0
        self._commands = 0
        self._holds: list[str] = []
        self._waits: list[str] = []
        self._pauses: list[str] = []
        self.state: ClockState = state

    def start(self) -> None:
        """The session's time begins, or goes on after the engine was down."""
        self._running = True
        self._move()

    def stop(self) -> None:
        """The agent's time is over."""
        self._running = False
        self._move()

    def gap(self, since: float, reason: str) -> None:
        """Somebody held the session from `since` (boottime) until now without this meter knowing.

        That time is paused; what was before it is charged as it was.
        """
        if self._running:
            self._record(ClockMoved(to="paused", reason=reason, moment=since))
            self.state = "paused"
            self._move()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A model turn is in flight."""
        self._turns += 1
        self._move()
        try:
            yield
        finally:
            self._turns -= 1
            self._move()

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
        with self._within(self._holds, reason):
            yield

    @contextmanager
    def waiting(self, reason: str) -> Iterator[None]:
        """Nothing can be done until a retry or a slot is due."""
        with self._within(self._waits, reason):
            yield

    @contextmanager
    def paused(self, reason: str) -> Iterator[None]:
        """Somebody other than the agent keeps it from working; charged to nobody."""
        with self._within(self._pauses, reason):
            yield

    @contextmanager
    def _within(self, reasons: list[str], reason: str) -> Iterator[None]:
        reasons.append(reason)
        self._move()
        try:
            yield
        finally:
            reasons.remove(reason)
            self._move()

    def _state(self) -> tuple[ClockState, str]:
        by_precedence: tuple[tuple[object, ClockState, str], ...] = (
            (not self._running, "stopped", ""),
            (self._pauses, "paused", self._pauses[-1] if self._pauses else ""),
            (self._turns, "working", "model turn"),
            (self._holds, "frozen", self._holds[-1] if self._holds else ""),
            (self._commands, "working", "command"),
            (self._waits, "waiting", self._waits[-1] if self._waits else ""),
        )
        for holds, state, reason in by_precedence:
            if holds:
                return state, reason
        return "working", ""

    def _move(self) -> None:
        state, reason = self._state()
        if state != self.state:
            self.state = state
            self._record(ClockMoved(to=state, reason=reason, moment=self._clock.now()))
