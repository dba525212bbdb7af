"""How a session stands still: its processes frozen, its clock stopped, its slot given back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from engine.events import SessionPhase
from engine.gate import Gate
from engine.meter import Meter
from engine.outcomes import Ending
from engine.scheduler import Scheduler
from engine.state import Pause, SessionState
from engine.workspace import Workspace

_GONE = (
    "; its processes are gone: on resume its sandbox is built anew around its files, and its "
    "model is told"
)
Move = Callable[[SessionPhase, str], Awaitable[None]]


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
        move: Move,
        ended: asyncio.Future[Ending | None],
    ) -> None:
        self._facts = facts
        self._gate = gate
        self._meter = meter
        self._scheduler = scheduler
        self._move = move
        self._ended = ended

    async def parked(self, alive: Callable[[], Awaitable[bool]]) -> None:
        """Without a workbench, wait until the session is not paused and has a slot, or is over.

        `alive` says whether its sandbox lives.
        """
        facts = self._facts()
        if facts.pause is None or self._ended.done():
            return
        words = str(facts.pause)
        if facts.begun and not await alive():
            words += _GONE
        if (facts.state, facts.state_reason) != ("paused", words):
            await self._move("paused", words)
        self._scheduler.give_back(facts.id)
        if await self._unless_ended(self._gate.passed()):
            await self._slot_again()

    async def obey(self, desk: Workspace) -> None:
        """Stand still whenever the session is paused, until it is resumed and has a slot.

        Raises `KeeperError` when the sandbox is gone.
        """
        while True:
            await self._gate.is_shut()
            async with desk.held():
                while (pause := self._facts().pause) is not None:
                    await self._stand_still(pause)
                    with self._meter.without_slot("every slot is taken"):
                        await self._slot_or_pause()
            await self._move("running", "resumed")

    async def _stand_still(self, pause: Pause) -> None:
        with self._meter.paused(str(pause), pause.cause, soft=True):
            await self._meter.quiet()
            await self._move("paused", str(pause))
            self._scheduler.give_back(self._facts().id)
            await self._gate.passed()

    async def _slot_or_pause(self) -> None:
        """Wait for a slot, or until the session is paused again."""
        async with asyncio.TaskGroup() as group:
            waits = (
                group.create_task(self._slot_again()),
                group.create_task(self._gate.is_shut()),
            )
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()

    async def _slot_again(self) -> None:
        session = self._facts().id
        if not self._scheduler.has_room_for(session):
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
