"""After a session: its best files are exported, and its workspace is removed.

All that counts is in the journal and among the snapshots by then, so nothing here can lose
anything; a disk that is full is said, with the command that does it later.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from engine.session.laying_out import remove
from engine.session.place import Place
from engine.storage.snapshots import SnapshotMissingError, SnapshotReader
from verifier.planting import PlantingError, plant


def place_file(state_dir: Path, session: str) -> Path:
    """Where a session remembers its workspace."""
    return state_dir / "sessions" / session / "place.json"


def tidy(state_dir: Path, session: str, snapshots: SnapshotReader, best: str | None) -> list[str]:
    """Remove the workspace and export the best snapshot to `sessions/ID/best`.

    Returns what could not be done, in words; it may be done again.
    """
    file = place_file(state_dir, session)
    troubles = []
    try:
        # First of all, since it makes room.
        place = Place.load(file)
        if place is not None:
            remove(place)
    except (OSError, ValueError) as error:
        troubles.append(f"the workspace of {session} could not be removed: {error}")
    if best is not None:
        try:
            export(snapshots, best, file.with_name("best"))
        except (OSError, SnapshotMissingError, PlantingError) as error:
            troubles.append(
                f"the best files of {session} could not be exported: {error}; "
                f"`autolab snapshot export {session} best DIR` does it later"
            )
    if not troubles:
        file.unlink(missing_ok=True)
    return troubles


def export(snapshots: SnapshotReader, snapshot: str, folder: Path) -> None:
    """Write a snapshot's files to a folder of that name, which then has them all and no others.

    Raises `OSError`, `SnapshotMissingError`, `PlantingError`; what was there before is still there.
    """
    found = snapshots.get(snapshot)
    if found.refused is not None:
        return  # rejected, with reward 0, and all that there was
    partial = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        plant(partial, found.files)
        shutil.rmtree(folder, ignore_errors=True)
        partial.replace(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
