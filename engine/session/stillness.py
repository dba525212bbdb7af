"""Holding every agent still, those included that come to life meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import NamedTuple, Protocol

from engine.session.meter import Meter
from engine.session.workspace import Workspace
from verifier.sandbox.keeper.client import KeeperError

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.1


class Held(Protocol):
    """A session, as far as it can be held."""

    id: str
    meter: Meter

    @property
    def workspace(self) -> Workspace | None:
        """Its sandbox, while it has one."""
        ...


Whom = Callable[[str], bool]


def everybody(_: str) -> bool:
    """Whoever it is."""
    return True


class _Why(NamedTuple):
    reason: str
    storage: bool
    whom: Whom


class Stillness:
    """Freezes the sandboxes of all `sessions` at once. Used on the sessions' loop only."""

    def __init__(self, sessions: Callable[[], Iterable[Held]]) -> None:
        self._sessions = sessions

    @asynccontextmanager
    async def held(
        self, reason: str, *, storage: bool = False, whom: Whom = everybody
    ) -> AsyncIterator[None]:
        """Nobody (of `whom`) works from now on; their clocks say why. What begins meanwhile is held
        too.

        For `storage` the time is a pause, else it is frozen, which nobody's active time counts.
        """
        over = asyncio.Event()
        known: set[int] = set()
        why = _Why(reason, storage, whom)
        async with AsyncExitStack() as stack:
            await self._join(stack, known, why)

            async def latecomers() -> None:
                while not over.is_set():
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK_SECONDS):
                            await over.wait()
                    if not over.is_set():
                        await self._join(stack, known, why)

            watching = asyncio.create_task(latecomers(), name="hold latecomers")
            try:
                yield
            finally:
                over.set()
                await watching  # never cut short: a hold that was begun must be let go of

    async def _join(self, stack: AsyncExitStack, known: set[int], why: _Why) -> None:
        for session in tuple(self._sessions()):
            desk, meter = session.workspace, session.meter
            if desk is None or meter.state == "stopped" or id(desk) in known:
                continue
            if not why.whom(session.id):
                continue
            known.add(id(desk))
            try:
                await stack.enter_async_context(desk.held())
            except KeeperError as error:
                _log.warning("cannot hold %s: %s", session.id, error)
                continue
            stack.callback(known.discard, id(desk))
            stack.enter_context(
                meter.paused(why.reason, "storage") if why.storage else meter.frozen(why.reason)
            )
