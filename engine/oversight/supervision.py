"""What the engine looks after beyond single sessions: run budgets, pauses that end, alarms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import get_args

from engine.analysis.warnings import Kind, live_warnings
from engine.clock import Clock
from engine.events import (
    AlertCleared,
    AlertRaised,
    AnyBody,
    SessionPaused,
    SessionResumed,
)
from engine.oversight.alarms import AlarmLimits, alarms
from engine.runs import budgets
from engine.runs.outcomes import Ending, Thresholds
from engine.state import RunState, SessionState, State

_SECONDS = 1.0
_ALARM_ROUNDS = 5
_WARNINGS = get_args(Kind)
_NAMES = ("silent", "long", "repeating", "sandbox", *_WARNINGS)


class Supervision:
    """Looks at every open session once a second. Used on the sessions' loop only.

    `end` ends a session by its id, `committed` says what the model calls of a run that are in
    flight will probably cost.
    """

    def __init__(
        self,
        state: State,
        clock: Clock,
        *,
        note: Callable[[AnyBody, str], object],
        end: Callable[[str, Ending], None],
        committed: Callable[[str], float],
        limits: AlarmLimits,
        thresholds: Thresholds | None = None,
    ) -> None:
        self._state = state
        self._clock = clock
        self._note = note
        self._end = end
        self._committed = committed
        self._limits = limits
        self._thresholds = thresholds

    async def work(self) -> None:
        """Look for ever; cancelled when the engine ends."""
        round_ = 0
        while True:
            await asyncio.sleep(_SECONDS)
            round_ += 1
            open_sessions = [s for s in self._state.sessions.values() if not s.over]
            self.lift(open_sessions)
            for name in {s.run for s in open_sessions}:
                run = self._state.runs[name]
                if run.budget:
                    self.hold_to_budget(run)
            # A part of them each second: the warnings of 200 sessions take a moment to reckon.
            for session in open_sessions[round_ % _ALARM_ROUNDS :: _ALARM_ROUNDS]:
                self.alarm(session)

    def turned(self, session: SessionState) -> None:
        """A model turn ended: the budget of its run may be used up."""
        run = self._state.runs[session.run]
        if run.budget:
            self.hold_to_budget(run)

    def lift(self, sessions: list[SessionState]) -> None:
        """End the pauses whose time is over."""
        now = self._clock.wall()
        for session in sessions:
            pause = session.pause
            if pause is not None and pause.until is not None and now >= pause.until:
                self._note(SessionResumed(by="schedule", why="the pause is over"), session.id)

    def hold_to_budget(self, run: RunState) -> None:
        """End the run's sessions at a hard limit, pause them at a soft one."""
        sessions = [self._state.sessions[s] for s in run.sessions if s in self._state.sessions]
        boot, now = self._clock.boot(), self._clock.now()
        used = budgets.used_by_run(run, sessions, boot, now, self._committed(run.id))
        going = [s for s in sessions if not s.over and s.state != "verifying"]
        if (reached := budgets.reached(run.budget, used)) is not None:
            for session in going:
                self._end(session.id, Ending("budget", f"the run's {reached}"))
            return
        soft = budgets.soft_reached(run.budget, used, run.soft_passed)
        if soft is not None:
            why = f"the run's soft {soft}; resume to go on, or extend the run's budget first"
            for session in going:
                body = SessionPaused(cause="soft limit", why=why, limit=soft.key, scope="run")
                self._note(body, session.id)

    def alarm(self, session: SessionState) -> None:
        """Raise what holds, clear what does not any more."""
        boot, now = self._clock.boot(), self._clock.now()
        found = alarms(session, boot, now, self._limits)
        if session.pause is None:
            warnings = live_warnings(session, boot, now, self._thresholds)
            found |= {warning.kind: warning.evidence for warning in warnings}
        raised = {alert.id for alert in session.alerts}
        for name, text in found.items():
            if name not in raised:
                self._note(AlertRaised(alert=name, text=text), session.id)
        for name in _NAMES:
            if name in raised and name not in found:
                self._note(AlertCleared(alert=name), session.id)
