"""What is known while no engine runs: the journal on disk, folded as of its last event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from engine.clock import Clock
from engine.events import Event
from engine.journal import checkpoints, newest, read
from engine.objects import status_object
from engine.paths import journal_file, state_dir
from engine.state import State, reduce


def status(state: Path | None = None) -> dict[str, Any] | None:
    """`{schema, engine: null, runs, sessions}` with every clock stopped at the last event.

    None when there is no journal. Raises `engine.journal.JournalError` for one that is unreadable.
    """
    known = folded(state)
    if known is None:
        return None
    answer: dict[str, Any] = msgspec.to_builtins(status_object(known[0], None, known[1]))
    return answer


def folded(state: Path | None = None) -> tuple[State, Clock] | None:
    """The whole state, and a clock that stands at the last event.

    None when there is no journal. Raises `engine.journal.JournalError` for one that is unreadable.
    """
    path = journal_file(state_dir(state))
    if not path.exists():
        return None
    whole, last = checkpoints.load(path), None
    for event in read(path, after=whole.seq):
        whole, last = reduce(whole, event), event
    return whole, _stopped(last or newest(path))


def _stopped(last: Event | None) -> Clock:
    """A clock that stands at an event: nothing is known of the time after it."""
    if last is None:
        return Clock()
    return Clock(boot=lambda: last.boot, now=lambda: last.stamp, wall=lambda: last.at)
