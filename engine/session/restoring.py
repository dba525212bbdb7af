"""Setting a session's files to a snapshot: when that can be done, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from engine.state import SessionState
from engine.storage.snapshots import Snapshot

_NAMED = 12  # files named to the model; more are counted
NOT_DONE = (
    "Setting your files did not work: some of them may be as you left them, others not. Read them "
    "again before you go on."
)


class RestoreRefusedError(RuntimeError):
    """The files of a session cannot be set now; the message says why and the remedy."""


def why_not(facts: SessionState) -> str | None:
    """Why the files of a session cannot be set in its present state, or None."""
    match facts.state:
        case "running" | "paused" | "queued" if facts.begun:
            return None
        case "finished" | "failed":
            return (
                f"{facts.id} is over, and its workspace is gone; "
                f"`autolab snapshot export {facts.id} SNAPSHOT DIR` writes the files somewhere else"
            )
        case "verifying":
            return (
                f"{facts.id} has ended and is being judged; "
                f"`autolab snapshot export {facts.id} SNAPSHOT DIR` writes the files somewhere else"
            )
        case _:
            return f"{facts.id} has not begun ({facts.state}); try again when it runs"


def checked(facts: SessionState, snapshot: Snapshot) -> None:
    """Raise `RestoreRefusedError` unless this snapshot can be put back into this session now."""
    refused = why_not(facts)
    if refused is not None:
        raise RestoreRefusedError(refused)
    if snapshot.refused is not None:
        raise RestoreRefusedError(
            f"snapshot {snapshot.id[:12]} has no files, since they could not be collected "
            f"({snapshot.refused}); choose another"
        )


def told(snapshot: Snapshot, removed: Iterable[str], baseline: str | None) -> str:
    """What the model is to hear when its files were set to a snapshot."""
    what = (
        "the state that the task began with"
        if snapshot.id == baseline
        else "another state that they had in this session"
    )
    gone = list(removed)
    text = (
        "The person who runs this session has set your editable files to "
        f"{what}: {_names(sorted(snapshot.files))}. Everything else is as you left it."
    )
    if gone:
        text += f" Removed, since that state does not have them: {_names(gone)}."
    return f"{text} Read your files again before you go on."


def failed(session: str, snapshot: Snapshot, kept: str | None, error: Exception) -> str:
    """Why files could not be set, for the caller; `kept` is the snapshot of what they were."""
    had = f"; snapshot {kept[:12]} has what they were" if kept else ""
    return f"the files of {session} could not be set to {snapshot.id[:12]}: {error}{had}"


def answer(
    session: str, snapshot: Snapshot, removed: Sequence[str], before: str | None, dry_run: bool
) -> dict[str, Any]:
    """What the caller gets; `before` is the snapshot that holds what the files were."""
    return {
        "session": session,
        "snapshot": snapshot.id,
        "files": sorted(snapshot.files),
        "removed": list(removed),
        "before": before,
        "dry_run": dry_run,
    }


def _names(paths: Sequence[str]) -> str:
    more = len(paths) - _NAMED
    return ", ".join(paths[:_NAMED]) + (f" and {more} more" if more > 0 else "")
