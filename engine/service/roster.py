"""The sessions at hand: how each comes to life, and what becomes of an order before it has."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from engine.events import (
    AnyBody,
    SessionEnded,
    SessionMoved,
    SessionPaused,
    SessionResumed,
    StopAsked,
)
from engine.runs.outcomes import Ending
from engine.runs.scheduler import Entry
from engine.service.house import House
from engine.session.place import Place
from engine.session.session import Leaving, Session
from engine.state import SessionState
from engine.storage.tidying import place_file
from verifier.sandbox.keeper.client import KeeperError

_log = logging.getLogger(__name__)


class Roster:
    """Used on the sessions' loop; `get` may be called on any thread.

    `at_hand` holds the sessions that live; it is filled and emptied here alone.
    """

    def __init__(self, house: House, at_hand: dict[str, Session]) -> None:
        self._house = house
        self._at_hand = at_hand
        self._uid_slots: dict[str, int] = {}  # of the sessions that have begun

    def get(self, session_id: str) -> Session | None:
        """A session that lives, or None."""
        return self._at_hand.get(session_id)

    def ids(self) -> list[str]:
        """Of the sessions that live."""
        return list(self._at_hand)

    def submit(self, session_id: str) -> None:
        """Queue a session that has not begun, or goes on."""
        self._house.scheduler.submit(self._entry(session_id))

    def submit_again(self, session: SessionState) -> None:
        """Bring a session of the engine before this one to where it stood."""
        house = self._house
        if session.begun:
            place = Place.load(place_file(house.state_dir, session.id))
            if place is not None:
                self._uid_slots[session.id] = place.slot
        if session.stopping and not session.begun:
            self._end_unbegun(session.id, Ending("operator", session.stopping))
        elif session.pause is None:
            self.submit(session.id)
        elif session.begun:
            house.scheduler.submit_parked(self._entry(session.id))
        elif session.state != "paused":
            house.journal.append(SessionMoved(state="paused"), session.id)

    async def live(self, session_id: str) -> None:
        """A session's life, from where the journal says it stands until it is left or over."""
        session = Session(session_id, self._uid_slot(session_id), self._house)
        self._at_hand[session_id] = session
        try:
            await session.run()
        except Exception:
            # The journal itself may be what broke; the other sessions go on if they can.
            _log.exception("session %s could not even be ended", session_id)
        finally:
            del self._at_hand[session_id]
            self._uid_slots.pop(session_id, None)

    def obey(self, session_id: str, body: AnyBody) -> None:
        """An event of a session was journalled that may be an order."""
        session = self._at_hand.get(session_id)
        if session is not None:
            session.obey(body)
        else:
            self._obey_waiting(session_id, body)

    def end(self, session_id: str, ending: Ending) -> None:
        """End a session, whether or not it has begun. The first ending counts."""
        session = self._at_hand.get(session_id)
        if session is not None:
            session.stop(ending)
        elif self._withdrawn(session_id):
            self._end_unbegun(session_id, ending)

    def leave(self, how: Leaving) -> None:
        """The engine ends: every session lets go of its agent, and is taken up by the next one."""
        for session in tuple(self._at_hand.values()):
            session.leave(how)

    def committed(self, run: str) -> float:
        """US dollars that the calls of a run that are under way will probably cost."""
        sessions = self._at_hand.values()
        return sum(session.live.committed for session in sessions if session.facts.run == run)

    async def namespaces(self, sessions: Sequence[str]) -> dict[str, int]:
        """The pid namespaces (inodes) of sessions whose sandboxes live."""
        try:
            keeper = await self._house.keepers.running()
            listed = [] if keeper is None else await keeper.list()
        except KeeperError:  # its sandboxes are gone with it
            return {}
        return {s.id: s.namespace for s in listed if s.id in sessions and s.namespace is not None}

    def _entry(self, session_id: str) -> Entry:
        state = self._house.view.state
        facts = state.sessions[session_id]
        limit = state.runs[facts.run].spec.get("concurrency")
        return Entry(session_id, facts.run, limit, facts.want)

    def _obey_waiting(self, session_id: str, body: AnyBody) -> None:
        """An order for a session that has not begun."""
        house = self._house
        facts = house.view.state.sessions[session_id]
        match body:
            case SessionPaused() if house.scheduler.withdraw(session_id):
                moved = SessionMoved(state="paused", reason=str(facts.pause))
                house.journal.append(moved, session_id)
            case SessionResumed() if facts.state == "paused":
                self.submit(session_id)
                house.journal.append(SessionMoved(state="queued"), session_id)
            case StopAsked() if self._withdrawn(session_id):
                self._end_unbegun(session_id, Ending("operator", facts.stopping))

    def _withdrawn(self, session_id: str) -> bool:
        """Take a session that has not begun out of the queue; whether it was in it, or paused."""
        paused = self._house.view.state.sessions[session_id].state == "paused"
        return self._house.scheduler.withdraw(session_id) or paused

    def _end_unbegun(self, session_id: str, ending: Ending) -> None:
        outcome = "stopped_by_operator" if ending.by == "operator" else "no_valid_result"
        ended = SessionEnded(
            ended_by=ending.by,
            outcome=outcome,  # type: ignore[arg-type]  # one of the two above
            evidence=f"{ending.detail}, before it had begun",
            final_reward=None,
        )
        self._house.journal.append(ended, session_id)
        self._house.journal.append(SessionMoved(state="finished"), session_id)

    def _uid_slot(self, session_id: str) -> int:
        """The number behind the uid of its sandbox: the one it had, or one that nobody has."""
        taken = set(self._uid_slots.values())
        free = next(n for n in range(len(taken) + 1) if n not in taken)
        return self._uid_slots.setdefault(session_id, free)
