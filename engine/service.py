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
from engine.events import (
    AnyBody,
    ClockMoved,
    EngineStarted,
    EngineStopped,
    Noted,
    SessionEnded,
    SessionMoved,
    VerdictGiven,
    VerificationStarted,
)
from engine.journal import Journal
from engine.keeping import Keepers
from engine.models.http import HttpClient
from engine.outcomes import Ending
from engine.paths import keeper_socket
from engine.runs import RunRefusedError, plan, read_spec
from engine.scheduler import Entry, Scheduler
from engine.selecting import select
from engine.session import House, Session
from engine.settings import Settings
from engine.snapshots import SnapshotMissingError, SnapshotStore
from engine.verification import Job, Verifications
from engine.verifying import VerifierProcess
from engine.view import View
from tasks import load_task
from verifier.request import VerifyRequest
from verifier.sandbox import get_backend
from verifier.sandbox.keeper.client import KeeperError
from verifier.sandbox.keeper.protocol import SandboxInfo
from verifier.sandbox.spec import SandboxUnavailableError
from verifier.verdict import Verdict

_log = logging.getLogger(__name__)
_TICK = 0.25
_MEASURING = ("warm-up", "timing")
_LEAST_LIMIT = 600.0


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
        clock: Clock | None = None,
    ) -> None:
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
        self._ending = asyncio.Event()
        self._ended = asyncio.Event()
        self._verifier = VerifierProcess(self.clock)
        self._http = HttpClient()
        self._keepers = Keepers(state_dir, keeper_socket(state_dir), self._silenced.put_nowait)
        self._verifications = Verifications(self._judge, self._elapsed, settings.verification_share)
        self._scheduler = Scheduler(self._live, settings.slots())
        cpus = sorted(os.sched_getaffinity(0))
        self._shared_cpu = len(cpus) < 2
        self._house = House(
            state_dir=state_dir,
            clock=self.clock,
            journal=journal,
            view=self._view,
            settings=settings,
            snapshots=SnapshotStore(state_dir / "snapshots"),
            verifications=self._verifications,
            keepers=self._keepers,
            http=self._http,
            agent_cpus=() if self._shared_cpu else tuple(cpus[:-1]),
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
        await self._recover()
        try:
            async with asyncio.TaskGroup() as group:
                scheduling = group.create_task(self._scheduler.work())
                helpers = [
                    group.create_task(self._verifications.work()),
                    group.create_task(self._tick()),
                    group.create_task(self._thaw_silenced()),
                    group.create_task(self._watch_journal()),
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

        Raises `RunRefusedError`, and `EngineBusyError` when no sandbox can be had.
        """
        if self._ending.is_set():
            raise EngineBusyError("the engine is ending; start it again")
        spec = read_spec(data)
        taken = set(self._view.state.runs)
        made = await asyncio.to_thread(plan, spec, self._settings, taken)
        try:
            await asyncio.to_thread(get_backend().require)
        except SandboxUnavailableError as error:
            raise EngineBusyError(str(error)) from error
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

    async def _recover(self) -> None:
        """Take up sessions of an engine that is gone: pause their clocks where it left off."""
        left = [s for s in self._view.state.sessions.values() if not s.over]
        if not left:
            return
        frozen: dict[str, float] = {}
        client = await self._keepers.running()
        if client is not None:
            frozen = {
                info.id: info.frozen_since
                for info in await client.list()
                if info.alive and info.frozen_since is not None
            }
        seen = self._last_stamp()
        for session in left:
            if session.clocks.state not in ("stopped", "paused"):
                moment = frozen.get(session.id, seen)
                moved = ClockMoved(to="paused", reason="the engine was down", moment=moment)
                await self._record(moved, session.id)
            if session.state != "queued":
                await self._record(Noted(text=f"the engine is back; {session.id} is taken up"))
            spent = sum(
                event.body.verdict.seconds
                for event in self.journal.of_session(session.id, "verdict.given")
                if isinstance(event.body, VerdictGiven)
            )
            self._verifications.charge(session.id, spent)
        for session in sorted(left, key=lambda s: s.state == "queued"):
            self._scheduler.submit(self._entry(session.id))

    def _last_stamp(self) -> float:
        """When the engine before this one was last heard: its newest event."""
        stamp = self.clock.now()
        for event in self.journal.events(after=max(0, self.journal.last_seq - 2)):
            if not isinstance(event.body, EngineStarted) and event.boot == self.clock.boot():
                stamp = event.stamp
        return stamp

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

    async def _judge(self, job: Job) -> Verdict:
        """Verify one snapshot and journal its verdict."""
        facts = self._view.state.sessions[job.session]
        await self._record(VerificationStarted(snapshot=job.snapshot, stage=job.stage), job.session)
        size = self._view.state.runs[facts.run].spec.get("size", "full")
        limit = _LEAST_LIMIT
        try:
            snapshot = await asyncio.to_thread(self._house.snapshots.get, job.snapshot)
            files, refused = snapshot.files, snapshot.refused
            task = await asyncio.to_thread(load_task, Path(facts.task_path))
            limit = max(limit, task.config.verifier.timeout_sec)
        except SnapshotMissingError as error:
            files, refused = {}, str(error)
        except ValueError:
            pass  # a task that cannot be read any more: the verifier says what is wrong with it
        request = VerifyRequest(
            task=facts.task_path,
            files=files,
            refused=refused,
            snapshot=job.snapshot,
            stage=job.stage,
            size=size,
            session=job.session,
            task_hash=facts.task_hash,
        )
        measuring = asyncio.Event()

        def phase(name: str) -> None:
            if name.startswith(_MEASURING):
                measuring.set()
            else:
                measuring.clear()

        async with self._agents_still_while(measuring):
            verdict = await self._verifier.judge(request, limit, phase)
        marks = job.marks
        await self._record(
            VerdictGiven(
                verdict=verdict,
                active=marks.active,
                wall=marks.wall,
                tokens=marks.tokens,
                turns=marks.turns,
                cost=marks.cost,
            ),
            job.session,
        )
        return verdict

    @asynccontextmanager
    async def _agents_still_while(self, measuring: asyncio.Event) -> AsyncIterator[None]:
        """Where agents share the measuring CPU, hold them while it measures."""
        if not self._shared_cpu:
            yield
            return

        async def hold() -> None:
            await measuring.wait()
            async with self._everyone_held("a snapshot is being measured"):
                await asyncio.Event().wait()

        async with asyncio.TaskGroup() as group:
            holder = group.create_task(hold())
            yield
            holder.cancel()

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

    async def _no_trouble(self) -> None:
        while self.journal.trouble:  # noqa: ASYNC110 - the writer is a thread and has no event
            await asyncio.sleep(_TICK)

    async def _record(self, body: AnyBody, session: str | None = None) -> object:
        return await asyncio.wrap_future(self.journal.append(body, session))


__all__ = ["Engine", "EngineBusyError", "RunRefusedError"]
