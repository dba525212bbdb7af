"""Which sessions run now. A session waits until its run and the engine have a free slot, and for
the GPUs that it needs.

A session that is paused gives its slot back and asks for one again when it goes on. One that waits
for a GPU has no slot meanwhile, so others go on; but nobody who came later takes a GPU before it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from verifier.gpus.device import NO_WANT, Want


@dataclass(frozen=True, slots=True)
class Entry:
    """A session that wants to run. `limit` is how many of its run may run at once, if it says;
    `want` are the GPUs that it needs."""

    session: str
    run: str
    limit: int | None = None
    want: Want = NO_WANT


class Gpus(Protocol):
    """Where sessions get their GPUs; see `engine.gpu.desk`."""

    def take(self, session: str, want: Want, barred: set[str]) -> bool:
        """Whether the session has what it wants, leased now if it can be."""
        ...

    def fitting(self, want: Want) -> set[str]:
        """The devices that it could use."""
        ...

    def waits(self, session: str) -> None:
        """Nothing but a GPU is missing."""
        ...

    def forget(self, session: str) -> None:
        """It waits no more."""
        ...

    def holds(self, session: str) -> bool:
        """Whether it has all that it needs."""
        ...


class Scheduler:
    """Starts sessions in the order in which they came, as slots allow.

    A run that states a limit of its own is held to that; the others share the engine's `slots`.
    `live` lives one session to its end and must not raise.
    """

    def __init__(self, live: Callable[[str], Awaitable[None]], slots: int) -> None:
        self._live = live
        self._slots = slots
        self.gpus: Gpus | None = None  # without, no session may want any
        self._waiting: deque[Entry] = deque()
        self._parked: dict[str, Entry] = {}  # alive, without a slot
        self._returning: dict[str, asyncio.Future[None]] = {}  # parked, and waiting for one
        self._running: dict[str, Entry] = {}
        self._to_start: deque[Entry] = deque()  # parked from the start
        self._news = asyncio.Event()
        self._closed = False

    @property
    def running(self) -> tuple[str, ...]:
        """The sessions that have a slot now."""
        return tuple(self._running)

    def submit(self, entry: Entry) -> None:
        """Run this session when there is a slot."""
        self._waiting.append(entry)
        self._news.set()

    def submit_parked(self, entry: Entry) -> None:
        """Begin to live this session at once, without a slot, as if it had given one back."""
        self._to_start.append(entry)
        self._news.set()

    def withdraw(self, session: str) -> bool:
        """Take a session that still waits out of the queue; whether it was there."""
        for entry in self._waiting:
            if entry.session == session and session not in self._returning:
                self._waiting.remove(entry)
                if self.gpus is not None:
                    self.gpus.forget(session)
                self._news.set()  # those behind it may have what it waited for
                return True
        return False

    def give_back(self, session: str) -> None:
        """This session needs no slot until it comes for one again."""
        if session in self._running:
            self._parked[session] = self._running.pop(session)
            self._news.set()

    async def come_again(self, session: str) -> None:
        """Wait until this parked session has a slot again. It goes before those that never ran."""
        if session in self._running:
            return
        entry = self._parked[session]
        future = asyncio.get_running_loop().create_future()
        self._returning[session] = future
        self._waiting.insert(sum(e.session in self._returning for e in self._waiting), entry)
        self._news.set()
        try:
            await future
        finally:
            del self._returning[session]
            if entry in self._waiting:
                self._waiting.remove(entry)

    def lacks(self, session: str) -> Literal["", "slot", "GPU"]:
        """What this session, which has a slot or gave it back, would wait for."""
        if session in self._running:
            return ""
        if not self._has_room(self._parked[session]):
            return "slot"
        return "" if self.gpus is None or self.gpus.holds(session) else "GPU"

    def wake(self) -> None:
        """There may be room for somebody: look again."""
        self._news.set()

    def close(self) -> None:
        """Start nothing more; `work` returns when what lives has ended."""
        self._closed = True
        self._news.set()

    async def work(self) -> None:
        """Start sessions until closed."""
        async with asyncio.TaskGroup() as group:
            while not self._closed:
                while self._to_start:
                    entry = self._to_start.popleft()
                    self._parked[entry.session] = entry
                    group.create_task(self._run(entry), name=f"session {entry.session}")
                while (waiting := self._next()) is not None:
                    self._admit(waiting, group)
                self._news.clear()
                await self._news.wait()

    def _admit(self, entry: Entry, group: asyncio.TaskGroup) -> None:
        self._running[entry.session] = entry
        returning = self._returning.get(entry.session)
        if returning is None:
            group.create_task(self._run(entry), name=f"session {entry.session}")
            return
        del self._parked[entry.session]
        if not returning.done():
            returning.set_result(None)

    async def _run(self, entry: Entry) -> None:
        try:
            await self._live(entry.session)
        finally:
            self._running.pop(entry.session, None)
            self._parked.pop(entry.session, None)
            self._news.set()

    def _next(self) -> Entry | None:
        if self._closed:
            return None
        barred: set[str] = set()
        for entry in self._waiting:
            if not self._has_room(entry):
                continue
            if not entry.want.count or self._has_gpus(entry, barred):
                self._waiting.remove(entry)
                return entry
        return None

    def _has_gpus(self, entry: Entry, barred: set[str]) -> bool:
        """Whether it has its GPUs now; if not, no later one may take those that it waits for."""
        if self.gpus is None or self.gpus.take(entry.session, entry.want, barred):
            return True
        barred |= self.gpus.fitting(entry.want)
        self.gpus.waits(entry.session)
        return False

    def _has_room(self, entry: Entry) -> bool:
        if entry.limit is not None:
            return sum(e.run == entry.run for e in self._running.values()) < entry.limit
        shared = sum(e.limit is None for e in self._running.values())
        return shared < self._slots
