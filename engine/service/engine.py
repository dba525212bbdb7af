"""The engine itself: sessions, their schedule, their verification, and what callers may ask.

Everything here runs on the sessions' loop. The API calls in from its own thread with
`asyncio.run_coroutine_threadsafe`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from engine.clock import Clock
from engine.cpus import Cpus, usable
from engine.events import (
    AnyBody,
    EngineStarted,
    EngineStopped,
    Event,
    ModelPaced,
    ModelRetried,
    Noted,
    TurnFinished,
)
from engine.gpu.desk import GpuDesk
from engine.gpu.sampler import Sampler
from engine.journal import Journal, checkpoints
from engine.journal.view import View
from engine.models.http import HttpClient
from engine.models.pace import Paces
from engine.oversight.alarms import AlarmLimits
from engine.oversight.health import Health
from engine.oversight.notifying import Notifier
from engine.oversight.pulse import Pulse
from engine.oversight.starvation import Starvation
from engine.oversight.supervision import Supervision
from engine.oversight.trace import Trace
from engine.paths import keeper_socket, ledger_dir, manifests_dir
from engine.runs.outcomes import Thresholds
from engine.runs.scheduler import Scheduler
from engine.service.commands import Commands
from engine.service.house import House
from engine.service.keeping import Keepers
from engine.service.recovery import Recovery
from engine.service.roster import Roster
from engine.service.upkeep import Upkeep
from engine.session.processes import SandboxLook
from engine.session.session import Leaving, Session
from engine.session.stillness import Stillness
from engine.session.terminals import Terminals
from engine.settings import Settings
from engine.state import State
from engine.storage.disk import Disk
from engine.storage.snapshots import SnapshotStore
from engine.verdicts.chain import Chain
from engine.verdicts.process import VerifierProcess
from engine.verdicts.queue import Verifications
from engine.verdicts.recorder import Judging
from verifier.ledger.ledger import Ledger
from verifier.ledger.manifests import Manifests
from verifier.sandbox.keeper.protocol import SandboxInfo

_log = logging.getLogger(__name__)
_LEAVE_SECONDS = 5.0


class Engine:
    """One engine, for one state folder.

    `keepers` and `http` are its ways to sandboxes and models, unless it shall make its own.
    """

    def __init__(
        self,
        state_dir: Path,
        journal: Journal,
        settings: Settings,
        version: str,
        *,
        clock: Clock | None = None,
        cpus: Cpus | None = None,
        trace: Trace | None = None,
        keepers: Keepers | None = None,
        http: HttpClient | None = None,
    ) -> None:
        cpus = cpus or usable()
        self.trace = trace or Trace(None)
        self.state_dir = state_dir
        self.journal = journal
        self.clock = clock or Clock()
        self.started = self.clock.now()
        self.health = Health()
        self._pulse = Pulse(state_dir, self.clock, self.health, self.trace)
        self._version = version
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        known = checkpoints.load(journal.path)
        self.checkpointed = known.seq
        self._view = View(journal, self._loop, known)
        self._sessions: dict[str, Session] = {}
        self._stillness = Stillness(self._sessions.values)
        silenced: asyncio.Queue[Sequence[SandboxInfo]] = asyncio.Queue()
        self._ready = asyncio.Event()  # what was left open has been taken up
        self._ending = asyncio.Event()
        self._how = Leaving.END
        self._ended = asyncio.Event()
        self._http = http or HttpClient()
        self._keepers = keepers or Keepers(
            state_dir, keeper_socket(state_dir), silenced.put_nowait, self.trace
        )
        snapshots = SnapshotStore(state_dir / "snapshots")
        manifests = Manifests(manifests_dir(state_dir))
        disk = Disk()
        ledger = Ledger(ledger_dir(state_dir))
        self.chain = Chain(ledger, disk, self._record, asyncio.Lock())
        self._scheduler = Scheduler(
            lambda session: self._roster.live(session),  # noqa: PLW0108 - it is made below
            settings.concurrency or len(cpus.every),
        )
        self.gpus = GpuDesk(
            self._view.state,
            journal.append,
            self._scheduler.wake,
            namespaces=lambda sessions: self._roster.namespaces(sessions),  # noqa: PLW0108 - so too
        )
        self._scheduler.gpus = self.gpus
        judging = Judging(
            self._view,
            snapshots,
            VerifierProcess(self.clock, cpus=cpus),
            self._record,
            self.chain,
            manifests=manifests,
            cpus=cpus,
            hold=lambda: self._stillness.held("a snapshot is being measured"),
            hold_tenants=lambda session: self._stillness.held(
                "a snapshot is being judged on its GPU",
                whom=lambda who: who in self.gpus.sharers(session),
            ),
            gpus=self.gpus,
            trace=self.trace,
        )
        self._verifications = Verifications(
            judging.judge, self._elapsed, settings.verification_share, ready=self.gpus.holds
        )
        self.terminals = Terminals(self._sessions.get)
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
            scheduler=self._scheduler,
            disk=disk,
            manifests=manifests,
            trace=self.trace,
            gpus=self.gpus,
        )
        self._roster = Roster(self._house, self._sessions)
        self._upkeep = Upkeep(
            self._house,
            self._roster,
            self._stillness,
            silenced,
            trouble=lambda: self.trouble,
            end=self.end,
        )
        self.commands = Commands(
            self._house,
            self._roster,
            self.chain,
            ready=self._ready,
            ending=self._ending,
            trouble=lambda: self.trouble,
        )
        self._supervision = Supervision(
            self._view.state,
            self.clock,
            note=journal.append,
            end=self._roster.end,
            committed=self._roster.committed,
            limits=AlarmLimits(),
            thresholds=settings.thresholds(),
        )
        self._sandboxes: dict[int, str] = {}  # by pid namespace
        self.gpu_sampler = Sampler(
            self.clock,
            journal.append,
            sessions=self._sandboxes.get,
            leases=self.gpus.holders,
            earlier=journal.newest,
        )
        self.sandboxes = SandboxLook(self._roster.namespaces, self.gpu_sampler.latest, self.clock)
        self.notifier = Notifier(settings.notify, self.clock, self._note_trouble)
        self._view.listen(self._heard)
        self._view.listen(self._tell_away)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The sessions' loop."""
        return self._loop

    @property
    def state(self) -> State:
        """What is folded of the journal. To be used on the sessions' loop."""
        return self._view.state

    def lag(self) -> float:
        """How late the sessions' loop runs, in seconds. May be asked on any thread."""
        return self._pulse.lag()

    def running(self) -> int:
        """How many sessions have a slot. May be asked on any thread."""
        return len(self._scheduler.running)

    @property
    def trouble(self) -> str:
        """What keeps the engine from recording, in words. May be asked on any thread."""
        return self.journal.trouble or self._house.disk.trouble

    @property
    def thresholds(self) -> Thresholds:
        """Where outcome classes and warnings begin. May be asked on any thread."""
        return self._settings.thresholds()

    def live(self, session: str) -> dict[str, str] | None:
        """The turn that a session is streaming. May be asked on any thread."""
        found = self._sessions.get(session)
        return found.live.turn if found is not None else None

    async def run(self) -> None:
        """Take up what the journal left open, work until asked to end, and end in good order."""
        await self._record(
            EngineStarted(version=self._version, pid=os.getpid(), host=platform.node())
        )
        caught_up = await self.chain.catch_up(self._view.state)
        if caught_up:
            noted = f"verdicts that were in the ledger only, now in the journal: {caught_up}"
            await self._record(Noted(text=noted))
        recovery = Recovery(
            self.state_dir,
            self._view.state,
            self.journal,
            self._keepers,
            self._verifications,
            self._record,
            self.clock,
            self.gpus,
        )
        for session in await recovery.take_up():
            self._roster.submit_again(session)
        self._ready.set()
        starvation = Starvation(self.trace)
        self.gpu_sampler.start()
        try:
            async with asyncio.TaskGroup() as group:
                scheduling = group.create_task(self._scheduler.work())
                helpers = [
                    group.create_task(self._verifications.work()),
                    group.create_task(self._pulse.beat()),
                    group.create_task(self._upkeep.thaw_silenced()),
                    group.create_task(self._upkeep.watch_storage()),
                    group.create_task(self._upkeep.watch_state_folder()),
                    group.create_task(self._supervision.work()),
                    group.create_task(self._upkeep.tidy_up()),
                    group.create_task(self.notifier.work()),
                    group.create_task(
                        self._upkeep.know_sandboxes(self.gpu_sampler, self._sandboxes)
                    ),
                    group.create_task(self.gpus.watch()),
                ]
                await self._ending.wait()
                self._scheduler.close()
                self._verifications.close()
                self._roster.leave(self._how)
                await self._until_left(scheduling)
                for helper in helpers:
                    helper.cancel()
            if self._how is Leaving.KEEP:
                await self._keepers.leave()
            else:
                await self._keepers.shutdown()
            await self._record(EngineStopped(reason=f"asked to; {self._how.value}"))
        finally:
            starvation.close()
            self.gpu_sampler.stop()
            await self._http.close()
            self._view.close()
            self._ended.set()

    def end(self, how: Leaving = Leaving.END) -> None:
        """Ask the engine to end. The next one takes its sessions up."""
        self._how = how
        self._ending.set()

    async def shutdown(self, how: Leaving) -> None:
        """End in good order; returns when every session stands still or has no process left."""
        self.end(how)
        await self._ended.wait()

    def _tell_away(self, events: Sequence[Event]) -> None:
        """News for an operator who is away; called on the loop, after the fold."""
        if self._ready.is_set():
            for event in events:
                self.notifier.hear(self._view.state, event)

    def _note_trouble(self, text: str) -> None:
        self.journal.append(Noted(text=text))

    def _heard(self, events: Sequence[Event]) -> None:
        """Act on what was journalled; called on the loop, after the fold."""
        for event in events:
            if isinstance(event.body, ModelRetried):
                self.health.failed(event.stamp, event.body.cause)
            if event.session is None or not self._ready.is_set():
                continue
            if isinstance(event.body, TurnFinished):
                self._supervision.turned(self._view.state.sessions[event.session])
            self._roster.obey(event.session, event.body)

    async def _until_left(self, scheduling: asyncio.Task[None]) -> None:
        """Wait for the sessions to let go, but not for a disk that stays full."""
        while not (await asyncio.wait((scheduling,), timeout=_LEAVE_SECONDS))[0]:
            if self.trouble:
                _log.error("the engine ends although %s", self.trouble)
                self._house.disk.give_up()
                self.journal.give_up()

    def _elapsed(self, session_id: str) -> float:
        clocks = self._view.state.sessions[session_id].clocks
        return clocks.wall(self.clock.boot(), self.clock.now())

    async def _record(self, body: AnyBody, session: str | None = None) -> object:
        return await self._view.record(body, session)
