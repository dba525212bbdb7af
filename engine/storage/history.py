"""The snapshots of one session: when each was taken, what came of it, and what a name means."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from engine.events import Event, SnapshotTaken
from engine.state import Point, SessionState

WORDS = ("baseline", "first", "last", "best", "final")
_PREFIX = re.compile(r"[0-9a-f]{4,64}")


class SnapshotNameError(LookupError):
    """A name that means no snapshot of the session, or several; the message says what would do."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One snapshot as it was taken: Unix time, active seconds, bytes."""

    snapshot: str
    at: float
    active: float
    size: int
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class History:
    """A session and its snapshots, the oldest first. One content may have been taken repeatedly."""

    facts: SessionState
    taken: tuple[Taken, ...]

    @classmethod
    def of(cls, facts: SessionState, events: Iterable[Event]) -> History:
        """From the session's state and its events, of which only `snapshot.taken` matter."""
        taken = [
            Taken(body.snapshot, event.at, body.active, body.size, body.files)
            for event in events
            if isinstance(body := event.body, SnapshotTaken)
        ]
        return cls(facts, tuple(taken))

    @property
    def final(self) -> str | None:
        """The snapshot that has the final verdict."""
        finals = [p.snapshot for p in self.facts.points if p.stage == "final"]
        return finals[-1] if finals else None

    def verdict(self, snapshot: str) -> Point | None:
        """The newest verdict on a snapshot that says something, else the newest one."""
        given = [p for p in self.facts.points if p.snapshot == snapshot]
        judged = [p for p in given if p.status != "not_judged"]
        return next(reversed(judged or given), None)

    def marks(self, snapshot: str) -> tuple[str, ...]:
        """Which of the words mean this snapshot, `first` aside."""
        return tuple(word for word in WORDS if word != "first" and self._meant(word) == snapshot)

    def find(self, name: str) -> str:
        """The snapshot that a word or the beginning of an id means. Raises `SnapshotNameError`."""
        session = self.facts.id
        if name in WORDS:
            meant = self._meant(name)
            if meant is None:
                raise SnapshotNameError(f"{session} has no {name} snapshot {_LACKING[name]}")
            return meant
        if not _PREFIX.fullmatch(name.lower()):
            raise SnapshotNameError(
                f"{name!r} names no snapshot; give at least 4 digits of an id that `autolab "
                f"snapshot list {session}` shows, or one of {', '.join(WORDS)}"
            )
        every = dict.fromkeys(taken.snapshot for taken in self.taken)
        if self.facts.baseline is not None:
            every[self.facts.baseline] = None
        found = [snapshot for snapshot in every if snapshot.startswith(name.lower())]
        if not found:
            raise SnapshotNameError(
                f"no snapshot of {session} begins with {name!r}; `autolab snapshot list {session}` "
                "shows what there is"
            )
        if len(found) > 1:
            some = ", ".join(snapshot[:16] for snapshot in found[:5])
            raise SnapshotNameError(
                f"{len(found)} snapshots of {session} begin with {name!r}: give more digits of "
                f"one of {some}"
            )
        return found[0]

    def before(self, snapshot: str) -> str:
        """What the session's files were before it first came to this snapshot.

        Raises `SnapshotNameError` for the baseline, or where the baseline is not known.
        """
        earlier = self.facts.baseline
        for taken in self.taken:
            if taken.snapshot == snapshot:
                break
            earlier = taken.snapshot
        if earlier is None or snapshot == self.facts.baseline:
            raise SnapshotNameError(f"{self.facts.id} has nothing before {snapshot[:12]}")
        return earlier

    def _meant(self, word: str) -> str | None:
        match word:
            case "baseline":
                return self.facts.baseline
            case "first":
                return self.taken[0].snapshot if self.taken else None
            case "last":
                return self.taken[-1].snapshot if self.taken else None
            case "best":
                return self.facts.best_snapshot if self.facts.best_reward else None
            case _:
                return self.final


_LACKING = {
    "baseline": "kept: it has not begun, or it began under an older version",
    "first": "yet: its files have not changed",
    "last": "yet: its files have not changed",
    "best": "yet: none has a reward above 0; name one, or `last`",
    "final": "yet: it is not over, or was not judged; name one, or `last`",
}
