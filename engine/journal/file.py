"""The journal's file: its tables, its index, and how it is opened."""

from __future__ import annotations

import sqlite3
import uuid
from pathlib import Path

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
RARE = (
    "type NOT IN ('activity.changed', 'clock.moved', 'tool.finished', 'tool.started', "
    "'transcript.grew', 'turn.finished', 'turn.started')"
)
_INDEXES = (
    "DROP INDEX IF EXISTS events_by_session",  # of all types; journals until 0.1.0 have it
    "CREATE INDEX IF NOT EXISTS rare_events_by_session ON events (session, type, seq) "
    f"WHERE {RARE}",
)


class JournalError(RuntimeError):
    """The journal cannot be used; the message names the file and the remedy."""


def check_version(path: Path, db: sqlite3.Connection) -> int:
    """The journal's format. Raises `JournalError` for one that only a newer version reads."""
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version > _SCHEMA:
        raise JournalError(
            f"the journal {path} was written by a newer version (format {version}, this one "
            f"reads {_SCHEMA}); update autolab, or use another folder with --state DIR"
        )
    return version


def open_for_writing(path: Path) -> sqlite3.Connection:
    """The one connection that writes, to a file made when missing. Raises `JournalError`."""
    db = sqlite3.connect(path, check_same_thread=False, timeout=1.0)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        if check_version(path, db) == 0:
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


def identity(db: sqlite3.Connection) -> str:
    """The id of the engine that this journal is of, given once."""
    with db:
        db.execute(
            "INSERT OR IGNORE INTO meta (key, value) VALUES ('engine', ?)", (uuid.uuid4().hex[:12],)
        )
    row = db.execute("SELECT value FROM meta WHERE key = 'engine'").fetchone()
    return str(row[0])
