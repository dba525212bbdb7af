"""What goes on beside the sessions while the engine runs: storage, thawing, tidying, sandboxes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from engine.events import Noted
from engine.gpu.sampler import Sampler
from engine.paths import journal_file
from engine.service.house import House
from engine.service.roster import Roster
from engine.session.stillness import Stillness
from engine.storage.tidying import place_file, tidy
from verifier.sandbox.keeper.client import KeeperError
from verifier.sandbox.keeper.protocol import SandboxInfo

_log = logging.getLogger(__name__)
_STORAGE_SECONDS = 0.25
_SANDBOX_SECONDS = 3.0
_FOLDER_SECONDS = 2.0


class Upkeep:
    """The works of one engine, each until it is cancelled. On the sessions' loop.

    `silenced` gives the sandboxes that the keeper froze because this engine was not heard;
    `trouble` says in words what keeps it from recording; `end` asks it to end.
    """

    def __init__(
        self,
        house: House,
        roster: Roster,
        stillness: Stillness,
        silenced: asyncio.Queue[Sequence[SandboxInfo]],
        *,
        trouble: Callable[[], str],
        end: Callable[[], None],
    ) -> None:
        self._house = house
        self._roster = roster
        self._stillness = stillness
        self._silenced = silenced
        self._trouble = trouble
        self._end = end

    async def thaw_silenced(self) -> None:
        """What the keeper froze because this loop was stuck: pause its clock, and go on."""
        while True:
            for info in await self._silenced.get():
                session = self._roster.get(info.id)
                if session is None or session.workspace is None or info.frozen_since is None:
                    continue
                session.meter.gap(info.frozen_since, "the engine was not heard")
                try:
                    await session.workspace.thaw()
                except KeeperError as error:
                    _log.warning("cannot thaw %s: %s", info.id, error)

    async def watch_storage(self) -> None:
        """While nothing can be recorded nobody may work: hold every session until it can."""
        clock = self._house.clock
        while True:
            await asyncio.sleep(_STORAGE_SECONDS)
            if trouble := self._trouble():
                since = clock.now()
                _log.error("%s", trouble)
                async with self._stillness.held("the state folder cannot be written", storage=True):
                    await self._no_trouble()
                lasted = clock.now() - since
                await self._house.view.record(Noted(text=f"for {lasted:.0f} s {trouble}"), None)

    async def _no_trouble(self) -> None:
        while self._trouble():  # noqa: ASYNC110 - the writer is a thread and has no event
            await asyncio.sleep(_STORAGE_SECONDS)

    async def watch_state_folder(self) -> None:
        """End when the journal's file was deleted: nobody could ever read what is recorded."""
        file = journal_file(self._house.state_dir)
        while await asyncio.to_thread(file.exists):  # noqa: ASYNC110 - deletion tells nobody
            await asyncio.sleep(_FOLDER_SECONDS)
        _log.critical("%s is gone; this engine ends", file)
        self._end()

    async def tidy_up(self) -> None:
        """What an engine that fell between a session's end and its tidying left."""
        house = self._house
        for session in tuple(house.view.state.sessions.values()):
            if session.over and place_file(house.state_dir, session.id).exists():
                for trouble in await asyncio.to_thread(
                    tidy, house.state_dir, session.id, house.snapshots, session.best_snapshot
                ):
                    await house.view.record(Noted(text=trouble), session.id)

    async def know_sandboxes(self, sampler: Sampler, sandboxes: dict[int, str]) -> None:
        """Keep track of whose pid namespace is which, while there is a GPU with processes on it."""
        while True:
            await asyncio.sleep(_SANDBOX_SECONDS)
            if any(gpu.processes for gpu in sampler.latest().gpus):
                known = await self._roster.namespaces(self._roster.ids())
                mine = {inode: session for session, inode in known.items()}
                sandboxes.update(mine)  # the sampler's thread reads this one
                for inode in sandboxes.keys() - mine.keys():
                    del sandboxes[inode]
