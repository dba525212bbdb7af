"""The files of one session: its workspace, the snapshots of what is judged, and the best of them.

A snapshot is taken when the editable files have changed. The workspace is removed when the session
is over: all that counts is stored by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from engine import workspace
from engine.events import AnyBody, Noted, SnapshotTaken
from engine.house import House
from engine.snapshots import Snapshot
from engine.state import SessionState
from engine.verdicts.queue import Job, Marks
from engine.workspace import Place, Workspace
from tasks import Task
from verifier.artifact import snapshot_hash


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
        self._folder = house.state_dir / "sessions" / facts().id
        self._order = asyncio.Lock()
        self._last = facts().last_snapshot
        self._taken_at: Marks | None = None  # where the session stood at its last snapshot

    @property
    def place(self) -> Place | None:
        """The workspace, if there is one."""
        return Place.load(self.place_file)

    @property
    def place_file(self) -> Path:
        """Where it is kept which workspace is this session's."""
        return self._folder / "place.json"

    def begin(self, task: Task) -> None:
        """The session works on this task; untouched files are no news."""
        if self._last is None:
            self._last = snapshot_hash(task.baseline())

    async def take_checkpoint(self, desk: Workspace, task: Task) -> None:
        """Take a snapshot if the editable files have changed, and have it verified."""
        async with self._order:
            marks = self.marks()
            async with desk.held():
                snapshot = await self._collect(desk.place, task)
            if snapshot.id != self._last:
                await self._took(snapshot, marks)
                job = Job(self._facts().id, snapshot.id, "checkpoint", marks)
                self._house.verifications.checkpoint(job)

    async def take_last(self, task: Task | None) -> str | None:
        """The snapshot of what was left, when no process works on the files any more.

        None when there never was one.
        """
        place = self.place
        if place is None or task is None or not place.directory.is_dir():
            return self._facts().last_snapshot
        marks = self.marks()
        snapshot = await self._collect(place, task)
        if snapshot.id != self._facts().last_snapshot:
            await self._took(snapshot, marks)
        return snapshot.id

    def final_jobs(self, last: str) -> list[Job]:
        """What is to be judged with nobody at work: the best snapshot, then the last one."""
        facts = self._facts()
        jobs = []
        best = next((p for p in facts.points if p.snapshot == facts.best_snapshot), None)
        judged = {p.snapshot for p in facts.points if p.stage == "final"}
        if best is not None and best.reward and best.snapshot not in {last, *judged}:
            marks = Marks(best.active, best.wall, best.tokens, best.turns, best.cost)
            jobs.append(Job(facts.id, best.snapshot, "final", marks))
        return [*jobs, Job(facts.id, last, "final", self._taken_at or self.marks())]

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
        """Export the best files, then remove the workspace."""
        place, best = self.place, self._facts().best_snapshot

        def tidy() -> None:
            if best is not None:
                for path, data in self._house.snapshots.get(best).files.items():
                    target = self._folder / "best" / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(data)
            if place is not None:
                workspace.remove(place)
                self.place_file.unlink(missing_ok=True)

        try:
            await asyncio.to_thread(tidy)
        except (OSError, LookupError) as error:
            text = f"could not tidy up after {self._facts().id}: {error}"
            await self._record(Noted(text=text))

    async def _collect(self, place: Place, task: Task) -> Snapshot:
        store = self._house.snapshots
        with self._house.trace.doing("snapshot", self._facts().id):
            return await self._house.disk.keep(
                "the snapshot store",
                lambda: asyncio.to_thread(workspace.take_snapshot, place, task, store),
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
