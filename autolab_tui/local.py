"""What the app reaches on this machine beside the engine's socket: snapshots, files, terminals."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from engine.offline.differences import FileDifference


class Difference(msgspec.Struct, frozen=True):
    """What differs between two snapshots, by their ids."""

    old: str
    new: str
    files: Sequence[FileDifference]


class Local:
    """The state folder that the engine works in."""

    def __init__(self, state: Path) -> None:
        self.state = state

    def difference(self, session: str, snapshot: str, against: str) -> Difference:
        """What a snapshot changes; `against` is a snapshot, `baseline` or `previous`.

        Reads the journal and the snapshots, so it belongs on a thread. Raises
        `engine.offline.snapshots.OfflineError`.
        """
        from engine.offline.snapshots import Stored

        source = Stored(self.state)
        old, new, files = source.difference(source.history_of(session), snapshot, against)
        return Difference(old.id, new.id, files)

    def files(self, session: str) -> list[tuple[str, Path]]:
        """What can be opened of a session: (what it is, where it is), those that exist."""
        from engine.paths import journal_file, ledger_dir

        folder = self.state / "sessions" / session
        known = [
            ("transcript", folder / "transcript.jsonl"),
            ("session's folder", folder),
            ("engine's log", self.state / "engine.log"),
            ("ledger of verdicts", ledger_dir(self.state)),
            ("journal", journal_file(self.state)),
            ("state folder", self.state),
        ]
        return [(what, path) for what, path in known if path.exists()]

    def attach(self, session: str) -> int:
        """Show a session's terminal, read-only, until the operator leaves it; the exit code."""
        line = [sys.executable, "-P", "-m", "autolab_tui", "attach", session]
        return subprocess.run([*line, "--state", str(self.state)], check=False).returncode

    def read(self, path: Path) -> str:
        """Open a file in the operator's pager, or a folder in their shell's listing; a problem."""
        asked = os.environ.get("PAGER", "")
        pager = shlex.split(asked) if asked else [shutil.which("less") or "more"]
        if path.is_dir():
            listing = subprocess.run(
                ["ls", "-la", "--", str(path)], capture_output=True, check=False
            )
            done = subprocess.run(pager, input=listing.stdout, check=False)
        else:
            # A transcript is an agent's words: less shows control characters as such by itself.
            environ = {**os.environ, "LESSSECURE": "1", "LESS": ""}
            done = subprocess.run([*pager, "--", str(path)], env=environ, check=False)
        return "" if done.returncode == 0 else f"{pager[0]} ended with code {done.returncode}"
