"""What the app reaches on this machine beside the engine's socket: snapshots, files, terminals."""

from __future__ import annotations

import os
import re
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

    def report(self, runs: Sequence[str]) -> str:
        """Write each run as a page and a table into the folder that we work in; what was written.

        Takes as long as the runs are large, so it belongs on a thread. Raises `RuntimeError`.
        """
        said = []
        for run in runs:
            name = re.sub(r"[^\w.-]", "_", run)  # a journal of somebody else's may call it anything
            files = ["--html", f"{name}.html", "--csv", f"{name}.csv"]
            line = [sys.executable, "-P", "-m", "autolab_tui", "report", run, *files]
            done = subprocess.run(
                [*line, "--state", str(self.state)], capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise RuntimeError(done.stderr.strip().removeprefix("autolab: "))
            said.append(done.stdout.strip())
        return "\n".join([*said, f"in {Path.cwd()}"])

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
