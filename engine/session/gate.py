"""The gate at which a session's model calls wait while the session is paused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class CallInterruptedError(Exception):
    """The model call was given up because the session was paused at once."""


class Gate:
    """Open or shut. Used on the sessions' loop only."""

    def __init__(self, shut: bool) -> None:
        self._open = asyncio.Event()
        self._shut = asyncio.Event()
        (self._shut if shut else self._open).set()
        self._calls: set[asyncio.Timeout] = set()

    @property
    def closed(self) -> bool:
        """Whether nobody may pass now."""
        return self._shut.is_set()

    def shut(self) -> None:
        """Let nobody pass from now on; calls under way may finish."""
        self._open.clear()
        self._shut.set()

    def open(self) -> None:
        """Let everybody pass."""
        self._shut.clear()
        self._open.set()

    async def passed(self) -> None:
        """Wait until the gate is open."""
        await self._open.wait()

    async def is_shut(self) -> None:
        """Wait until the gate is shut."""
        await self._shut.wait()

    def interrupt(self) -> None:
        """Give up the calls that are under way."""
        now = asyncio.get_running_loop().time()
        for call in self._calls:
            call.reschedule(now)

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """A call that `interrupt` may end with `CallInterruptedError`."""
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._calls.add(scope)
                try:
                    yield
                finally:
                    self._calls.discard(scope)
        except TimeoutError:
            if scope.expired():
                raise CallInterruptedError from None
            raise
