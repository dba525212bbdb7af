"""The engine itself: sessions, their schedule, their verification, and what callers may ask.

Everything here runs on the sessions' loop. The API calls in from its own thread with
`asyncio.run_coroutine_threadsafe`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from engine.clock import Clock
from engine.cpus import Cpus, usable
from engine.events import (
    AnyBody,
    EngineStarted,
    EngineStopped,
    ModelPaced,
    SessionEnded,
    SessionMoved,
)
from engine.house import House
from engine.journal import Journal
from engine.keeping import Keepers
from engine.models.http import HttpClient
from engine.models.pace import Paces
from engine.outcomes import Ending
from engine.paths import journal_file, keeper_socket
from engine.recovery import recover
from engine.runs import RunRefusedError, plan, read_spec
from engine.scheduler import Entry, Scheduler
from engine.selecting import select
from engine.session import Session
from engine.settings import Settings
from engine.snapshots import SnapshotStore
from engine.verdicts.process import VerifierProcess
from engine.verdicts.queue import Verifications
from engine.verdicts.recorder import Judging
from engine.view import View
from verifier.sandbox import get_backend
from verifier.sandbox.keeper.client import KeeperError
from verifier.sandbox.keeper.protocol import SandboxInfo
from verifier.sandbox.spec import SandboxUnavailableError

_log = logging.getLogger(__name__)
_TICK = 0.25
_FOLDER_SECONDS = 2.0


class EngineBusyError(RuntimeError):
    """The engine cannot do this now; the message says why and the remedy."""


class Engine:
    """One engine, for one state folder."""

    def __init__(
        self,
        state_dir: Path,
        journal: Journal,
        settings: Settings,
        version: str,
        *,
        clock: Clock | None = None,
        cpus: Cpus | None = None,
    ) -> None:
        cpus = cpus or usable()
        self.state_dir = state_dir
        self.journal = journal
        self.clock = clock or Clock()
        self.started = self.clock.now()
        self.loop_lag = 0.0
        self._ticked = self.clock.now()
        self._version = version
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._view = View(journal, self._loop)
        self._sessions: dict[str, Session] = {}
        self._silenced: asyncio.Queue[Sequence[SandboxInfo]] = asyncio.Queue()
        self._ready = asyncio.Event()  # what was left open has been taken up
        self._ending = asyncio.Event()
        self._ended = asyncio.Event()
        self._http = HttpClient()
        self._keepers = Keepers(state_dir, keeper_socket(state_dir), self._silenced.put_nowait)
        snapshots = SnapshotStore(state_dir / "snapshots")
        judging = Judging(
            self._view,
            snapshots,
            VerifierProcess(self.clock, cpus=cpus),
            self._record,
            (lambda: self._everyone_held("a snapshot is being measured")) if cpus.shared else None,
        )
        self._verifications = Verifications(
            judging.judge, self._elapsed, settings.verification_share
        )
        self._scheduler = Scheduler(self._live, settings.concurrency or len(cpus.every))
        self._house = House(
            state_dir=state_dir,
            clock=self.clock,
            journal=journal,
            view=self._view,
            settings=settings,
            snapshots=snapshots,
            verifications=self._verifications,
            keepers=self._keepers,
            http=self._http,
            paces=Paces(
                lambda provider, limit, cause: journal.append(
                    ModelPaced(provider=provider, limit=limit, cause=cause)
                )
            ),
            agent_cpus=() if cpus.shared else cpus.working,
        )

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The sessions' loop."""
        return self._loop

    def lag(self) -> float:
        """How late the sessions' loop runs, in seconds. May be asked on any thread."""
        return max(self.loop_lag, self.clock.now() - self._ticked - _TICK, 0.0)

    def running(self) -> int:
        """How many sessions have a slot. May be asked on any thread."""
        return len(self._sessions)

    def live(self, session: str) -> dict[str, str] | None:
        """The turn that a session is streaming. May be asked on any thread."""
        found = self._sessions.get(session)
        return found.live.turn if found is not None else None

    async def run(self) -> None:
        """Take up what the journal left open, work until asked to end, and end in good order."""
        await self._record(
            EngineStarted(version=self._version, pid=os.getpid(), host=platform.node())
        )
        left = await recover(
            self._view.state,
            self.journal,
            self._keepers,
            self._verifications,
            record=self._record,
            clock=self.clock,
        )
        for session in left:
            self._scheduler.submit(self._entry(session.id))
        self._ready.set()
        try:
            async with asyncio.TaskGroup() as group:
                scheduling = group.create_task(self._scheduler.work())
                helpers = [
                    group.create_task(self._verifications.work()),
                    group.create_task(self._tick()),
                    group.create_task(self._thaw_silenced()),
                    group.create_task(self._watch_journal()),
                    group.create_task(self._watch_state_folder()),
                ]
                await self._ending.wait()
                await self._close_sessions()
                await scheduling
                for helper in helpers:
                    helper.cancel()
            await self._keepers.shutdown()
            await self._record(EngineStopped(reason="asked to"))
        finally:
            await self._http.close()
            self._view.close()
            self._ended.set()

    def end(self) -> None:
        """Ask the engine to end."""
        self._ending.set()

    async def shutdown(self) -> None:
        """End in good order; returns when no process of a session is left."""
        self.end()
        await self._ended.wait()

    async def create_run(self, data: Mapping[str, Any], dry_run: bool) -> dict[str, Any]:
        """Launch a run; `{run, sessions}`.

        Raises `RunRefusedError`, and `EngineBusyError` when no sandbox can be had or nothing can
        be recorded.
        """
        await self._ready.wait()
        if self._ending.is_set():
            raise EngineBusyError("the engine is ending; start it again")
        if self.journal.trouble:
            raise EngineBusyError(self.journal.trouble)
        spec = read_spec(data)
        try:
            await asyncio.to_thread(get_backend().require)
        except SandboxUnavailableError as error:
            raise EngineBusyError(str(error)) from error
        taken = set(self._view.state.runs)
        made = await asyncio.to_thread(plan, spec, self._settings, taken)
        answer = {"run": made.run.run, "sessions": list(made.sessions)}
        if dry_run:
            return answer
        last = self.journal.append(made.run)
        for session_id, created in made.sessions.items():
            last = self.journal.append(created, session_id)
        await asyncio.wrap_future(last)
        for session_id in made.sessions:
            self._scheduler.submit(self._entry(session_id))
        return answer

    async def stop(self, globs: Sequence[str], dry_run: bool) -> list[str]:
        """Ask sessions to stop and be scored; the ids of those that were not over."""
        await self._ready.wait()
        chosen = select(self._view.state, globs)
        if not dry_run:
            for session_id in chosen:
                await self._stop(session_id)
        return chosen

    async def _stop(self, session_id: str) -> None:
        if self._scheduler.withdraw(session_id):
            await self._record(
                SessionEnded(
                    ended_by="operator",
                    outcome="stopped_by_operator",
                    evidence="stopped before it had begun",
                    final_reward=None,
                ),
                session_id,
            )
            await self._record(SessionMoved(state="finished"), session_id)
        elif (session := self._sessions.get(session_id)) is not None:
            session.stop(Ending("operator", "stopped"))

    def _entry(self, session_id: str) -> Entry:
        run = self._view.state.sessions[session_id].run
        return Entry(session_id, run, self._view.state.runs[run].spec.get("concurrency"))

    async def _live(self, session_id: str) -> None:
        taken = {s.slot for s in self._sessions.values()}
        slot = next(n for n in range(len(taken) + 1) if n not in taken)
        session = Session(session_id, slot, self._house)
        self._sessions[session_id] = session
        try:
            await session.run()
        except Exception:
            # The journal itself may be what broke; the other sessions go on if they can.
            _log.exception("session %s could not even be ended", session_id)
        finally:
            del self._sessions[session_id]

    async def _close_sessions(self) -> None:
        self._scheduler.close()
        self._verifications.close()
        for session in tuple(self._sessions.values()):
            session.close()

    def _elapsed(self, session_id: str) -> float:
        clocks = self._view.state.sessions[session_id].clocks
        return clocks.wall(self.clock.boot(), self.clock.now())

    @asynccontextmanager
    async def _everyone_held(self, reason: str, paused: bool = False) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for session in tuple(self._sessions.values()):
                if session.workspace is None or session.meter.state == "stopped":
                    continue
                meter = session.meter
                try:
                    await stack.enter_async_context(session.workspace.held())
                except KeeperError as error:
                    _log.warning("cannot hold %s: %s", session.id, error)
                    continue
                stack.enter_context(meter.paused(reason) if paused else meter.frozen(reason))
            yield

    async def _tick(self) -> None:
        """Know how late this loop runs."""
        while True:
            before = self.clock.now()
            await asyncio.sleep(_TICK)
            self._ticked = self.clock.now()
            self.loop_lag = round(max(0.0, self._ticked - before - _TICK), 4)

    async def _thaw_silenced(self) -> None:
        """What the keeper froze because this loop was stuck: pause its clock, and go on."""
        while True:
            for info in await self._silenced.get():
                session = self._sessions.get(info.id)
                if session is None or session.workspace is None or info.frozen_since is None:
                    continue
                session.meter.gap(info.frozen_since, "the engine was not heard")
                try:
                    await session.workspace.thaw()
                except KeeperError as error:
                    _log.warning("cannot thaw %s: %s", info.id, error)

    async def _watch_journal(self) -> None:
        """While nothing can be recorded nobody may work: hold every session until it can."""
        while True:
            await asyncio.sleep(_TICK)
            if self.journal.trouble:
                _log.error("%s", self.journal.trouble)
                async with self._everyone_held("the journal cannot be written", paused=True):
                    await self._no_trouble()

    async def _watch_state_folder(self) -> None:
        """End when the journal's file was deleted: nobody could ever read what is recorded."""
        file = journal_file(self.state_dir)
        while await asyncio.to_thread(file.exists):  # noqa: ASYNC110 - deletion tells nobody
            await asyncio.sleep(_FOLDER_SECONDS)
        _log.critical("%s is gone; this engine ends", file)
        self.end()

    async def _no_trouble(self) -> None:
        while self.journal.trouble:  # noqa: ASYNC110 - the writer is a thread and has no event
            await asyncio.sleep(_TICK)

    async def _record(self, body: AnyBody, session: str | None = None) -> object:
        return await asyncio.wrap_future(self.journal.append(body, session))


__all__ = ["Engine", "EngineBusyError", "RunRefusedError"]
