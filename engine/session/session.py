"""One session's life: prepare, let the agent work, end its processes, judge what it left.

What a session remembers is in the journal and the transcript, so a session can be taken up by
another engine process: its agent goes on where its conversation stands, in the sandbox that lived
on or in one built anew. Pauses, stops and new budgets are events too; the engine tells the session
when one of them is about it (`obey`).
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

from engine.agents.registry import make_agent
from engine.events import (
    AnyBody,
    BudgetChanged,
    ClockMoved,
    SessionMoved,
    SessionPaused,
    SessionPhase,
    SessionResumed,
    StopAsked,
    TurnFinished,
    VerificationAsked,
    VerificationDropped,
)
from engine.journal import JournalError
from engine.runs.outcomes import Ending
from engine.service.house import House
from engine.session.endings import ending_of
from engine.session.equipping import Equipping
from engine.session.files import SessionFiles
from engine.session.finishing import Finishing
from engine.session.gate import Gate
from engine.session.live import Live
from engine.session.meter import Meter
from engine.session.pausing import LOST, RELEASED, Pausing
from engine.session.restoring import RestoreRefusedError
from engine.session.setting_up import Setting
from engine.session.watching import BudgetWatch, watch_storage
from engine.session.workspace import Workspace
from engine.state import SessionState
from engine.storage.snapshots import Snapshot
from engine.verdicts.queue import VerificationsClosedError
from tasks import Task, load_task
from verifier.sandbox.keeper.client import KeeperError
from verifier.sandbox.spec import SandboxUnavailableError

_log = logging.getLogger(__name__)
_MOST_LOSSES = 5  # sandboxes that one session may lose before it is given up
_BACK = "the engine was away"


class Leaving(Enum):
    """How the engine goes away from a session that will be taken up again."""

    KEEP = "its processes stand still until the next engine"
    END = "its processes are ended"


class Session:
    """One session, on the sessions' loop. `run` lives it from where the journal says it stands."""

    def __init__(self, session_id: str, slot: int, house: House) -> None:
        self.id = session_id
        self._house = house
        self._leaving: Leaving | None = None
        self._ended: asyncio.Future[Ending | None] = asyncio.get_running_loop().create_future()
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._parting = ""
        self._going = asyncio.Event()  # the engine ends
        self._task: Task | None = None
        self._workspace: Workspace | None = None
        self._judging_now: asyncio.Future[None] | None = None  # held, or it would be collected
        clocks = self.facts.clocks
        self.slot = slot
        self.meter = Meter(self.note, house.clock, clocks.state, clocks.cause)
        self.gate = Gate(shut=self.facts.pause is not None)
        self.live = Live()
        self._files = SessionFiles(lambda: self.facts, house, self.record)
        self._pausing = Pausing(
            lambda: self.facts,
            gate=self.gate,
            meter=self.meter,
            scheduler=house.scheduler,
            gpus=house.gpus,
            move=self._move,
            tell=self.record,
            ended=self._ended,
        )
        self._finishing = Finishing(
            session_id,
            lambda: self.facts,
            house,
            meter=self.meter,
            files=self._files,
            move=self._move,
            record=self.record,
            going=self._going,
        )
        self._equipping = Equipping(house, self, self.meter, self.live)
        self._budget = BudgetWatch(lambda: self.facts, house.clock, self._end, self.record)

    @property
    def facts(self) -> SessionState:
        """What the journal says of it."""
        return self._house.view.state.sessions[self.id]

    @property
    def workspace(self) -> Workspace | None:
        """Its sandbox, while it has one."""
        return self._workspace

    def obey(self, body: AnyBody) -> None:
        """An event of this session was journalled that it must act on."""
        match body:
            case SessionPaused(now=now, release=release):
                self.gate.shut()
                if release:
                    self._pausing.release()
                if now:
                    self.gate.interrupt()
            case SessionResumed():
                self.gate.open()
            case StopAsked():
                self.stop(Ending("operator", self.facts.stopping))
            case VerificationAsked() if self._task is not None:
                self._judge_now(self._task)
            case BudgetChanged() | TurnFinished() | ClockMoved():
                self._budget.news()

    def stop(self, ending: Ending) -> None:
        """Ask it to end and be judged. The first ending counts."""
        self._end(ending)

    def leave(self, how: Leaving) -> None:
        """The engine ends: stop the agent; the next engine takes the session up."""
        self._leaving = how
        self._going.set()
        self._end(None)

    async def run(self) -> None:
        """Live to the end. Whatever breaks ends the session, not the engine."""
        try:
            ending = await self._until_ended()
            if ending is None:
                await self._left_alone()
            else:
                await self._finishing.finish(ending, self._task)
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
        await self._finishing.settle(ending, None)

    def record(self, body: AnyBody) -> Awaitable[object]:
        """Journal an event of this session. To be awaited: it is then durable, and in `facts`."""
        return self._house.view.record(body, self.id)

    def note(self, body: AnyBody) -> None:
        """Journal an event of this session without waiting for it."""
        self._house.view.note(body, self.id)

    async def after_tool(self) -> None:
        """Take a snapshot if the editable files changed."""
        if self._workspace is not None and self._task is not None:
            await self._files.take_checkpoint(self._workspace, self._task)

    def _judge_now(self, task: Task) -> None:
        """Somebody wants a verdict on what the files are now."""

        async def judge() -> None:
            try:
                await self._files.judge_now(self._workspace, task)
            except (KeeperError, OSError) as error:
                self.note(VerificationDropped(why=f"its files could not be read: {error}"))
            except JournalError:
                _log.info("session %s: the next engine is asked for the verdict", self.id)

        self._judging_now = asyncio.ensure_future(judge())

    async def restore(self, snapshot: Snapshot, by: str, why: str) -> dict[str, Any]:
        """Set the editable files to a snapshot while every process stands still.

        What they were is a snapshot, too, before anything is changed. Raises `RestoreRefusedError`,
        `KeeperError`.
        """
        if self._task is None:
            raise RestoreRefusedError(f"{self.id} is being taken up; try again in a moment")
        return await self._files.restore(
            self._workspace, self._task, snapshot, by=by, why=why, meter=self.meter
        )

    def verifying(self) -> bool:
        """Whether a snapshot of this session waits for its verdict."""
        return self._house.verifications.busy_with(self.id)

    async def _until_ended(self) -> Ending | None:
        try:
            return await self._live()
        except JournalError:
            raise
        except Exception as error:
            # Something of ours broke; what the agent has left is judged all the same.
            _log.exception("session %s broke off", self.id)
            return Ending("infrastructure", f"{type(error).__name__}: {error}")

    async def _live(self) -> Ending | None:
        """Everything up to the moment at which the agent's time is over; None: until later."""
        facts = self.facts
        task = self._task = await asyncio.to_thread(load_task, Path(facts.task_path))
        if facts.state == "verifying":
            return ending_of(facts.state_reason)
        if facts.stopping:
            return Ending("operator", facts.stopping)
        place_file = self._files.place_file
        setting = Setting(
            session=self.id,
            slot=self.slot,
            task=task,
            harness=self._equipping.harness,
            house=self._house,
            meter=self.meter,
            record=self.record,
            place_file=place_file,
        )
        why, losses = _BACK, 0
        while losses < _MOST_LOSSES:
            await self._parked(setting)
            if self._ended.done():
                return self._ended.result()
            try:
                desk = self._workspace = await self._sandbox(setting, why)
            except (KeeperError, OSError, ValueError, SandboxUnavailableError) as error:
                return Ending("infrastructure", str(error))
            found = await self._work(task, desk)
            if not isinstance(found, str):
                return found
            why = found
            if why in (RELEASED, LOST):
                await self._let_go(setting)
            else:
                losses += 1
        return Ending("infrastructure", f"its sandbox was lost {_MOST_LOSSES} times: {why}")

    async def _parked(self, setting: Setting) -> None:
        """Stand still while it is paused; its budget is watched meanwhile."""
        watching = asyncio.ensure_future(self._budget.watch())
        try:
            await self._pausing.parked(setting.alive, setting.end)
        finally:
            watching.cancel()
            await asyncio.wait((watching,))

    async def _let_go(self, setting: Setting) -> None:
        """Its processes were asked to end: see that they have, and give its GPUs back."""
        with suppress(KeeperError):  # without its keeper none lives
            await setting.end()
        self._house.gpus.give_back(self.id, "its processes were ended")

    async def _sandbox(self, setting: Setting, why: str) -> Workspace:
        facts = self.facts
        await self._files.begin(setting.task)
        if facts.begun:
            return await setting.take_up(facts, why)
        await self._move("preparing")
        return await setting.prepare(facts)

    async def _work(self, task: Task, desk: Workspace) -> Ending | str | None:
        """Let the agent work until it is done, a budget ends, or the operator says so.

        Gives the ending; None when the engine goes away; in words, why the sandbox was lost.
        """
        if not self._ended.done():
            await self._move("running", "" if self.facts.state == "preparing" else "taken up")
        if self.facts.verify_asked:  # of the engine before this one
            self._judge_now(task)
        self._lost, self._parting = asyncio.get_running_loop().create_future(), ""
        self.meter.start()
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(self._agent(task, desk), name=f"agent {self.id}"),
                    group.create_task(self._budget.watch()),
                    group.create_task(self._watch_storage(task, desk)),
                    group.create_task(self._snapshot_regularly()),
                    group.create_task(self._obey_pauses(desk)),
                ]
                await asyncio.wait((self._ended, self._lost), return_when=asyncio.FIRST_COMPLETED)
                for helper in helpers:
                    helper.cancel()
        finally:
            self.live.turn = None
            pause = self.facts.pause
            if self._leaving is not None:
                self.meter.leave("the engine was stopped")
            elif pause is not None and not self._ended.done():
                self.meter.park("paused", pause.cause, str(pause))
            else:
                self.meter.stop()
        return self._ended.result() if self._ended.done() else self._lost.result()

    async def _agent(self, task: Task, desk: Workspace) -> None:
        try:
            bench = await self._equipping.bench(task, desk)
            self._end(await make_agent(self.facts.agent).work(bench))
        except KeeperError as error:
            self._lose(error)
        except Exception as error:
            _log.warning("session %s: the agent failed\n%s", self.id, traceback.format_exc())
            self._end(Ending("infrastructure", f"{type(error).__name__}: {error}"))

    async def _watch_storage(self, task: Task, desk: Workspace) -> None:
        self._end(await watch_storage(task, desk.place))

    async def _snapshot_regularly(self) -> None:
        """Inside a long command or turn nothing else would look at the files."""
        while True:
            await asyncio.sleep(self._house.settings.snapshot_seconds)
            try:
                await self.after_tool()
            except KeeperError as error:
                self._lose(error)
                return

    async def _obey_pauses(self, desk: Workspace) -> None:
        try:
            await self._pausing.obey(desk, self._part)
        except KeeperError as error:
            self._lose(error)
            return
        self._lose()

    def _part(self, why: str) -> None:
        """Its processes are about to be ended on purpose."""
        self._parting = why

    def _end(self, ending: Ending | None) -> None:
        if not self._ended.done():
            self._ended.set_result(ending)

    def _lose(self, error: Exception | None = None) -> None:
        if not self._lost.done():
            self._lost.set_result(self._parting or f"its sandbox was lost ({error})")

    async def _left_alone(self) -> None:
        """The engine goes away: keep what the agent has made so far."""
        keeper = await self._house.keepers.running()
        if keeper is not None and self._leaving is Leaving.END:
            await keeper.kill(self.id)
        elif keeper is not None and self._workspace is not None:
            await keeper.freeze(self.id)
        await self._files.take_last(self._task)

    async def _move(self, phase: SessionPhase, reason: str = "") -> None:
        await self.record(SessionMoved(state=phase, reason=reason))
