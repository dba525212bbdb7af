"""Taking up what an engine that is gone left open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from engine.clock import Clock
from engine.events import AnyBody, ClockMoved, EngineStarted, Noted, VerdictGiven
from engine.journal import Journal
from engine.keeping import Keepers
from engine.state import SessionState, State
from engine.verdicts.queue import Verifications

Record = Callable[[AnyBody, str | None], Awaitable[object]]


async def recover(
    state: State,
    journal: Journal,
    keepers: Keepers,
    verifications: Verifications,
    *,
    record: Record,
    clock: Clock,
) -> list[SessionState]:
    """Pause the clocks of open sessions from the moment they were left alone.

    That is when the keeper froze their sandbox, or now where it has not, since their commands ran
    on; without a sandbox, the last that was heard of the engine before this one. Returns the open
    sessions, those that had begun first.
    """
    open_sessions = [s for s in state.sessions.values() if not s.over]
    if not open_sessions:
        return []
    worked = await _worked_until(keepers, clock)
    seen = _last_heard(journal, clock)
    for session in open_sessions:
        if session.clocks.state not in ("stopped", "paused"):
            moment = worked.get(session.id, seen)
            moved = ClockMoved(to="paused", reason="the engine was down", moment=moment)
            await record(moved, session.id)
        if session.state != "queued":
            await record(Noted(text=f"the engine is back; {session.id} is taken up"), None)
        given = journal.of_session(session.id, "verdict.given")
        bodies = [event.body for event in given]
        seconds = [b.verdict.seconds for b in bodies if isinstance(b, VerdictGiven)]
        verifications.charge(session.id, sum(seconds))
    return sorted(open_sessions, key=lambda s: s.state == "queued")


async def _worked_until(keepers: Keepers, clock: Clock) -> dict[str, float]:
    """Boottime up to which the living sandboxes could work, by session."""
    client = await keepers.running()
    if client is None:
        return {}
    living = [info for info in await client.list() if info.alive]
    now = clock.now()
    return {info.id: now if info.frozen_since is None else info.frozen_since for info in living}


def _last_heard(journal: Journal, clock: Clock) -> float:
    """Boottime of the newest event of the engine before this one, whose first event is there."""
    heard = clock.now()
    for event in journal.events(after=max(0, journal.last_seq - 2)):
        if not isinstance(event.body, EngineStarted) and event.boot == clock.boot():
            heard = event.stamp
    return heard
