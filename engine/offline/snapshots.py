"""Sessions' snapshots from the state folder alone, whether or not an engine runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from engine.events import SessionPhase, rfc3339
from engine.journal import read_session, read_sessions
from engine.offline.differences import FileDifference, compare
from engine.paths import journal_file
from engine.runs.selecting import NothingSelectedError, matching
from engine.state import RunState, State, reduce
from engine.storage.history import History, SnapshotNameError
from engine.storage.snapshots import Snapshot, SnapshotMissingError, SnapshotReader
from verifier.planting import in_the_way, plant

_KINDS = (
    "session.created",
    "session.moved",
    "session.ended",
    "baseline.kept",
    "snapshot.taken",
    "verdict.given",
)
_FEW = ("session.created", "session.moved")  # enough for a glob


class OfflineError(Exception):
    """What was asked for is not there, or cannot be done; the message says what and the remedy."""


class TakenObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One snapshot; `refused` says why it has no files, `marks` which of the words mean it."""

    id: str
    at: str
    active: float
    size: int
    files: list[str]
    refused: str | None
    reward: float | None
    status: str | None
    failed_gate: str | None
    marks: list[str]


class SnapshotsObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The snapshots of one session, the oldest first."""

    session: str
    task: str
    state: SessionPhase
    baseline: str | None
    best: str | None
    final: str | None
    snapshots: list[TakenObject]


class Stored:
    """The journal and the snapshots of one state folder, read only."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._journal = journal_file(state)
        self._snapshots = SnapshotReader(state / "snapshots")

    def choose(self, globs: Sequence[str]) -> list[str]:
        """The sessions that any of the globs matches. Raises `OfflineError`."""
        if not self._journal.is_file():
            raise OfflineError(
                f"there is no journal in {self._state}, so nothing has run there; choose another "
                "folder with --state DIR"
            )
        sessions = read_sessions(self._journal)
        if set(globs) <= set(sessions):
            return list(dict.fromkeys(globs))
        state = State()
        for session in sessions:
            for event in read_session(self._journal, session, _FEW):
                reduce(state, msgspec.structs.replace(event, seq=state.seq + 1))
            facts = state.sessions.get(session)
            if facts is not None and facts.run not in state.runs:
                state.runs[facts.run] = _run(facts.run)
        try:
            return matching(state, globs)
        except NothingSelectedError as error:
            raise OfflineError(str(error)) from error

    def history(self, glob: str) -> History:
        """The snapshots of the one session that is meant. Raises `OfflineError`."""
        chosen = self.choose([glob])
        if len(chosen) > 1:
            raise OfflineError(
                f"{glob!r} matches {len(chosen)} sessions ({', '.join(chosen[:5])}); name one"
            )
        return self.history_of(chosen[0])

    def history_of(self, session: str) -> History:
        """The snapshots of a session by its id. Raises `OfflineError`."""
        events = read_session(self._journal, session, _KINDS)
        state = State()
        for event in events:
            reduce(state, event)
        if session not in state.sessions:
            raise OfflineError(f"the journal does not say how {session} was created")
        return History.of(state.sessions[session], events)

    def snapshot(self, history: History, name: str) -> Snapshot:
        """A snapshot with its files. Raises `OfflineError`, also for one that has none."""
        try:
            found = self._snapshots.get(history.find(name))
        except (SnapshotNameError, SnapshotMissingError) as error:
            raise OfflineError(str(error)) from error
        if found.refused is not None:
            raise OfflineError(
                f"snapshot {found.id[:12]} has no files, since they could not be collected: "
                f"{found.refused}"
            )
        return found

    def listing(self, history: History) -> SnapshotsObject:
        """A session's snapshots as JSON shows them."""
        facts = history.facts
        return SnapshotsObject(
            session=facts.id,
            task=facts.task,
            state=facts.state,
            baseline=facts.baseline,
            best=facts.best_snapshot if facts.best_reward else None,
            final=history.final,
            snapshots=[
                TakenObject(
                    id=taken.snapshot,
                    at=rfc3339(taken.at),
                    active=taken.active,
                    size=taken.size,
                    files=list(taken.files),
                    refused=self._refusal(taken.snapshot) if not taken.files else None,
                    reward=verdict.reward if verdict else None,
                    status=verdict.status if verdict else None,
                    failed_gate=verdict.failed_gate if verdict else None,
                    marks=list(history.marks(taken.snapshot)),
                )
                for taken in history.taken
                for verdict in (history.verdict(taken.snapshot),)
            ],
        )

    def _refusal(self, snapshot: str) -> str | None:
        try:
            return self._snapshots.get(snapshot).refused
        except SnapshotMissingError as error:
            return str(error)

    def difference(
        self, history: History, name: str, against: str
    ) -> tuple[Snapshot, Snapshot, list[FileDifference]]:
        """(old, new, what differs); `against` may be `previous`. Raises `OfflineError`."""
        new = self.snapshot(history, name)
        if against == "previous":
            try:
                against = history.before(new.id)
            except SnapshotNameError as error:
                raise OfflineError(str(error)) from error
        old = self.snapshot(history, against)
        return old, new, compare(old.files, new.files)

    def export(
        self, history: History, name: str, directory: Path, *, force: bool, dry_run: bool
    ) -> Snapshot:
        """Write a snapshot's files below a folder, which is made where it is missing.

        Raises `OfflineError` when one of them is there already and `force` is not given,
        `verifier.planting.PlantingError`, and `OSError`.
        """
        found = self.snapshot(history, name)
        if directory.exists() and not directory.is_dir():
            raise OfflineError(f"{directory} is no folder; choose another")
        there = in_the_way(directory, found.files)
        if there and not force:
            more = f" and {len(there) - 3} more" if len(there) > 3 else ""
            raise OfflineError(
                f"{directory} has {', '.join(there[:3])}{more} already; choose another folder, "
                "or give --force to replace them"
            )
        if not dry_run:
            directory.mkdir(parents=True, exist_ok=True)
            plant(directory, found.files)
        return found


def _run(name: str) -> RunState:
    """A run of which nothing but the name counts here."""
    return RunState(name, 0.0, {}, [])
