"""A sandbox stands still while all that it asked of the model waits: what is not charged does no
work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

from engine.clock import ClockCause
from engine.session.meter import Meter


class Still:
    """The calls of one sandbox: those that wait for a retry or a slot, and those under way.

    While some wait and none is under way, the sandbox is held and its clock says `waiting`.
    """

    def __init__(self, held: Callable[[], AbstractAsyncContextManager[None]], meter: Meter) -> None:
        self._held = held
        self._meter = meter
        self._reasons: list[tuple[str, ClockCause]] = []
        self._under_way = 0
        self._changed = asyncio.Event()

    @contextmanager
    def waiting(self, reason: str, cause: ClockCause) -> Iterator[None]:
        """A call waits."""
        self._reasons.append((reason, cause))
        self._changed.set()
        try:
            yield
        finally:
            self._reasons.remove((reason, cause))
            self._changed.set()

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """A call is at the provider."""
        self._under_way += 1
        self._changed.set()
        try:
            yield
        finally:
            self._under_way -= 1
            self._changed.set()

    async def keep(self) -> None:
        """Hold the sandbox whenever it must stand still, until cancelled. Raises `KeeperError`."""
        while True:
            while not self._wanted():
                await self._change()
            reason, cause = self._reasons[-1]
            async with self._held():
                with self._meter.stalled(reason, cause):
                    while self._wanted():
                        await self._change()

    def _wanted(self) -> bool:
        return bool(self._reasons) and self._under_way == 0

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
