"""Reading a journal that may or may not be in use. Changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from engine.events import Event, RunCreated, decode
from engine.journal.file import RARE, JournalError, check_version


def read(path: Path, after: int = 0) -> Iterator[Event]:
    """The events of a journal that need not be in use, from the one after `after`. Changes nothing.

    Raises `JournalError` when the file cannot be read or is no journal.
    """
    with _reading(path):
        yield from stored(path, "seq > ?", (after,))


def legible(path: Path) -> Iterator[Event]:
    """The events before the first that is missing or damaged, in order, and no error but one.

    Of a file that was cut, or has pages of something else, its beginning can often be read still.
    Raises `JournalError` for what an older version cannot read, or where nothing can be read.
    """
    before = 0
    with _reading(path), closing(_connected(path, "?mode=ro")) as reader:
        # SQLite then does not mind that the file is shorter than its first page says.
        reader.execute("PRAGMA writable_schema=ON")
        check_version(path, reader)
        rows = reader.execute("SELECT seq, data FROM events ORDER BY seq")
        while True:
            try:
                seq, data = next(rows, (0, None))
                if seq != before + 1 or data is None:
                    return
                event = decode(data)
            except (sqlite3.Error, ValueError, TypeError):
                if before:
                    return
                raise
            yield event
            before = seq


def newest(path: Path) -> Event | None:
    """The last event of a journal that need not be in use. Raises `JournalError`."""
    with _reading(path):
        return next(stored(path, "seq = (SELECT max(seq) FROM events)", ()), None)


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
            f"WITH RECURSIVE ids (id) AS (SELECT min(session) FROM events WHERE {RARE} UNION ALL "
            f"SELECT (SELECT min(session) FROM events WHERE session > ids.id AND {RARE}) "
            "FROM ids WHERE ids.id IS NOT NULL) SELECT id FROM ids WHERE id IS NOT NULL"
        )
        return [str(session) for (session,) in rows]


def read_session(path: Path, session: str, kinds: Sequence[str]) -> list[Event]:
    """The events of one session that are of these types, in order. Raises as `read` does.

    Quick unless one of the types is among those of which every turn has some.
    """
    with _reading(path):
        return list(stored(path, *of_session(session, kinds)))


def read_runs(path: Path) -> Iterator[Event]:
    """The events that created and removed runs, in order. Raises as `read` does."""
    with _reading(path):
        yield from stored(path, f"type IN ('run.created', 'run.removed') AND {RARE}", ())


def read_run(path: Path, run: str, sessions: Sequence[str]) -> Iterator[Event]:
    """Every event of a run's sessions, and those that created the run or speak of no session.

    In order; looks at the whole journal. Raises as `read` does.
    """
    with _reading(path):
        yield from of_run(stored(path, "seq > ?", (0,)), run, sessions)


def of_run(events: Iterable[Event], run: str, sessions: Sequence[str]) -> Iterator[Event]:
    """Those of the events that `read_run` is about."""
    wanted, begun = set(sessions), False
    for event in events:
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
        yield from stored(path, f"type IN ({', '.join('?' * len(kinds))})", tuple(kinds))


def of_session(session: str, kinds: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The condition for one session's events of some types, and its values."""
    where = f"session = ? AND type IN ({', '.join('?' * len(kinds))})"
    if not any(f"'{kind}'" in RARE for kind in kinds):
        where += f" AND {RARE}"
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
    with _reading(path), closing(_opened(path)) as reader:
        yield reader


def _opened(path: Path) -> sqlite3.Connection:
    reader = _connected(path, "?mode=ro")
    try:
        check_version(path, reader)
    except sqlite3.OperationalError:
        reader.close()
        if path.with_name(f"{path.name}-wal").exists() or not path.exists():
            raise
        # In a folder that cannot be written SQLite cannot make the files that readers share. They
        # are not needed where nobody writes and nothing waits to be taken into the database.
        reader = _connected(path, "?mode=ro&immutable=1")
        check_version(path, reader)
    return reader


def _connected(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}{how}", uri=True)


def stored(path: Path, where: str, values: tuple[object, ...]) -> Iterator[Event]:
    """The events that a condition picks, in order. Raises `JournalError` and `sqlite3.Error`."""
    with _reader(path) as reader:
        query = f"SELECT seq, data FROM events WHERE {where} ORDER BY seq"
        for seq, data in reader.execute(query, values):
            try:
                event = decode(data)
            except (ValueError, TypeError) as error:  # damaged pages can hold any type
                raise JournalError(
                    f"event {seq} of the journal {path} cannot be read: {error}; "
                    "restore the file from a copy, or use another folder with --state DIR"
                ) from error
            yield event
