"""The journal of a running engine: one thread that writes, in the order of appending."""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

from engine.clock import Clock
from engine.events import AnyBody, Event, encode_body, flat, type_of
from engine.journal.file import JournalError, identity, open_for_writing
from engine.journal.reading import of_session, stored
from engine.oversight.trace import Trace

_BATCH = 512
# Rows that one statement inserts. Between two statements the writer has to get back the
# interpreter, which a busy loop gives up every few milliseconds only.
_TOGETHER = (128, 32, 8, 1)
_RETRY_SECONDS = 1.0
Subscriber = Callable[[Sequence[Event]], None]
Ticket = Any
Settled = Sequence[tuple[Ticket, "Event | JournalError"]]


class _Waiting(NamedTuple):
    body: AnyBody
    data: bytes
    session: str | None
    at: float
    boot: str
    stamp: float
    ticket: Ticket
    settle: Callable[[Settled], None] | None


class Journal:
    """The journal of one state folder. Its methods may be called from any thread.

    Raises `JournalError` when the file is no journal, is of a newer version or cannot be written.
    """

    def __init__(self, path: Path, clock: Clock | None = None, trace: Trace | None = None) -> None:
        self.path = path
        self._trace = trace or Trace(None)
        self._clock = clock or Clock()
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._lock = threading.Lock()  # between committing a batch and attaching a subscriber
        self._subscribers: list[Subscriber] = []
        self._closing = threading.Event()
        self._ended = False
        self.trouble = ""
        try:
            self._db = open_for_writing(path)
            self.engine = identity(self._db)
            row = self._db.execute("SELECT max(seq) FROM events").fetchone()
        except sqlite3.Error as error:
            raise JournalError(
                f"cannot open the journal {path}: {error}; check the disk and the folder's rights"
            ) from error
        self.last_seq: int = row[0] or 0
        self._writer = threading.Thread(target=self._write, name="journal", daemon=True)
        self._writer.start()

    def append(self, body: AnyBody, session: str | None = None) -> Future[Event]:
        """Record what happened, now. The future gives the event once it is durable.

        It fails with `JournalError` when the journal was closed before it could be written. A body
        that cannot be JSON raises here, so that it never reaches the writer. Who waits may be
        cancelled; the event is written all the same.
        """
        future: Future[Event] = Future()
        future.set_running_or_notify_cancel()
        self.put(body, session, future, _resolve)
        return future

    def put(
        self,
        body: AnyBody,
        session: str | None = None,
        ticket: Ticket = None,
        settle: Callable[[Settled], None] | None = None,
    ) -> None:
        """Record what happened, now, like `append`; returns at once.

        When it is durable, or was given up, `settle` is called on the writer's thread, once for all
        tickets of a batch that came with the same `settle`.
        """
        clock = self._clock
        data = encode_body(body)
        at, boot, stamp = round(clock.wall(), 3), clock.boot(), clock.now()
        self._queue.put(_Waiting(body, data, session, at, boot, stamp, ticket, settle))
        if self._ended:
            self._refuse_the_rest()

    def subscribe(self, subscriber: Subscriber) -> int:
        """Call `subscriber` (on the writer's thread) with each batch after it is durable.

        Returns the number of the newest event that it will not be called with.
        """
        with self._lock:
            self._subscribers.append(subscriber)
            return self.last_seq

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Stop calling it."""
        with self._lock:
            self._subscribers.remove(subscriber)

    def events(self, after: int = 0, until: int | None = None) -> Iterator[Event]:
        """The stored events with `after < seq <= until`, in order."""
        return self._read("seq > ? AND seq <= ?", (after, 2**62 if until is None else until))

    def newest(self, kind: str, among: int) -> Iterator[Event]:
        """Those of one type among the newest `among` events, in order."""
        return self._read("seq > ? AND type = ?", (self.last_seq - among, kind))

    def of_session(self, session: str, kind: str) -> Iterator[Event]:
        """The stored events of one session and one type ("verdict.given"), in order.

        Quick for all but the types of which every turn has some; those take a look at the whole
        journal.
        """
        return self._read(*of_session(session, (kind,)))

    def _read(self, where: str, values: tuple[object, ...]) -> Iterator[Event]:
        return stored(self.path, where, values)

    def give_up(self) -> None:
        """Write what can be written now; appends that cannot, and all later ones, fail."""
        if not self._closing.is_set():
            self._closing.set()
            self._queue.put(None)

    def close(self) -> None:
        """Write what waits, then end the writer. Appends that cannot be written fail."""
        self.give_up()
        self._writer.join()
        self._db.close()

    def _write(self) -> None:
        ending = False
        while not ending:
            batch: list[_Waiting] = []
            item = self._queue.get()
            while True:
                if item is None:
                    ending = True
                else:
                    batch.append(item)
                if ending or len(batch) >= _BATCH or self._queue.empty():
                    break
                item = self._queue.get()
            if batch:
                with self._trace.doing("journal commit", detail=f"{len(batch)} events"):
                    self._commit_or_wait(batch)
        self._ended = True
        self._refuse_the_rest()

    def _refuse_the_rest(self) -> None:
        """What came after the end; called by the writer at its end and by whoever came later."""
        late = []
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            late += [item] if item is not None else []
        error = JournalError(f"the journal {self.path} is closed")
        _settle(late, [error] * len(late))

    def _commit_or_wait(self, batch: list[_Waiting]) -> None:
        while True:
            try:
                self._commit(batch)
            except sqlite3.Error as error:
                self.trouble = (
                    f"the journal {self.path} cannot be written ({error}); "
                    "make room on its disk or mend its rights, and work goes on"
                )
                if self._closing.wait(_RETRY_SECONDS):
                    _settle(batch, [JournalError(self.trouble)] * len(batch))
                    return
            else:
                self.trouble = ""
                return

    def _commit(self, batch: list[_Waiting]) -> None:
        with self._lock:
            first = self.last_seq + 1
            events = [
                Event(self.engine, seq, w.at, w.boot, w.stamp, w.session, w.body)
                for seq, w in enumerate(batch, first)
            ]
            rows = [
                (e.seq, e.session, type_of(e.body), flat(e, w.data).decode())
                for e, w in zip(events, batch, strict=True)
            ]
            with self._db:  # one transaction: all of the batch or none of it
                for together in _portions(rows):
                    places = ", ".join(["(?, ?, ?, ?)"] * len(together))
                    self._db.execute(
                        f"INSERT INTO events (seq, session, type, data) VALUES {places}",
                        [value for row in together for value in row],
                    )
            self.last_seq = events[-1].seq
            for subscriber in self._subscribers:
                subscriber(events)
        _settle(batch, events)


def _portions(rows: list[Any]) -> Iterator[list[Any]]:
    """Rows in portions of a few sizes, so that few statements have to be prepared."""
    at = 0
    for size in _TOGETHER:
        while len(rows) - at >= size:
            yield rows[at : at + size]
            at += size


def _settle(batch: Sequence[_Waiting], results: Sequence[Event | JournalError]) -> None:
    by_settler: dict[Callable[[Settled], None], list[tuple[Ticket, Event | JournalError]]] = {}
    for waiting, result in zip(batch, results, strict=True):
        if waiting.settle is not None:
            by_settler.setdefault(waiting.settle, []).append((waiting.ticket, result))
    for settle, settled in by_settler.items():
        settle(settled)


def _resolve(settled: Settled) -> None:
    for future, result in settled:
        if isinstance(result, JournalError):
            future.set_exception(result)
        else:
            future.set_result(result)
