"""How a session comes to its sandbox: prepared, taken up, or built anew.

A sandbox that lived on (the keeper held it while the engine was away) is taken up with its running
command. One that is gone is built anew around the workspace as it lies on disk, which is newer than
any snapshot; where that is gone too, around the newest snapshot. Its model is told what it lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from engine.events import AnyBody, MessageLeft, SessionRebuilt
from engine.harnesses import Harness
from engine.service.house import House
from engine.session.laying_out import lay_out, remove
from engine.session.meter import Meter
from engine.session.place import Place
from engine.session.workspace import END_SECONDS, Workspace
from engine.state import SessionState
from engine.storage.snapshots import SnapshotMissingError
from tasks import Task
from verifier.ledger.manifests import in_words
from verifier.pins import digest_of, hashes
from verifier.sandbox import places
from verifier.sandbox.keeper.client import KeeperError

_TOLD = (
    "[engine] {why}, and the processes of your session ended with it: whatever you had running is "
    "gone, and your shell is a new one in its first folder, without the variables and functions "
    "you had set. {files} Go on from here."
)
_FILES = {
    "workspace": "The files in the working directory are as they were.",
    "snapshot": (
        "The working directory was laid out anew, and the files that count were put back as they "
        "were at the newest snapshot; other files that you had made are gone."
    ),
    "task": "The working directory was laid out anew, as it was at the beginning.",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """What is needed to give one session its sandbox."""

    session: str
    slot: int
    task: Task
    harness: Callable[[], Harness]
    house: House
    meter: Meter
    record: Callable[[AnyBody], Awaitable[object]]
    place_file: Path

    async def prepare(self, facts: SessionState) -> Workspace:
        """Lay out the workspace and start a sandbox around it, for a session that begins.

        Raises `ValueError` when the task was changed after the run was created.
        """
        await unchanged(self.house, self.task, facts)
        keeper = await self.house.keepers.get()
        await keeper.kill(self.session)  # one that an engine left when it died preparing
        await self._forget_place()
        return await self._around(await self._laid_out(facts, None))

    async def alive(self) -> bool:
        """Whether the session's sandbox lives."""
        keeper = await self.house.keepers.running()
        if keeper is None:
            return False
        return any(info.alive and info.id == self.session for info in await keeper.list())

    async def end(self) -> None:
        """Ask the processes of its sandbox to end, and insist after a while."""
        keeper = await self.house.keepers.get()
        await keeper.end(self.session, END_SECONDS)

    async def take_up(self, facts: SessionState, why: str) -> Workspace:
        """The session's sandbox: the living one, or a new one, for the reason `why`."""
        place = Place.load(self.place_file)
        if place is not None and await self.alive():
            keeper = await self.house.keepers.get()
            desk = Workspace(keeper, self.session, place, self.task, self.meter)
            await desk.thaw()
            return desk
        return await self._rebuild(facts, place, why)

    async def _rebuild(self, facts: SessionState, place: Place | None, why: str) -> Workspace:
        keeper = await self.house.keepers.get()
        await keeper.kill(self.session)
        source = "workspace"
        if place is None or not await asyncio.to_thread(place.directory.is_dir):
            place = await self._laid_out(facts, facts.last_snapshot)
            source = "snapshot" if facts.last_snapshot else "task"
        desk = await self._around(place)
        await self.record(
            SessionRebuilt(
                source=source,  # type: ignore[arg-type]  # one of the three above
                why=why,
                snapshot=facts.last_snapshot or "" if source == "snapshot" else "",
            )
        )
        if facts.model is not None:
            said = f"{why[:1].upper()}{why[1:]}"
            text = _TOLD.format(why=said, files=_FILES[source])
            await self.record(MessageLeft(text=text, by="engine", origin="engine"))
        return desk

    async def _laid_out(self, facts: SessionState, snapshot: str | None) -> Place:
        kept = None
        if snapshot is not None:
            try:
                kept = await asyncio.to_thread(self.house.snapshots.get, snapshot)
            except SnapshotMissingError as error:
                raise KeeperError(
                    f"the workspace of {facts.id} is gone and so is its snapshot: {error}"
                ) from error
        harness = self.harness()
        place = await asyncio.to_thread(
            lay_out, self.house.state_dir, self.task, self.slot, kept, harness
        )
        place.save(self.place_file)
        return place

    async def _around(self, place: Place) -> Workspace:
        keeper = await self.house.keepers.get()
        if place.door is not None:
            await asyncio.to_thread(places.make_door, place.directory)
        desk = Workspace(keeper, self.session, place, self.task, self.meter)
        gpus = await asyncio.to_thread(self.house.gpus.access, self.session)
        await desk.create(self.house.agent_cpus, gpus)
        return desk

    async def _forget_place(self) -> None:
        """Remove the workspace of a preparation that was cut short."""
        place = Place.load(self.place_file)
        if place is not None:
            await asyncio.to_thread(remove, place)


async def unchanged(house: House, task: Task, facts: SessionState) -> None:
    """Raises `ValueError` naming the files when the task is not the one of the session's run."""
    now = await asyncio.to_thread(hashes, task.path)
    if digest_of(now) == facts.task_hash:
        return
    then = house.manifests.get(facts.task_hash)
    what = in_words(None if then is None else then.files, now)
    raise ValueError(
        f"the task {task.path} was changed after the run was created: {what}; restore it, "
        "or launch the run again"
    )
