"""What a run would come to, before it is launched: the forecast of a run that has not begun."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.analysis.counting import name_of
from engine.analysis.forecast import Forecast, prospect
from engine.clock import Clock
from engine.events import AnyBody, Event, RunCreated, SessionCreated
from engine.state import State, reduce

_MOST_GUIDES = 200  # newest sessions of the same models that are asked how such sessions go


def outlook(
    state: State, run: RunCreated, sessions: Mapping[str, SessionCreated], clock: Clock
) -> Callable[[], Forecast] | None:
    """What makes the forecast of a planned run, guided by sessions of the same models in `state`.

    All that it needs of `state` has been read when this returns. None for a run without sessions.
    """
    planned = State()

    def fold(body: AnyBody, session: str | None = None) -> None:
        seq = planned.seq + 1
        event = Event("", seq, clock.wall(), clock.boot(), clock.now(), session, body)
        reduce(planned, event)

    fold(run)
    for name, created in sessions.items():
        fold(created, name)
    who = {created.model or created.agent for created in sessions.values()}
    guides = [s for s in state.sessions.values() if s.begun and name_of(s) in who]
    return prospect(planned, planned.runs[run.run], clock, guides[-_MOST_GUIDES:])
