"""Making room: what no session of the journal needs any more is deleted.

The journal's record and the ledger are no part of this; both only grow. What is deleted are
sessions' folders (transcript, best files, a leftover workspace) and stored snapshots.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Collection
from pathlib import Path

import msgspec

from engine.session.laying_out import remove
from engine.session.place import Place
from engine.storage.snapshots import SnapshotStore
from engine.storage.tidying import place_file

_log = logging.getLogger(__name__)


class Freed(msgspec.Struct, frozen=True):
    """What was deleted, or would be: how many files, and their bytes."""

    files: int = 0
    bytes: int = 0

    def __add__(self, other: Freed) -> Freed:
        return Freed(self.files + other.files, self.bytes + other.bytes)


def folders(state_dir: Path) -> list[str]:
    """The names of all sessions' folders."""
    try:
        return sorted(path.name for path in (state_dir / "sessions").iterdir() if path.is_dir())
    except FileNotFoundError:
        return []


def remove_session(state_dir: Path, session: str, *, dry_run: bool) -> Freed:
    """Delete a session's folder and its workspace. Raises `OSError`."""
    folder = state_dir / "sessions" / session
    found = _measured(folder)
    if dry_run:
        return found
    place = Place.load(place_file(state_dir, session))
    if place is not None:
        remove(place)
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    return found


def remove_snapshots(
    store: SnapshotStore, needed: Collection[str], *, before: float, dry_run: bool
) -> Freed:
    """Delete the snapshots but those `needed`, and the files that none of these has.

    What was stored or asked for again at `before` (Unix time) or later stays: its event may be on
    its way to the journal. Raises `OSError`, and `SnapshotMissingError` where a needed one is
    damaged: then nothing is deleted.
    """
    files, size = store.discard(needed, before=before, dry_run=dry_run)
    return Freed(files, size)


def _measured(folder: Path) -> Freed:
    files = size = 0
    for place, _, names in os.walk(folder, onerror=lambda error: _log.warning("%s", error)):
        for name in names:
            files += 1
            size += Path(place, name).lstat().st_size
    return Freed(files, size)
