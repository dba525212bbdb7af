"""The append-only record of everything that happened.

SQLite in WAL mode with `synchronous=FULL` behind one writer thread. Whatever waits is committed
together, so that a burst costs one flush. Who appends may be told when the event is on disk; only
then is it published to subscribers. Numbers have no gaps: an event gets its number in the
transaction that stores it, in the order in which events were appended. So an event that is on disk
says that all that were appended before it are.

When the disk is full or read-only nothing is lost or skipped: the writer keeps the batch, says what
is wrong in `trouble`, and tries again each second. Whoever waits for an append waits with it.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from engine.clock import Clock
from engine.events import AnyBody, Event, RunCreated, decode, encode_body, flat, type_of
from engine.oversight.trace import Trace

_SCHEMA = 1
_TABLES = (
    "BEGIN",
    "CREATE TABLE events ("
    "seq INTEGER PRIMARY KEY, session TEXT, type TEXT NOT NULL, data TEXT NOT NULL)",
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
)
# Nobody asks for the others by session, and they are nearly all there is: in an index over them
# every commit would change a page for each session that it speaks of. SQLite uses the index only
# for a query in which this condition stands as it stands here.
_RARE = (
    "type NOT IN ('activity.changed', 'clock.moved', 'tool.finished', 'tool.started', "
    "'transcript.grew', 'turn.finished', 'turn.started')"
)
_INDEXES = (
    "DROP INDEX IF EXISTS events_by_session",  # of all types; journals until 0.1.0 have it
    "CREATE INDEX IF NOT EXISTS rare_events_by_session ON events (session, type, seq) "
    f"WHERE {_RARE}",
)
_BATCH = 512
# Rows that one statement inserts. Between two statements the writer has to get back the
# interpreter, which a busy loop gives up every few milliseconds only.
_TOGETHER = (128, 32, 8, 1)
_RETRY_SECONDS = 1.0
Subscriber = Callable[[Sequence[Event]], None]
Ticket = Any
Settled = Sequence[tuple[Ticket, "Event | JournalError"]]


class JournalError(RuntimeError):
    """The journal cannot be used; the message names the file and the remedy."""


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
            self._db = _open(path)
            self.engine = _identity(self._db)
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

    def of_session(self, session: str, kind: str) -> Iterator[Event]:
        """The stored events of one session and one type ("verdict.given"), in order.

        Quick for all but the types of which every turn has some; those take a look at the whole
        journal.
        """
        return self._read(*_of_session(session, (kind,)))

    def _read(self, where: str, values: tuple[object, ...]) -> Iterator[Event]:
        return _stored(self.path, where, values)

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


def read(path: Path, after: int = 0) -> Iterator[Event]:
    """The events of a journal that need not be in use, from the one after `after`. Changes nothing.

    Raises `JournalError` when the file cannot be read or is no journal.
    """
    with _reading(path):
        yield from _stored(path, "seq > ?", (after,))


def newest(path: Path) -> Event | None:
    """The last event of a journal that need not be in use. Raises `JournalError`."""
    with _reading(path):
        return next(_stored(path, "seq = (SELECT max(seq) FROM events)", ()), None)


def stored_line(path: Path, seq: int) -> str | None:
    """Event number `seq` as it is stored, or None when there is none. Raises `JournalError`."""
    with _reading(path), _reader(path) as reader:
        row = reader.execute("SELECT data FROM events WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else str(row[0])


def read_sessions(path: Path) -> list[str]:
    """The ids of all sessions in a journal that may or may not be in use. Raises as `read` does."""
    with _reading(path), _reader(path) as reader:
        # From one id to the next through the index, whatever the number of events.
        rows = reader.execute(
            f"WITH RECURSIVE ids (id) AS (SELECT min(session) FROM events WHERE {_RARE} UNION ALL "
            f"SELECT (SELECT min(session) FROM events WHERE session > ids.id AND {_RARE}) "
            "FROM ids WHERE ids.id IS NOT NULL) SELECT id FROM ids WHERE id IS NOT NULL"
        )
        return [str(session) for (session,) in rows]


def read_session(path: Path, session: str, kinds: Sequence[str]) -> list[Event]:
    """The events of one session that are of these types, in order. Raises as `read` does.

    Quick unless one of the types is among those of which every turn has some.
    """
    with _reading(path):
        return list(_stored(path, *_of_session(session, kinds)))


def read_runs(path: Path) -> Iterator[Event]:
    """The events that created and removed runs, in order. Raises as `read` does."""
    with _reading(path):
        yield from _stored(path, f"type IN ('run.created', 'run.removed') AND {_RARE}", ())


def read_run(path: Path, run: str, sessions: Sequence[str]) -> Iterator[Event]:
    """Every event of a run's sessions, and those that created the run or speak of no session.

    In order; looks at the whole journal. Raises as `read` does.
    """
    wanted = set(sessions)
    with _reading(path):
        begun = False
        for event in _stored(path, "seq > ?", (0,)):
            if event.session is not None:
                if event.session in wanted:
                    yield event
                continue
            if isinstance(event.body, RunCreated):
                if event.body.run != run:
                    continue
                begun = True
            if begun:
                yield event


def read_kinds(path: Path, kinds: Sequence[str]) -> Iterator[Event]:
    """All events of these types, in order; looks at the whole journal. Raises as `read` does."""
    with _reading(path):
        yield from _stored(path, f"type IN ({', '.join('?' * len(kinds))})", tuple(kinds))


def _of_session(session: str, kinds: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The condition for one session's events of some types, and its values."""
    where = f"session = ? AND type IN ({', '.join('?' * len(kinds))})"
    if not any(f"'{kind}'" in _RARE for kind in kinds):
        where += f" AND {_RARE}"
    return where, (session, *kinds)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, ValueError) as error:
        raise JournalError(
            f"cannot read the journal {path}: {error}; check the file and its rights, restore it "
            "from a copy, or use another folder with --state DIR"
        ) from error


