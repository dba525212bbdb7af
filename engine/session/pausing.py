"""How a session stands still: its processes frozen, its clock stopped, its slot given back.

Frozen processes keep their memory and their GPUs. A pause that releases them has them ended first;
the session then stands still without a sandbox, as after a reboot.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

from engine.events import ActivityChanged, AnyBody, Noted, SessionPhase
from engine.gpu.desk import GpuDesk
from engine.runs.outcomes import Ending
from engine.runs.scheduler import Scheduler
from engine.session.gate import Gate
from engine.session.meter import Meter
from engine.session.workspace import Workspace
from engine.state import Pause, SessionState

_GONE = (
    "; its processes are gone: on resume its sandbox is built anew around its files, and its "
    "model is told"
)
RELEASED = "the session was paused so that its memory and its GPUs are free for others"
LOST = "the GPU of the session was lost"
Move = Callable[[SessionPhase, str], Awaitable[None]]
End = Callable[[], Awaitable[object]]


class Pausing:
    """The pauses of one session. Used on the sessions' loop only.

    `ended` is done when the session is over or the engine goes away; nothing waits longer.
    """

    def __init__(
        self,
        facts: Callable[[], SessionState],
        *,
        gate: Gate,
        meter: Meter,
        scheduler: Scheduler,
        gpus: GpuDesk,
        move: Move,
        tell: Callable[[AnyBody], Awaitable[object]],
        ended: asyncio.Future[Ending | None],
    ) -> None:
        self._facts = facts
        self._gate = gate
        self._meter = meter
        self._scheduler = scheduler
        self._gpus = gpus
        self._move = move
        self._tell = tell
        self._release = asyncio.Event()
        self._ended = ended

    def release(self) -> None:
        """The operator wants its processes ended, too."""
        self._release.set()

    async def parked(self, alive: Callable[[], Awaitable[bool]], end: End) -> None:
        """Without a workbench, wait until the session is not paused and has a slot and its GPUs,
        or is over.

        `alive` says whether its sandbox lives; `end` asks its processes to end.
        """
        if self._ended.done():
            return
        facts = self._facts()
        if facts.pause is None:
            if not self._gpus.holds(facts.id):
                self._scheduler.give_back(facts.id)
                await self._slot_again()
            return
        there = await alive()
        if facts.pause.release and there:
            await end()
            there = False
        if not there:
            self._gpus.give_back(facts.id, "it is paused and has no processes")
        words = str(facts.pause)
        if facts.begun and not there:
            words += _GONE
        if (facts.state, facts.state_reason) != ("paused", words):
            await self._move("paused", words)
        self._scheduler.give_back(facts.id)
        if there:
            await self._unless_ended(self._passed_or_release())
            if self._release_wanted() or self._gpus.lost(facts.id):
                await end()
                self._gpus.give_back(facts.id, "its processes were ended")
        if await self._unless_ended(self._gate.passed()):
            await self._slot_again()

    async def obey(self, desk: Workspace, part: Callable[[str], None]) -> None:
        """Stand still whenever the session is paused, until it is resumed and has a slot.

        Returns when its processes have been ended, since the pause says so or their GPU is gone;
        `part` hears why before that. Raises `KeeperError` when the sandbox is gone.
        """
        while True:
            await self._gate.is_shut()
            async with desk.held():
                while (pause := self._facts().pause) is not None:
                    await self._stand_still(pause)
                    why = self._why_end()
                    if why:
                        part(why)
                        with self._meter.paused(str(pause), pause.cause):
                            await desk.end()
                        return
                    with self._meter.without_slot("every slot is taken"):
                        await self._slot_or_pause()
            await self._move("running", "resumed")

    async def _stand_still(self, pause: Pause) -> None:
        with self._meter.paused(str(pause), pause.cause, soft=True):
            await self._meter.quiet()
            if self._release_wanted():
                return
            await self._move("paused", str(pause))
            self._scheduler.give_back(self._facts().id)
            async with self._telling_what_is_held():
                await self._passed_or_release()

    @asynccontextmanager
    async def _telling_what_is_held(self) -> AsyncIterator[None]:
        """While it stands still its activity says what of its GPUs it keeps."""
        before, session = self._facts().activity, self._facts().id
        words = await self._gpus.held_in_words(session)
        if words:
            await self._tell(ActivityChanged(activity=words))
            await self._tell(Noted(text=f"{session} is paused; {words}"))
        try:
            yield
        finally:
            if words:
                await asyncio.shield(self._tell(ActivityChanged(activity=before)))

    def _why_end(self) -> str:
        """Why the processes of a session that stood still shall end now; empty if not."""
        if self._release_wanted():
            return RELEASED
        return LOST if self._gpus.lost(self._facts().id) else ""

    def _release_wanted(self) -> bool:
        pause = self._facts().pause
        return pause is not None and pause.release

    async def _passed_or_release(self) -> None:
        """Wait for the end of the pause, or for a more thorough one."""
        self._release.clear()
        if not self._release_wanted():
            await first(self._gate.passed(), self._release.wait())

    async def _slot_or_pause(self) -> None:
        """Wait for a slot, or until the session is paused again."""
        await first(self._slot_again(), self._gate.is_shut())

    async def _slot_again(self) -> None:
        session = self._facts().id
        lacks = self._scheduler.lacks(session)
        if lacks == "GPU":
            words = self._gpus.words(self._facts().want)
            if self._facts().begun:
                self._meter.park("waiting", "GPU", words)
            await self._move("queued", f"resumed; {words}")
        elif lacks:
            await self._move("queued", "resumed; every slot is taken")
        await self._unless_ended(self._scheduler.come_again(session))

    async def _unless_ended(self, awaitable: Awaitable[object]) -> bool:
        """Wait, but not longer than the session lasts; whether it goes on."""
        waiting = asyncio.ensure_future(awaitable)
        try:
            await asyncio.wait((waiting, self._ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not waiting.done():
                waiting.cancel()
                await asyncio.wait((waiting,))
        return not self._ended.done()


async def first(*awaitables: Coroutine[object, object, object]) -> None:
    """Wait for whichever comes first, and call the others off."""
    async with asyncio.TaskGroup() as group:
        waits = [group.create_task(awaitable) for awaitable in awaitables]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
