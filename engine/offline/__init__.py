"""What is known while no engine runs: the journal on disk, folded as of its last event."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from engine.clock import Clock
from engine.events import Event, rfc3339
from engine.journal import JournalError, checkpoints, legible, newest, read
from engine.objects import status_object
from engine.paths import journal_file, state_dir
from engine.state import State, reduce

Tell = Callable[[str], None]


def status(state: Path | None = None, tell: Tell | None = None) -> dict[str, Any] | None:
    """`{schema, engine: null, runs, sessions}` with every clock stopped at the last event.

    None when there is no journal. Raises as `folded` does.
    """
    known = folded(state, tell)
    if known is None:
        return None
    answer: dict[str, Any] = msgspec.to_builtins(status_object(known[0], None, known[1]))
    return answer


def folded(state: Path | None = None, tell: Tell | None = None) -> tuple[State, Clock] | None:
    """The whole state, and a clock that stands at the last event.

    None when there is no journal. Of a damaged one the state before the damage, of which `tell` is
    told; without it, or where nothing can be read, `engine.journal.JournalError` is raised.
    """
    path = journal_file(state_dir(state))
    if not path.exists():
        return None
    whole, last = checkpoints.load(path), None
    try:
        for event in read(path, after=whole.seq):
            whole, last = reduce(whole, event), event
        return whole, _stopped(last or newest(path))
    except JournalError as error:
        if tell is None:
            raise
        whole, last = State(), None
        for event in legible(path):
            whole, last = reduce(whole, event), event
        if last is None:
            raise
        tell(before_damage(error, last))
        return whole, _stopped(last)


def before_damage(error: JournalError, last: Event) -> str:
    """What to say of what could be read of a damaged journal, up to an event."""
    return f"{error}. What follows is as of event {last.seq}, {rfc3339(last.at)}, before the damage"


def _stopped(last: Event | None) -> Clock:
    """A clock that stands at an event: nothing is known of the time after it."""
    if last is None:
        return Clock()
    return Clock(boot=lambda: last.boot, now=lambda: last.stamp, wall=lambda: last.at)
