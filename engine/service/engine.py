"""The engine itself: sessions, their schedule, their verification, and what callers may ask.

Everything here runs on the sessions' loop. The API calls in from its own thread with
`asyncio.run_coroutine_threadsafe`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from engine.analysis.outlook import outlook
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
    SessionEnded,
    SessionMoved,
    SessionPaused,
    SessionResumed,
    StopAsked,
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
from engine.oversight.starvation import Starvation
from engine.oversight.supervision import Supervision
from engine.oversight.trace import Trace
from engine.oversight.vitals import Vitals
from engine.paths import journal_file, keeper_socket, ledger_dir, manifests_dir
from engine.runs.outcomes import Ending, Thresholds
from engine.runs.planning import Plan, RunRefusedError, plan, read_spec
from engine.runs.scheduler import Entry, Scheduler
from engine.service.house import House
from engine.service.keeping import Keepers
from engine.service.recovery import Recovery
from engine.session.restoring import RestoreRefusedError, answer, checked, why_not
from engine.session.session import Leaving, Session
from engine.session.stillness import Stillness
from engine.session.terminals import Terminals
from engine.session.workspace import Place
from engine.settings import Settings
from engine.state import SessionState, State
from engine.storage.disk import Disk
from engine.storage.history import History
from engine.storage.snapshots import Snapshot, SnapshotMissingError, SnapshotStore
from engine.storage.tidying import place_file, tidy
from engine.verdicts.chain import Chain, verdicts_of
from engine.verdicts.process import VerifierProcess
from engine.verdicts.queue import Verifications
from engine.verdicts.recorder import Judging
from engine.verdicts.regrading import Regrading, regrade, subjects
from tasks import TaskError
from verifier.anchors import FOLDER as CALIBRATIONS
from verifier.ledger.ledger import Ledger, Record
from verifier.ledger.manifests import Manifests
from verifier.pins import PinsError
from verifier.sandbox import get_backend
from verifier.sandbox.keeper.client import KeeperError
from verifier.sandbox.keeper.protocol import SandboxInfo
from verifier.sandbox.spec import SandboxUnavailableError
from verifier.verdict import AnchorSource, Verdict

_log = logging.getLogger(__name__)
_TICK = 0.25
_SANDBOX_SECONDS = 3.0
_FOLDER_SECONDS = 2.0
_LEAVE_SECONDS = 5.0


class EngineBusyError(RuntimeError):
    """The engine cannot do this now; the message says why and the remedy."""


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
        self.loop_lag = 0.0
        self.health = Health()
        self._ticked = self.clock.now()
        self._version = version
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        known = checkpoints.load(journal.path)
        self.checkpointed = known.seq
        self._view = View(journal, self._loop, known)
        self._sessions: dict[str, Session] = {}
        self._stillness = Stillness(self._sessions.values)
        self._uid_slots: dict[str, int] = {}  # of the sessions that have begun
        self._silenced: asyncio.Queue[Sequence[SandboxInfo]] = asyncio.Queue()
        self._ready = asyncio.Event()  # what was left open has been taken up
        self._ending = asyncio.Event()
        self._how = Leaving.END
        self._ended = asyncio.Event()
        self._http = http or HttpClient()
        self._keepers = keepers or Keepers(
            state_dir, keeper_socket(state_dir), self._silenced.put_nowait, self.trace
        )
        snapshots = SnapshotStore(state_dir / "snapshots")
        manifests = Manifests(manifests_dir(state_dir))
        disk = Disk()
        ledger = Ledger(ledger_dir(state_dir))
        self.chain = Chain(ledger, disk, self._record, asyncio.Lock())
        self._scheduler = Scheduler(self._live, settings.concurrency or len(cpus.every))
        self.gpus = GpuDesk(
            self._view.state,
            journal.append,
            self._scheduler.wake,
            namespaces=self._namespaces,
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
        self._supervision = Supervision(
            self._view.state,
            self.clock,
            note=journal.append,
            end=self._end_session,
            committed=self._committed,
            limits=AlarmLimits(),
            thresholds=settings.thresholds(),
        )
        self._sandboxes: dict[int, str] = {}  # by pid namespace
        self.gpu_sampler = Sampler(self.clock, self.journal.append, sessions=self._sandboxes.get)
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
        return max(self.loop_lag, self.clock.now() - self._ticked - _TICK, 0.0)

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
            noted = f"{caught_up} verdicts were in the ledger only, and are in the journal now"
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
            self._schedule_again(session)
        self._ready.set()
        starvation = Starvation(self.trace)
        self.gpu_sampler.start()
        try:
            async with asyncio.TaskGroup() as group:
                scheduling = group.create_task(self._scheduler.work())
                helpers = [
                    group.create_task(self._verifications.work()),
                    group.create_task(self._tick()),
                    group.create_task(self._thaw_silenced()),
                    group.create_task(self._watch_storage()),
                    group.create_task(self._watch_state_folder()),
                    group.create_task(self._supervision.work()),
                    group.create_task(self._tidy_up()),
                    group.create_task(self.notifier.work()),
                    group.create_task(self._know_sandboxes()),
                    group.create_task(self.gpus.watch()),
                ]
                await self._ending.wait()
                self._leave_sessions()
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

    async def create_run(self, data: Mapping[str, Any], dry_run: bool) -> dict[str, Any]:
        """Launch a run; `{run, sessions, notes}`, and of a dry run its `forecast`.

        Raises `RunRefusedError`, and `EngineBusyError` when no sandbox can be had or nothing can
        be recorded.
        """
        await self._ready.wait()
        if self._ending.is_set():
            raise EngineBusyError("the engine is ending; start it again")
        if self.trouble:
            raise EngineBusyError(self.trouble)
        spec = read_spec(data)
        try:
            await asyncio.to_thread(get_backend().require)
        except SandboxUnavailableError as error:
            raise EngineBusyError(str(error)) from error
        taken = set(self._view.state.runs)
        made = await asyncio.to_thread(
            plan, spec, self._settings, taken, calibrations=self.state_dir / CALIBRATIONS
        )
        if not dry_run:
            await asyncio.to_thread(self._keep_tasks, made)
        answer = {
            "run": made.run.run,
            "sessions": list(made.sessions),
            "notes": list(made.notes),
        }
        if dry_run:
            make = outlook(self._view.state, made.run, made.sessions, self.clock)
            seen = None if make is None else await asyncio.to_thread(make)
            return {**answer, "forecast": msgspec.to_builtins(seen)}
        last = self.journal.append(made.run)
        for session_id, created in made.sessions.items():
            last = self.journal.append(created, session_id)
        for note in made.notes:
            last = self.journal.append(Noted(text=f"run {made.run.run}: {note}"))
        await asyncio.wrap_future(last)
        for session_id in made.sessions:
            self._scheduler.submit(self._entry(session_id))
        return answer

    def _keep_tasks(self, made: Plan) -> None:
        """So that whatever is changed in a task of this run can be named."""
        for path in {created.task_path for created in made.sessions.values()}:
            try:
                self._house.manifests.keep(Path(path))
            except (PinsError, TaskError, OSError) as error:
                raise RunRefusedError(str(error)) from error

    def _tell_away(self, events: Sequence[Event]) -> None:
        """News for an operator who is away; called on the loop, after the fold."""
        if self._ready.is_set():
            for event in events:
                self.notifier.hear(self._view.state, event)

    def _note_trouble(self, text: str) -> None:
        self.journal.append(Noted(text=text))

    def _schedule_again(self, session: SessionState) -> None:
        """Bring a session of the engine before this one to where it stood."""
        if session.begun:
            place = Place.load(place_file(self.state_dir, session.id))
            if place is not None:
                self._uid_slots[session.id] = place.slot
        if session.stopping and not session.begun:
            self._end_unbegun(session.id, Ending("operator", session.stopping))
        elif session.pause is None:
            self._scheduler.submit(self._entry(session.id))
        elif session.begun:
            self._scheduler.submit_parked(self._entry(session.id))
        elif session.state != "paused":
            self.journal.append(SessionMoved(state="paused"), session.id)

    def _heard(self, events: Sequence[Event]) -> None:
        """Act on what was journalled; called on the loop, after the fold."""
        for event in events:
            if isinstance(event.body, ModelRetried):
                self.health.failed(event.stamp, event.body.cause)
            if event.session is None or not self._ready.is_set():
                continue
            if isinstance(event.body, TurnFinished):
                self._supervision.turned(self._view.state.sessions[event.session])
            session = self._sessions.get(event.session)
            if session is not None:
                session.obey(event.body)
            else:
                self._obey_waiting(event.session, event.body)

    def _obey_waiting(self, session_id: str, body: AnyBody) -> None:
        """An order for a session that has not begun."""
        facts = self._view.state.sessions[session_id]
        match body:
            case SessionPaused() if self._scheduler.withdraw(session_id):
                moved = SessionMoved(state="paused", reason=str(facts.pause))
                self.journal.append(moved, session_id)
            case SessionResumed() if facts.state == "paused":
                self._scheduler.submit(self._entry(session_id))
                self.journal.append(SessionMoved(state="queued"), session_id)
            case StopAsked() if self._withdrawn(session_id):
                self._end_unbegun(session_id, Ending("operator", facts.stopping))

    def _end_session(self, session_id: str, ending: Ending) -> None:
        session = self._sessions.get(session_id)
        if session is not None:
            session.stop(ending)
        elif self._withdrawn(session_id):
            self._end_unbegun(session_id, ending)

    def _withdrawn(self, session_id: str) -> bool:
        """Take a session that has not begun out of the queue; whether it was in it, or paused."""
        paused = self._view.state.sessions[session_id].state == "paused"
        return self._scheduler.withdraw(session_id) or paused

    def _end_unbegun(self, session_id: str, ending: Ending) -> None:
        outcome = "stopped_by_operator" if ending.by == "operator" else "no_valid_result"
        ended = SessionEnded(
            ended_by=ending.by,
            outcome=outcome,  # type: ignore[arg-type]  # one of the two above
            evidence=f"{ending.detail}, before it had begun",
            final_reward=None,
        )
        self.journal.append(ended, session_id)
        self.journal.append(SessionMoved(state="finished"), session_id)

    async def check_terminal(self, facts: SessionState) -> str:
        """Why a session that can be attached to stands still, or ""; see `Terminals.check`."""
        return self.terminals.check(facts)

    async def restore(
        self, session_id: str, name: str, by: str, why: str, dry_run: bool
    ) -> dict[str, Any]:
        """Set the files of a session to one of its snapshots, by word or by the id's beginning.

        Raises `SnapshotNameError`, `RestoreRefusedError`, and `EngineBusyError` when its sandbox
        does not answer.
        """
        await self._ready.wait()
        facts = self._view.state.sessions.get(session_id)
        if facts is None:
            raise RestoreRefusedError(f"{session_id} has only just been made; try again")
        if (refused := why_not(facts)) is not None:
            raise RestoreRefusedError(refused)

        def find() -> Snapshot:
            taken = self.journal.of_session(session_id, "snapshot.taken")
            return self._house.snapshots.get(History.of(facts, taken).find(name))

        try:
            snapshot = await asyncio.to_thread(find)
        except SnapshotMissingError as error:
            raise RestoreRefusedError(str(error)) from error
        checked(facts, snapshot)
        if dry_run:
            newest = facts.last_snapshot or facts.baseline
            last = self._house.snapshots.get(newest).files if newest else {}
            removed = sorted(last.keys() - snapshot.files.keys())
            return answer(session_id, snapshot, removed, newest, dry_run=True)
        session = self._sessions.get(session_id)
        if session is None:
            raise RestoreRefusedError(f"{session_id} is not at hand now; try again when it runs")
        try:
            return await session.restore(snapshot, by, why)
        except KeeperError as error:
            raise EngineBusyError(
                f"the sandbox of {session_id} does not answer: {error}"
            ) from error

    async def regrade(
        self, run: str, by: str, source: AnchorSource | None, dry_run: bool
    ) -> Regrading:
        """Grade a run's verdicts by today's rules and anchors. Raises `RegradeRefusedError`."""
        await self._ready.wait()
        known = self._view.state.runs.get(run)
        names = [] if known is None else list(known.sessions)

        def read() -> dict[str, list[Verdict]]:
            return {name: verdicts_of(self.journal, name) for name in names}

        found = subjects(self._view.state, run, await asyncio.to_thread(read))
        folder = self.state_dir / CALIBRATIONS
        done = await asyncio.to_thread(
            regrade, found, self._house.manifests, source, folder, self.clock.wall()
        )
        if done.verdicts and not dry_run:
            for path in {subject.task_path for subject in found}:
                with suppress(PinsError, TaskError, OSError):
                    await asyncio.to_thread(self._house.manifests.keep, Path(path))
            await self.chain.keep([Record(v, why=why) for v, why in done.verdicts], by)
        return done

    async def _tidy_up(self) -> None:
        """What an engine that fell between a session's end and its tidying left."""
        for session in tuple(self._view.state.sessions.values()):
            if session.over and place_file(self.state_dir, session.id).exists():
                for trouble in await asyncio.to_thread(
                    tidy,
                    self.state_dir,
                    session.id,
                    self._house.snapshots,
                    session.best_snapshot,
                ):
                    await self._record(Noted(text=trouble), session.id)

    def _entry(self, session_id: str) -> Entry:
        facts = self._view.state.sessions[session_id]
        limit = self._view.state.runs[facts.run].spec.get("concurrency")
        return Entry(session_id, facts.run, limit, facts.want)

    def _committed(self, run: str) -> float:
        """US dollars that the calls of a run that are under way will probably cost."""
        sessions = self._sessions.values()
        return sum(session.live.committed for session in sessions if session.facts.run == run)

    async def _live(self, session_id: str) -> None:
        session = Session(session_id, self._uid_slot(session_id), self._house)
        self._sessions[session_id] = session
        try:
            await session.run()
        except Exception:
            # The journal itself may be what broke; the other sessions go on if they can.
            _log.exception("session %s could not even be ended", session_id)
        finally:
            del self._sessions[session_id]
            self._uid_slots.pop(session_id, None)

    def _uid_slot(self, session_id: str) -> int:
        """The number behind the uid of its sandbox: the one it had, or one that nobody has."""
        taken = set(self._uid_slots.values())
        free = next(n for n in range(len(taken) + 1) if n not in taken)
        return self._uid_slots.setdefault(session_id, free)

    def _leave_sessions(self) -> None:
        self._scheduler.close()
        self._verifications.close()
        for session in tuple(self._sessions.values()):
            session.leave(self._how)

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

    async def _namespaces(self, sessions: Sequence[str]) -> dict[str, int]:
        """The pid namespaces (inodes) of sessions whose sandboxes live."""
        try:
            keeper = await self._keepers.running()
            listed = [] if keeper is None else await keeper.list()
        except KeeperError:  # its sandboxes are gone with it
            return {}
        return {s.id: s.namespace for s in listed if s.id in sessions and s.namespace is not None}

    async def _know_sandboxes(self) -> None:
        """Keep track of whose pid namespace is which, while there is a GPU with processes on it."""
        while True:
            await asyncio.sleep(_SANDBOX_SECONDS)
            if any(gpu.processes for gpu in self.gpu_sampler.latest().gpus):
                known = await self._namespaces(list(self._sessions))
                mine = {inode: session for session, inode in known.items()}
                self._sandboxes.update(mine)  # the sampler's thread reads this one
                for inode in self._sandboxes.keys() - mine.keys():
                    del self._sandboxes[inode]

    async def _tick(self) -> None:
        """Know how late this loop runs, and leave a sign of life."""
        vitals = Vitals(self.state_dir)
        while True:
            before = self.clock.now()
            vitals.sign(self.clock.boot(), before)
            await asyncio.sleep(_TICK)
            self._ticked = self.clock.now()
            self.loop_lag = round(max(0.0, self._ticked - before - _TICK), 4)
            self.health.lagged(self._ticked, self.loop_lag)
            self.trace.tick(self.loop_lag)

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

    async def _watch_storage(self) -> None:
        """While nothing can be recorded nobody may work: hold every session until it can."""
        while True:
            await asyncio.sleep(_TICK)
            if self.trouble:
                trouble, since = self.trouble, self.clock.now()
                _log.error("%s", trouble)
                async with self._stillness.held("the state folder cannot be written", storage=True):
                    await self._no_trouble()
                lasted = self.clock.now() - since
                await self._record(Noted(text=f"for {lasted:.0f} s {trouble}"))

    async def _watch_state_folder(self) -> None:
        """End when the journal's file was deleted: nobody could ever read what is recorded."""
        file = journal_file(self.state_dir)
        while await asyncio.to_thread(file.exists):  # noqa: ASYNC110 - deletion tells nobody
            await asyncio.sleep(_FOLDER_SECONDS)
        _log.critical("%s is gone; this engine ends", file)
        self.end()

    async def _no_trouble(self) -> None:
        while self.trouble:  # noqa: ASYNC110 - the writer is a thread and has no event
            await asyncio.sleep(_TICK)

    async def _record(self, body: AnyBody, session: str | None = None) -> object:
        return await self._view.record(body, session)


__all__ = ["Engine", "EngineBusyError", "RunRefusedError"]
