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

from engine.journal.file import JournalError
from engine.journal.reading import (
    legible,
    newest,
    of_run,
    read,
    read_kinds,
    read_run,
    read_runs,
    read_session,
    read_sessions,
    stored_line,
)
from engine.journal.writer import Journal, Settled

__all__ = [
    "Journal",
    "JournalError",
    "Settled",
    "legible",
    "newest",
    "of_run",
    "read",
    "read_kinds",
    "read_run",
    "read_runs",
    "read_session",
    "read_sessions",
    "stored_line",
]
