"""`python -m benchmarks [NAME ...]`: measure, and print tables. Without names, everything."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks import (
    gpus,
    journal_rate,
    million,
    peer,
    screen,
    screen_million,
    screen_peers,
    spread,
    turns,
)
from benchmarks.measuring import machine
from engine.paths import CONFIG_VARIABLE

_REPORTS = {
    "turns": turns.report,
    "journal": journal_rate.report,
    "million": million.report,
    "screen": screen.report,
    "screen-million": screen_million.report,
    "screen-peers": screen_peers.report,
    "inspect": peer.report,
    "gpus": gpus.report,
    "spread": spread.report,
}


def main(names: list[str]) -> int:
    """Print what was asked for; the exit code."""
    unknown = [name for name in names if name not in _REPORTS]
    if unknown:
        print(f"there is no benchmark {unknown[0]!r}; use {', '.join(_REPORTS)}", file=sys.stderr)
        return 2
    print(f"{machine()}\n", flush=True)
    code = 0
    with tempfile.TemporaryDirectory(prefix="autolab-bench-") as folder:
        os.environ[CONFIG_VARIABLE] = folder  # what the user has set shall not count
        # Nor whether compiled code may be kept: an installed program has it, and so has Textual.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(folder) / "compiled")
        for name in names or list(_REPORTS):
            try:
                print(_REPORTS[name](), flush=True)
            except RuntimeError as error:
                print(f"{name}: {error}\n", file=sys.stderr)
                code = 1
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