@contextmanager
def _reader(path: Path) -> Iterator[sqlite3.Connection]:
    place = f"{path.absolute().as_uri()}?mode=ro"
    with _reading(path), closing(sqlite3.connect(place, uri=True)) as reader:
        _check_version(path, reader)
        yield reader


def _check_version(path: Path, db: sqlite3.Connection) -> int:
    """The journal's format. Raises `JournalError` for one that only a newer version reads."""
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version > _SCHEMA:
        raise JournalError(
            f"the journal {path} was written by a newer version (format {version}, this one "
            f"reads {_SCHEMA}); update autolab, or use another folder with --state DIR"
        )
    return version


def _stored(path: Path, where: str, values: tuple[object, ...]) -> Iterator[Event]:
    with _reader(path) as reader:
        query = f"SELECT seq, data FROM events WHERE {where} ORDER BY seq"
        for seq, data in reader.execute(query, values):
            try:
                event = decode(data)
            except ValueError as error:
                raise JournalError(
                    f"event {seq} of the journal {path} cannot be read: {error}; "
                    "restore the file from a copy, or use another folder with --state DIR"
                ) from error
            yield event


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False, timeout=1.0)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        if _check_version(path, db) == 0:
            with db:
                for statement in _TABLES:
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {_SCHEMA}")
        with db:
            for statement in _INDEXES:
                db.execute(statement)
    except BaseException:
        db.close()
        raise
    path.chmod(0o600)
    return db


def _identity(db: sqlite3.Connection) -> str:
    with db:
        db.execute(
            "INSERT OR IGNORE INTO meta (key, value) VALUES ('engine', ?)", (uuid.uuid4().hex[:12],)
        )
    row = db.execute("SELECT value FROM meta WHERE key = 'engine'").fetchone()
    return str(row[0])
