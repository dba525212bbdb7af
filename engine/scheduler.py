"""Which sessions run now. A session waits until its run and the engine have a free slot."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A session that wants to run. `limit` is how many of its run may run at once, if it says."""

    session: str
    run: str
    limit: int | None = None


class Scheduler:
    """Starts sessions in the order in which they came, as slots allow.

    A run that states a limit of its own is held to that; the others share the engine's `slots`.
    `live` lives one session to its end and must not raise; it is cancelled when the engine ends.
    """

    def __init__(self, live: Callable[[str], Awaitable[None]], slots: int) -> None:
        self._live = live
        self._slots = slots
        self._waiting: deque[Entry] = deque()
        self._running: dict[str, Entry] = {}
        self._news = asyncio.Event()
        self._closed = False

    @property
    def running(self) -> tuple[str, ...]:
        """The sessions that run now."""
        return tuple(self._running)

    def submit(self, entry: Entry) -> None:
        """Run this session when there is a slot."""
        self._waiting.append(entry)
        self._news.set()

    def submit_first(self, entry: Entry) -> None:
        """Like `submit`, but before all others: it had its slot before the engine was restarted."""
        self._waiting.appendleft(entry)
        self._news.set()

    def withdraw(self, session: str) -> bool:
        """Take a session that still waits out of the queue; whether it was there."""
        for entry in self._waiting:
            if entry.session == session:
                self._waiting.remove(entry)
                return True
        return False

    def close(self) -> None:
        """Start nothing more; `work` returns when what runs has ended."""
        self._closed = True
        self._news.set()

    async def work(self) -> None:
        """Start sessions until closed."""
        async with asyncio.TaskGroup() as group:
            while not self._closed:
                while (entry := self._next()) is not None:
                    self._running[entry.session] = entry
                    group.create_task(self._run(entry), name=f"session {entry.session}")
                self._news.clear()
                await self._news.wait()

    async def _run(self, entry: Entry) -> None:
        try:
            await self._live(entry.session)
        finally:
            del self._running[entry.session]
            self._news.set()

    def _next(self) -> Entry | None:
        if self._closed:
            return None
        for entry in self._waiting:
            if self._has_room(entry):
                self._waiting.remove(entry)
                return entry
        return None

    def _has_room(self, entry: Entry) -> bool:
        if entry.limit is not None:
            return sum(e.run == entry.run for e in self._running.values()) < entry.limit
        shared = sum(e.limit is None for e in self._running.values())
        return shared < self._slots
