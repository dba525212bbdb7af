"""Taking up what an engine that is gone left open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from engine.clock import Clock
from engine.events import (
    AnyBody,
    ClockMoved,
    EngineStarted,
    LeaseReturned,
    Noted,
    SnapshotTaken,
    TurnAbandoned,
    Usage,
)
from engine.gpu.desk import GpuDesk
from engine.journal import Journal
from engine.oversight.vitals import Sign, read_sign
from engine.service.keeping import Keepers
from engine.session.place import Place
from engine.state import SessionState, State
from engine.verdicts.queue import Job, Marks, Verifications
from verifier.sandbox import places

Record = Callable[[AnyBody, str | None], Awaitable[object]]
_COUNTING = ("working", "frozen", "waiting")


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a new engine needs to take up the sessions of the one before."""

    state_dir: Path
    state: State
    journal: Journal
    keepers: Keepers
    verifications: Verifications
    record: Record
    clock: Clock
    gpus: GpuDesk

    async def take_up(self) -> list[SessionState]:
        """Close what was open, repeat what was cut short, and reap what belongs to nobody.

        The clocks of open sessions stop when they were left alone: when the keeper froze their
        sandbox, or now where it has not, since their commands ran on; without a sandbox, at the
        last sign of life of the engine before this one. Returns the open sessions, those that had
        begun first.
        """
        open_sessions = [s for s in self.state.sessions.values() if not s.over]
        # Before anything is journalled here: what this engine says tells nothing of the last one.
        seen = self._last_heard()
        worked = await self._worked_until()
        # The clocks first: a lease that is given back is charged for up to then while they run.
        await asyncio.gather(  # so that they share a flush
            *(self._close(session, worked.get(session.id), seen) for session in open_sessions)
        )
        for session in open_sessions:
            # Where no process lives on, the device is free.
            if session.lease and (session.id not in worked or not self.gpus.adopt(session)):
                why = "its processes ended while the engine was away"
                await self.record(LeaseReturned(why=why), session.id)
        await self._reap({s.id for s in open_sessions})
        begun = [session.id for session in open_sessions if session.begun]
        if begun:
            many = f"{len(begun)} sessions are" if len(begun) > 1 else f"{begun[0]} is"
            await self.record(Noted(text=f"the engine is back; {many} taken up"), None)
        for session in open_sessions:
            self._verify_again(session)
        return sorted(open_sessions, key=lambda s: not s.begun)

    async def _close(self, session: SessionState, worked: float | None, seen: Sign) -> None:
        await self._close_clock(session, worked, seen)
        if session.turn_open:
            why = "the engine went away while it was under way"
            lost = TurnAbandoned(turn=session.turn, why=why, usage=Usage(unpriced=1))
            await self.record(lost, session.id)

    async def _close_clock(self, session: SessionState, worked: float | None, seen: Sign) -> None:
        if session.clocks.state not in _COUNTING:
            return
        end = Sign(self.clock.boot(), worked) if worked is not None else seen
        moved = ClockMoved(
            to="paused",
            cause="engine down",
            reason="the engine was down; it goes on when there is a slot",
            moment=end.stamp,
            moment_boot=end.boot,
        )
        await self.record(moved, session.id)

    def _verify_again(self, session: SessionState) -> None:
        """Verdicts that were on their way are given all the same, each once."""
        self.verifications.charge(session.id, session.verified_seconds)
        if session.state == "verifying":
            return  # the final one is asked for by the session itself
        if session.judging is not None:
            self.verifications.repeat(_job(session.id, session.judging))
        if session.unjudged is not None:
            self.verifications.checkpoint(_job(session.id, session.unjudged))

    async def _worked_until(self) -> dict[str, float]:
        """Boottime up to which the living sandboxes could work, by session."""
        client = await self.keepers.running()
        if client is None:
            return {}
        living = [info for info in await client.list() if info.alive]
        now = self.clock.now()
        return {i.id: now if i.frozen_since is None else i.frozen_since for i in living}

    def _last_heard(self) -> Sign:
        """The newest moment at which the engine before this one was certainly there.

        Its events and its sign of life tell; this engine's first event is in the journal already.
        """
        heard = Sign(self.clock.boot(), self.clock.now())
        for event in self.journal.events(after=max(0, self.journal.last_seq - 2)):
            if not isinstance(event.body, EngineStarted):
                heard = Sign(event.boot, event.stamp)
        sign = read_sign(self.state_dir)
        if sign is not None and (sign.boot != heard.boot or sign.stamp > heard.stamp):
            return sign
        return heard

    async def _reap(self, open_sessions: set[str]) -> None:
        """End sandboxes and remove workspaces of sessions that are over or were never recorded."""
        client = await self.keepers.running()
        if client is not None:
            for info in await client.list():
                if info.alive and info.id not in open_sessions:
                    await client.kill(info.id)
                    await self.record(Noted(text=f"ended the leftover sandbox {info.id}"), None)
        reaped = await asyncio.to_thread(self._reap_workspaces, open_sessions)
        if reaped:
            await self.record(Noted(text=f"removed {reaped} leftover workspaces"), None)

    def _reap_workspaces(self, open_sessions: set[str]) -> int:
        folder = self.state_dir / "sessions"
        kept = set()
        for session in open_sessions:
            place = Place.load(folder / session / "place.json")
            if place is not None:
                kept.add(place.directory.resolve())
                if place.door is not None:
                    kept.add(place.door.resolve())
        leftovers = [p for p in places.every(self.state_dir) if p.resolve() not in kept]
        for leftover in leftovers:
            places.remove(leftover)
        return len(leftovers)


def _job(session: str, taken: SnapshotTaken) -> Job:
    marks = Marks(taken.active, taken.wall, taken.tokens, taken.turns, taken.cost)
    return Job(session, taken.snapshot, "checkpoint", marks)
