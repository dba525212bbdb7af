"""What is known while no engine runs: the journal on disk, folded as of its last event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from engine import checkpoints
from engine.clock import Clock
from engine.events import Event
from engine.journal import newest, read
from engine.objects import status_object
from engine.paths import journal_file, state_dir
from engine.state import reduce


def status(state: Path | None = None) -> dict[str, Any] | None:
    """`{schema, engine: null, runs, sessions}` with every clock stopped at the last event.

    None when there is no journal. Raises `engine.journal.JournalError` for one that is unreadable.
    """
    path = journal_file(state_dir(state))
    if not path.is_file():
        return None
    folded, last = checkpoints.load(path), None
    for event in read(path, after=folded.seq):
        folded, last = reduce(folded, event), event
    stopped = _stopped(last or newest(path))
    answer: dict[str, Any] = msgspec.to_builtins(status_object(folded, None, stopped))
    return answer


def _stopped(last: Event | None) -> Clock:
    """A clock that stands at an event: nothing is known of the time after it."""
    if last is None:
        return Clock()
    return Clock(boot=lambda: last.boot, now=lambda: last.stamp, wall=lambda: last.at)
