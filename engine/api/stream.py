"""The events as they are committed, for every client that follows, and a heartbeat each second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec

from engine.events import Event, encode, rfc3339
from engine.journal.view import View
from engine.service.engine import Engine

HEARTBEAT_SECONDS = 1.0
_BACKLOG = 1000
_SLOWEST = 10_000  # batches that may wait for a client before it has to come again


class _Batch:
    """Events that were committed together, encoded once for however many clients follow."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events
        self._whole: bytes | None = None

    def after(self, seq: int) -> bytes:
        """Those after number `seq`, as the stream carries them."""
        if not self._events or self._events[0].seq <= seq:
            return b"".join(_sse(event) for event in self._events if event.seq > seq)
        if self._whole is None:
            self._whole = b"".join(map(_sse, self._events))
        return self._whole


class EventStreams:
    """On the API's loop. `closing` says that the server ends."""

    def __init__(self, engine: Engine, view: View, closing: Callable[[], bool]) -> None:
        self._engine = engine
        self._view = view
        self._closing = closing
        self._waiting: set[asyncio.Queue[_Batch]] = set()
        view.listen(self._hand_on)

    def wake(self) -> None:
        """Let every stream see that it is the end."""
        for waiting in self._waiting:
            waiting.put_nowait(_Batch(()))

    def _hand_on(self, events: Sequence[Event]) -> None:
        batch = _Batch(events)
        for waiting in self._waiting:
            waiting.put_nowait(batch)

    async def after(self, after: int) -> AsyncIterator[bytes]:
        """Server-sent events from the one after number `after`, until the client leaves."""
        waiting: asyncio.Queue[_Batch] = asyncio.Queue()
        self._waiting.add(waiting)
        try:
            yield self._heartbeat()
            newest = self._view.state.seq
            while after < newest:
                until = min(after + _BACKLOG, newest)
                yield await asyncio.to_thread(self._stored, after, until)
                after = until
            beat = asyncio.get_running_loop().time() + HEARTBEAT_SECONDS
            while waiting.qsize() < _SLOWEST:
                try:
                    async with asyncio.timeout_at(beat):
                        batches = [await waiting.get()]
                except TimeoutError:
                    beat += HEARTBEAT_SECONDS
                    yield self._heartbeat()
                    continue
                while not waiting.empty():
                    batches.append(waiting.get_nowait())
                yield b"".join(batch.after(after) for batch in batches)
                if self._closing() and waiting.empty():
                    return
        finally:
            self._waiting.discard(waiting)

    def _stored(self, after: int, until: int) -> bytes:
        return b"".join(_sse(event) for event in self._engine.journal.events(after, until))

    def _heartbeat(self) -> bytes:
        clock = self._engine.clock
        data = {
            "at": rfc3339(clock.wall()),
            "boot": clock.boot(),
            "stamp": clock.now(),
            "loop_lag": round(self._engine.lag(), 4),
            "seq": self._view.state.seq,
            "trouble": self._engine.trouble,
        }
        return b"event: heartbeat\ndata: " + msgspec.json.encode(data) + b"\n\n"


def _sse(event: Event) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (event.seq, encode(event))
