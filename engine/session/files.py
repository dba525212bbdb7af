"""The files of one session: its workspace, the snapshots of what is judged, and the best of them.

A snapshot is taken when the editable files have changed. The workspace is removed when the session
is over: all that counts is stored by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from engine.events import (
    AnyBody,
    BaselineKept,
    Intervened,
    MessageLeft,
    Noted,
    SnapshotTaken,
    VerificationDropped,
)
from engine.service.house import House
from engine.session import restoring
from engine.session.editable import baseline, edited_pins, put_back, take_snapshot
from engine.session.meter import Meter
from engine.session.place import Place
from engine.session.workspace import Workspace
from engine.state import SessionState
from engine.storage.snapshots import Snapshot
from engine.storage.tidying import place_file, tidy
from engine.verdicts.queue import Job, Marks
from tasks import Task
from verifier.artifact import snapshot_hash
from verifier.planting import PlantingError
from verifier.sandbox.keeper.client import SandboxGoneError


class SessionFiles:
    """Used on the sessions' loop only. `record` journals an event of the session."""

    def __init__(
        self,
        facts: Callable[[], SessionState],
        house: House,
        record: Callable[[AnyBody], Awaitable[object]],
    ) -> None:
        self._facts = facts
        self._house = house
        self._record = record
        self._order = asyncio.Lock()
        self._last = facts().last_snapshot
        self._taken_at: Marks | None = None  # where the session stood at its last snapshot
        self._edited: tuple[
            str, ...
        ] = ()  # pinned files that were not as given when last looked at

    @property
    def place(self) -> Place | None:
        """The workspace, if there is one."""
        return Place.load(self.place_file)

    @property
    def place_file(self) -> Path:
        """Where it is kept which workspace is this session's."""
        return place_file(self._house.state_dir, self._facts().id)

    async def begin(self, task: Task) -> None:
        """The session works on this task; untouched files are no news.

        They are stored, so that they can be looked at when the task is gone.
        """
        if self._facts().baseline is None:
            files = await asyncio.to_thread(baseline, task)
            kept = await self._store(snapshot_hash(files), files)
            names = tuple(sorted(files))
            await self._record(BaselineKept(snapshot=kept.id, files=names, size=kept.size))
        if self._last is None:
            self._last = self._facts().baseline

    async def take_checkpoint(self, desk: Workspace, task: Task) -> None:
        """Take a snapshot if the editable files have changed, and have it verified."""
        async with self._order:
            marks = self.marks()
            async with desk.held():
                snapshot = await self._collect(desk.place, task)
            if snapshot.id != self._last:
                await self._took(snapshot, marks)
                job = Job(self._facts().id, snapshot.id, "checkpoint", marks, self._edited)
                self._house.verifications.checkpoint(job)

    async def judge_now(self, desk: Workspace | None, task: Task) -> None:
        """Have what the files are now judged before other checkpoints, or say why that is needless.

        Without a `desk` the session must not be running.
        """
        async with self._order:
            marks = self.marks()
            async with self._still(desk):
                place = self.place
                there = place is not None and await asyncio.to_thread(place.directory.is_dir)
                snapshot = await self._collect(place, task) if place is not None and there else None
            if snapshot is not None and snapshot.id != self._last:
                await self._took(snapshot, marks)
            newest = snapshot.id if snapshot is not None else self._last
            needless = self._needless(newest)
            if newest is None or needless:
                await self._record(VerificationDropped(why=needless or "it has no files yet"))
                return
            taken = self._taken_at or marks
            job = Job(self._facts().id, newest, "checkpoint", taken, self._edited)
            self._house.verifications.now(job)

    def _needless(self, snapshot: str | None) -> str:
        """Why a verdict on this snapshot would tell nothing new, or ""."""
        facts = self._facts()
        if snapshot == facts.baseline:
            return "its files are as the task gave them"
        if snapshot == facts.verifying:
            return "its files are being judged"
        known = (p for p in facts.points if p.snapshot == snapshot and p.status != "not_judged")
        point = next(known, None)
        return "" if point is None else f"its files are as verdict {point.verdict[:8]} judged them"

    @asynccontextmanager
    async def _still(self, desk: Workspace | None) -> AsyncIterator[None]:
        """Nothing in the sandbox runs meanwhile, nor in what an earlier engine left of one."""
        async with AsyncExitStack() as stack:
            if desk is not None:
                with suppress(SandboxGoneError):  # what is gone stands still
                    await stack.enter_async_context(desk.held())
            else:
                await self._freeze_leftover()
            yield

    async def _freeze_leftover(self) -> None:
        keeper = await self._house.keepers.running()
        if keeper is not None and any(
            info.alive and info.id == self._facts().id for info in await keeper.list()
        ):
            await keeper.freeze(self._facts().id)  # it stands still, and is asked to again

    async def take_last(self, task: Task | None) -> str | None:
        """The snapshot of what was left, when no process works on the files any more.

        None when there never was one.
        """
        place = self.place
        if place is None or task is None or not place.directory.is_dir():
            return self._facts().last_snapshot
        async with self._order:
            marks = self.marks()
            snapshot = await self._collect(place, task)
            if snapshot.id != self._facts().last_snapshot:
                await self._took(snapshot, marks)
        return snapshot.id

    async def restore(
        self,
        desk: Workspace | None,
        task: Task,
        snapshot: Snapshot,
        *,
        by: str,
        why: str,
        meter: Meter,
    ) -> dict[str, Any]:
        """Set the editable files to a snapshot; without a `desk` the session must not be running.

        Raises `RestoreRefusedError`, `KeeperError`.
        """
        async with self._order:
            facts = self._facts()
            restoring.checked(facts, snapshot)
            if desk is not None:
                with meter.paused("its files are being set", "operator"):
                    async with self._still(desk):
                        return await self._set(task, snapshot, by, why)
            if facts.state == "running":
                raise restoring.RestoreRefusedError(
                    f"{facts.id} is being taken up; try again in a moment"
                )
            async with self._still(None):
                return await self._set(task, snapshot, by, why)

    async def _set(self, task: Task, snapshot: Snapshot, by: str, why: str) -> dict[str, Any]:
        facts, marks = self._facts(), self.marks()
        place = self.place
        laid_out = place is not None and await asyncio.to_thread(place.directory.is_dir)
        kept, removed = self._last, list[str]()
        if place is not None and laid_out:
            before = await self._collect(place, task)
            if before.id != self._last:
                await self._took(before, marks)
                self._house.verifications.checkpoint(Job(facts.id, before.id, "checkpoint", marks))
            kept = before.id if before.refused is None else None
            removed = sorted(before.files.keys() - snapshot.files.keys())
        # First of all it is on record: files are set by nobody unknown, whatever happens next.
        await self._record(Intervened(what="restore", by=by, why=why, snapshot=snapshot.id))
        await self._tell(restoring.told(snapshot, removed, facts.baseline), by)
        if place is not None and laid_out:
            try:
                removed = await asyncio.to_thread(put_back, place, task, snapshot)
            except (PlantingError, OSError) as error:
                await self._record(Noted(text=f"the files of {facts.id} could not be set: {error}"))
                await self._tell(restoring.NOT_DONE, by)
                raise restoring.RestoreRefusedError(
                    restoring.failed(facts.id, snapshot, kept, error)
                ) from error
        # Where there is no workspace, the next sandbox is built around the newest snapshot.
        if snapshot.id != self._last:
            await self._took(snapshot, marks)
            if all(point.snapshot != snapshot.id for point in facts.points):
                job = Job(facts.id, snapshot.id, "checkpoint", marks)
                self._house.verifications.checkpoint(job)
        return restoring.answer(facts.id, snapshot, removed, kept, dry_run=False)

    async def _tell(self, text: str, by: str) -> None:
        if self._facts().model is not None:
            await self._record(MessageLeft(text=text, by=by))

    def final_jobs(self, last: str) -> list[Job]:
        """What is to be judged with nobody at work: the best snapshot, then the last one."""
        facts = self._facts()
        jobs = []
        best = next((p for p in facts.points if p.snapshot == facts.best_snapshot), None)
        judged = {
            p.snapshot for p in facts.points if p.stage == "final" and p.status != "not_judged"
        }
        if best is not None and best.reward and best.snapshot not in {last, *judged}:
            marks = Marks(best.active, best.wall, best.tokens, best.turns, best.cost)
            jobs.append(Job(facts.id, best.snapshot, "final", marks))
        return [*jobs, Job(facts.id, last, "final", self._taken_at or self.marks(), self._edited)]

    def marks(self) -> Marks:
        """Where the session stands now."""
        facts, clock = self._facts(), self._house.clock
        boot, now = clock.boot(), clock.now()
        return Marks(
            active=round(facts.clocks.active(boot, now), 3),
            wall=round(facts.clocks.wall(boot, now), 3),
            tokens=facts.usage.tokens,
            turns=facts.usage.turns,
            cost=facts.usage.cost,
        )

    async def tidy(self) -> None:
        """Export the best files and remove the workspace."""
        house, facts = self._house, self._facts()
        for trouble in await asyncio.to_thread(
            tidy, house.state_dir, facts.id, house.snapshots, facts.best_snapshot
        ):
            await self._record(Noted(text=trouble))

    async def _store(self, snapshot: str, files: Mapping[str, bytes]) -> Snapshot:
        store = self._house.snapshots
        return await self._house.disk.keep(
            "the snapshot store", lambda: asyncio.to_thread(store.put, snapshot, files)
        )

    async def _collect(self, place: Place, task: Task) -> Snapshot:
        store = self._house.snapshots
        with self._house.trace.doing("snapshot", self._facts().id):
            self._edited = await asyncio.to_thread(edited_pins, place, task)
            return await self._house.disk.keep(
                "the snapshot store",
                lambda: asyncio.to_thread(take_snapshot, place, task, store),
            )

    async def _took(self, snapshot: Snapshot, marks: Marks) -> None:
        self._last, self._taken_at = snapshot.id, marks
        await self._record(
            SnapshotTaken(
                snapshot=snapshot.id,
                files=tuple(sorted(snapshot.files)),
                size=snapshot.size,
                active=marks.active,
                wall=marks.wall,
                tokens=marks.tokens,
                turns=marks.turns,
                cost=marks.cost,
            )
        )
