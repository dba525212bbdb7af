"""The JSON of a state that keeps changing, of which only what can have changed is encoded again.

An event changes the session that it names and no other; one that names none may change all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Executor, Future

import msgspec

from engine.analysis.forecast import Forecast, prospect
from engine.clock import Clock
from engine.events import Event
from engine.objects import (
    STATUS_SCHEMA,
    EngineObject,
    run_object,
    session_object,
)
from engine.runs.outcomes import Thresholds
from engine.state import RunState, SessionState, State, run_over

FORECAST_SECONDS = 10.0
_encoder = msgspec.json.Encoder()


class Picture:
    """What `msgspec.json.encode(state)` gives, at the price of the sessions that have changed."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._sessions: dict[str, msgspec.Raw] = {}
        self._changed: set[str] = set(state.sessions)

    def note(self, events: Sequence[Event]) -> None:
        """These were folded into the state."""
        for event in events:
            if event.session is None:
                self._changed.update(self._state.sessions)
            else:
                self._changed.add(event.session)

    def json(self) -> bytes:
        """The whole state as JSON."""
        state, known = self._state, self._sessions
        for name in self._changed:
            if name in state.sessions:
                known[name] = msgspec.Raw(_encoder.encode(state.sessions[name]))
        self._changed.clear()
        whole = {name: getattr(state, name) for name in state.__struct_fields__}
        whole["sessions"] = {name: known[name] for name in state.sessions}
        return _encoder.encode(whole)


class StatusPicture:
    """The JSON of `engine.objects.status_object`, at the price of what is not over yet.

    A forecast is a simulation and moves slowly: one is made at most every `forecast_seconds`, by
    `maker` (a thread) where one is given; until it is there the one before is shown. `limits` say
    from when on a session is warned of.
    """

    def __init__(
        self,
        state: State,
        limits: Thresholds | None = None,
        forecast_seconds: float = FORECAST_SECONDS,
        maker: Executor | None = None,
    ) -> None:
        self._state = state
        self._limits = limits
        self._forecast_seconds = forecast_seconds
        self._maker = maker
        self._making: dict[str, Future[Forecast]] = {}
        self._forecasts: dict[str, tuple[float, Forecast | None]] = {}
        self._sessions: dict[str, msgspec.Raw] = {}
        self._runs: dict[str, msgspec.Raw] = {}

    def note(self, events: Sequence[Event]) -> None:
        """These were folded into the state."""
        for event in events:
            if event.session is None:
                self._sessions.clear()
                self._runs.clear()
            elif self._sessions.pop(event.session, None) is not None:
                session = self._state.sessions.get(event.session)  # None: removed since
                self._runs.pop(session.run if session is not None else "", None)

    def json(self, engine: EngineObject | None, clock: Clock) -> bytes:
        """Everything, as of now."""
        sessions: list[object] = []
        for name, session in self._state.sessions.items():
            known = self._sessions.get(name)
            if known is None:
                known = msgspec.Raw(_encoder.encode(session_object(session, clock, self._limits)))
                if _still(session):
                    self._sessions[name] = known
            sessions.append(known)
        runs: list[object] = []
        for name, run in self._state.runs.items():
            known = self._runs.get(name)
            if known is None:
                known = msgspec.Raw(
                    _encoder.encode(run_object(self._state, run, clock, self._forecast(run, clock)))
                )
                if run_over(self._state, name) and all(s in self._sessions for s in run.sessions):
                    self._runs[name] = known
            runs.append(known)
        whole = {"schema": STATUS_SCHEMA, "engine": engine, "runs": runs, "sessions": sessions}
        return _encoder.encode(whole)

    def _forecast(self, run: RunState, clock: Clock) -> Forecast | None:
        now = clock.now()
        made, found = self._forecasts.get(run.id, (-math.inf, None))
        if run_over(self._state, run.id):
            self._forecasts.pop(run.id, None)
            self._making.pop(run.id, None)
            return None
        making = self._making.get(run.id)
        if making is not None and making.done():
            del self._making[run.id]
            made, found = self._forecasts[run.id] = (now, making.result())
        elif making is None and not made <= now < made + self._forecast_seconds:
            make = prospect(self._state, run, clock)
            if make is not None and self._maker is not None:
                self._making[run.id] = self._maker.submit(make)
            elif make is not None:
                made, found = self._forecasts[run.id] = (now, make())
        return found


def _still(session: SessionState) -> bool:
    """Whether nothing that is shown of a session moves with the time."""
    return session.over and session.clocks.state == "stopped" and not session.activity
