"""One session's life: prepare, let the agent work, end its processes, judge what it left.

What a session remembers is in the journal and the transcript, so a session can be taken up by
another engine process: one whose sandbox still lives goes on where its conversation stands, one
whose sandbox is gone ends honestly, with a verdict on what it left.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from pathlib import Path

from engine import budgets, harnesses, storage, workspace
from engine.agents.registry import make_agent
from engine.agents.toolbox import Toolbox
from engine.endings import ending_of, in_words, session_ended
from engine.events import (
    ActivityChanged,
    AnyBody,
    ClockMoved,
    Noted,
    SessionMoved,
    SessionPhase,
    SnapshotTaken,
)
from engine.house import House
from engine.journal import JournalError
from engine.meter import Meter
from engine.models.choice import choose_provider
from engine.models.http_model import HttpModel
from engine.models.retry import RetryPolicy
from engine.models.types import Model
from engine.outcomes import Ending
from engine.snapshots import Snapshot
from engine.state import SessionState
from engine.transcripts import Transcript, transcript_path
from engine.verdicts.queue import Job, Marks, VerificationsClosedError
from engine.workbench import Live, Workbench
from engine.workspace import Place, Workspace
from tasks import Task, load_task
from verifier.artifact import snapshot_hash
from verifier.pins import task_hash
from verifier.sandbox.keeper.client import KeeperError
from verifier.sandbox.spec import SandboxUnavailableError
from verifier.verdict import Verdict

_log = logging.getLogger(__name__)
_WATCH_SECONDS = 0.25
_STORAGE_SECONDS = 2.0


class Session:
    """One session, on the sessions' loop. `run` lives it from where the journal says it stands."""

    def __init__(self, session_id: str, slot: int, house: House) -> None:
        self.id = session_id
        self._house = house
        place = Place.load(self._place_file)
        self.slot = slot if place is None else place.slot
        self._asked: Ending | None = None
        self._closing = False
        self._ended: asyncio.Future[Ending] | None = None
        self._task: Task | None = None
        self._workspace: Workspace | None = None
        self._last_snapshot = self.facts.last_snapshot
        self._taken_at: Marks | None = None  # where the session stood at its last snapshot
        self._snapshot_order = asyncio.Lock()
        self.meter = Meter(self._note, house.clock, self.facts.clocks.state)
        self.live = Live()

    @property
    def facts(self) -> SessionState:
        """What the journal says of it."""
        return self._house.view.state.sessions[self.id]

    @property
    def workspace(self) -> Workspace | None:
        """Its sandbox, while it has one."""
        return self._workspace

    def stop(self, ending: Ending) -> None:
        """Ask it to end and be judged. The first ending counts."""
        self._asked = self._asked or ending
        self._end(ending)

    def close(self) -> None:
        """The engine ends: stop the agent, keep what it left, and leave the verdict for later."""
        self._closing = True
        self.stop(Ending("operator", "the engine was stopped"))

    async def run(self) -> None:
        """Live to the end. Whatever breaks ends the session, not the engine."""
        try:
            await self._finish(await self._until_ended())
        except (JournalError, VerificationsClosedError):
            _log.info("session %s goes on when the engine runs again", self.id)
        except Exception as error:
            _log.exception("session %s failed", self.id)
            await self._break_off(Ending("infrastructure", f"{type(error).__name__}: {error}"))

    async def _break_off(self, ending: Ending) -> None:
        """End without a verdict, since what gives one broke; leave no process behind."""
        self.meter.stop()
        try:
            keeper = await self._house.keepers.get()
            await keeper.kill(self.id)
        except KeeperError as error:
            _log.warning("session %s: its sandbox could not be ended: %s", self.id, error)
        await self._settle(ending, None)

    async def record(self, body: AnyBody) -> object:
        """Journal an event of this session; returns when it is durable."""
        return await asyncio.wrap_future(self._house.journal.append(body, self.id))

    async def after_tool(self) -> None:
        """Take a snapshot if the editable files changed."""
        if self._workspace is None or self._task is None:
            return
        async with self._snapshot_order:
            marks = self._marks()
            async with self._workspace.held():
                snapshot = await self._collect(self._workspace.place, self._task)
            if snapshot.id == self._last_snapshot:
                return
            await self._took(snapshot, marks)
            job = Job(self.id, snapshot.id, "checkpoint", marks)
            self._house.verifications.checkpoint(job)

    def verifying(self) -> bool:
        """Whether a snapshot of this session waits for its verdict."""
        return self._house.verifications.busy_with(self.id)

    async def _until_ended(self) -> Ending:
        try:
            return await self._live()
        except JournalError:
            raise
        except Exception as error:
            # Something of ours broke; what the agent has left is judged all the same.
            _log.exception("session %s broke off", self.id)
            return Ending("infrastructure", f"{type(error).__name__}: {error}")

    async def _live(self) -> Ending:
        """Everything up to the moment at which the agent's time is over."""
        facts = self.facts
        task = self._task = await asyncio.to_thread(load_task, Path(facts.task_path))
        if facts.state == "verifying":
            return ending_of(facts.state_reason)
        going_on = facts.state == "running"
        try:
            desk = await (self._take_up(task) if going_on else self._prepare(task))
        except (KeeperError, OSError, ValueError, SandboxUnavailableError) as error:
            return Ending("infrastructure", str(error))
        self._workspace = desk
        if self._asked is not None:
            return self._asked
        await self._move("running", "the engine is back" if going_on else "")
        return await self._work(task, desk)

    async def _prepare(self, task: Task) -> Workspace:
        """Lay out the workspace and start a sandbox around it."""
        await self._move("preparing")
        found = await asyncio.to_thread(task_hash, task.path)
        if found != self.facts.task_hash:
            raise ValueError(
                f"the task {task.path} was changed after the run was created; restore it, "
                "or launch the run again"
            )
        keeper = await self._house.keepers.get()
        await keeper.kill(self.id)  # one that an engine left when it died preparing
        state_dir = self._house.state_dir
        place = await asyncio.to_thread(workspace.lay_out, state_dir, task, self.slot)
        place.save(self._place_file)
        desk = Workspace(keeper, self.id, place, task, self.meter)
        await desk.create(self._house.agent_cpus)
        self._last_snapshot = snapshot_hash(task.baseline())
        return desk

    async def _take_up(self, task: Task) -> Workspace:
        """Go on after the engine was away. Raises `KeeperError` when the sandbox is gone."""
        keeper = await self._house.keepers.get()
        place = Place.load(self._place_file)
        alive = {info.id for info in await keeper.list() if info.alive}
        if place is None or self.id not in alive:
            raise KeeperError("the sandbox did not survive the engine's absence")
        desk = Workspace(keeper, self.id, place, task, self.meter)
        if self._last_snapshot is None:
            self._last_snapshot = snapshot_hash(task.baseline())
        await desk.thaw()
        return desk

    async def _work(self, task: Task, desk: Workspace) -> Ending:
        """Let the agent work until it is done, a budget ends, or the operator says so."""
        self._ended = asyncio.get_running_loop().create_future()
        self.meter.start()
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(self._agent(task, desk), name=f"agent {self.id}"),
                    group.create_task(self._watch_budget()),
                    group.create_task(self._watch_storage(task, desk)),
                    group.create_task(self._snapshot_regularly()),
                ]
                ending = await self._ended
                for helper in helpers:
                    helper.cancel()
        finally:
            self.live.turn = None
            self.meter.stop()
        return ending

    async def _agent(self, task: Task, desk: Workspace) -> None:
        try:
            bench = self._bench(task, desk)
            self._end(await make_agent(self.facts.agent).work(bench))
        except Exception as error:
            _log.warning("session %s: the agent failed\n%s", self.id, traceback.format_exc())
            self._end(Ending("infrastructure", f"{type(error).__name__}: {error}"))

    def _bench(self, task: Task, desk: Workspace) -> Workbench:
        facts, house = self.facts, self._house
        harness = harnesses.load(facts.harness if facts.model else harnesses.DEFAULT)
        if facts.model and harness.hash != facts.harness_hash:
            raise harnesses.HarnessError(
                f"the harness {facts.harness} was changed after the run was created; restore it, "
                "or launch the run again"
            )
        toolbox = Toolbox(
            desk,
            harness.command_timeout_sec,
            harness.command_timeout_max_sec,
            harness.output_chars,
        )
        path = transcript_path(house.state_dir, self.id)
        transcript = Transcript.open(path, self.record, house.clock, facts.transcript_bytes)
        active = facts.budget.get("active")
        settings = house.settings
        return Workbench(
            task=task,
            harness=harness,
            budget=budgets.in_words(facts.budget),
            active_sec=(active.hard if active else None) or 0.0,
            size=house.view.state.runs[facts.run].spec.get("size", "full"),
            services=self,
            transcript=transcript,
            toolbox=toolbox,
            meter=self.meter,
            model=self._model(facts),
            live=self.live,
            clock=house.clock,
            policy=RetryPolicy(settings.retry_attempts, patience=settings.retry_patience_seconds),
        )

    def _model(self, facts: SessionState) -> Model | None:
        if facts.model is None:
            return None
        overrides = self._house.view.state.runs[facts.run].spec.get("providers") or {}
        provider, name, price = choose_provider(facts.model, self._house.settings, overrides)
        return HttpModel(self._house.http, provider, name, price, self._house.paces.of(provider))

    async def _watch_budget(self) -> None:
        clock = self._house.clock
        while True:
            reached = budgets.reached(self.facts, clock.boot(), clock.now())
            if reached is not None:
                self._end(Ending("budget", str(reached)))
                return
            left = budgets.seconds_left(self.facts, clock.boot(), clock.now())
            await asyncio.sleep(min(_WATCH_SECONDS, max(0.01, left)))

    async def _watch_storage(self, task: Task, desk: Workspace) -> None:
        limit = task.config.environment.storage_limit_mb or storage.DEFAULT_MB
        while True:
            found = await asyncio.to_thread(storage.excess, desk.place.directory, limit)
            if found is not None:
                self._end(Ending("budget", found))
                return
            await asyncio.sleep(_STORAGE_SECONDS)

    async def _snapshot_regularly(self) -> None:
        """Inside a long command or turn nothing else would look at the files."""
        while True:
            await asyncio.sleep(self._house.settings.snapshot_seconds)
            try:
                await self.after_tool()
            except KeeperError as error:
                self._end(Ending("infrastructure", str(error)))
                return

    def _end(self, ending: Ending) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(ending)

    async def _finish(self, ending: Ending) -> None:
        """The agent's time is over: no process of it lives on, and what it left is judged."""
        self.meter.stop()
        await self._move("verifying", in_words(ending))
        await self.record(ActivityChanged(activity="final verdict"))
        marks = self._marks()
        try:
            keeper = await self._house.keepers.get()
            await keeper.kill(self.id)
        except KeeperError as error:
            # Without its keeper no sandbox lives; the workspace is still there.
            await self.record(Noted(text=f"the keeper could not be reached: {error}"))
        snapshot = await self._final_snapshot(marks)
        if self._closing:
            return
        verdict = None
        if snapshot is not None:
            job = Job(self.id, snapshot, "final", self._taken_at or marks)
            verdict = await self._house.verifications.final(job)
        await self._settle(ending, verdict)
        await self._tidy()

    async def _final_snapshot(self, marks: Marks) -> str | None:
        place = Place.load(self._place_file)
        if place is None or self._task is None or not place.directory.is_dir():
            return self.facts.last_snapshot
        snapshot = await self._collect(place, self._task)
        if snapshot.id != self.facts.last_snapshot:
            await self._took(snapshot, marks)
        return snapshot.id

    async def _settle(self, ending: Ending, verdict: Verdict | None) -> None:
        self._house.verifications.withdraw(self.id)
        limits = self._house.settings.thresholds()
        ended = session_ended(self.facts, ending, verdict, limits, self._house.clock)
        await self.record(ended)
        if ended.outcome == "infrastructure":
            await self._move("failed", ended.evidence)
        else:
            await self._move("finished")

    async def _tidy(self) -> None:
        """Export the best files and remove the workspace: all that counts is stored by now."""
        place = Place.load(self._place_file)
        best = self.facts.best_snapshot
        folder = self._house.state_dir / "sessions" / self.id

        def tidy() -> None:
            if best is not None:
                for path, data in self._house.snapshots.get(best).files.items():
                    target = folder / "best" / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(data)
            if place is not None:
                workspace.remove(place)
                self._place_file.unlink(missing_ok=True)

        try:
            await asyncio.to_thread(tidy)
        except (OSError, LookupError) as error:
            await self.record(Noted(text=f"could not tidy up after {self.id}: {error}"))

    async def _collect(self, place: Place, task: Task) -> Snapshot:
        store = self._house.snapshots
        return await asyncio.to_thread(workspace.take_snapshot, place, task, store)

    async def _took(self, snapshot: Snapshot, marks: Marks) -> None:
        self._last_snapshot, self._taken_at = snapshot.id, marks
        await self.record(
            SnapshotTaken(
                snapshot=snapshot.id,
                files=tuple(sorted(snapshot.files)),
                size=snapshot.size,
                active=round(marks.active, 3),
            )
        )

    def _marks(self) -> Marks:
        facts, clock = self.facts, self._house.clock
        boot, now = clock.boot(), clock.now()
        return Marks(
            active=round(facts.clocks.active(boot, now), 3),
            wall=round(facts.clocks.wall(boot, now), 3),
            tokens=facts.usage.tokens,
            turns=facts.usage.turns,
            cost=facts.usage.cost,
        )

    async def _move(self, phase: SessionPhase, reason: str = "") -> None:
        await self.record(SessionMoved(state=phase, reason=reason))

    def _note(self, body: ClockMoved) -> None:
        self._house.journal.append(body, self.id)

    @property
    def _place_file(self) -> Path:
        return self._house.state_dir / "sessions" / self.id / "place.json"
