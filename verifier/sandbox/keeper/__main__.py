"""`python -m verifier.sandbox.keeper --state DIR --socket PATH`: started by the engine.

It runs in a session of its own and ends when it is told to, when it has nothing to keep, or when it
is killed; then every sandbox ends with it.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import hashlib
import os
import signal
import sys
from pathlib import Path

from verifier.sandbox import cgroups
from verifier.sandbox.bubblewrap import Bubblewrap
from verifier.sandbox.keeper.protocol import ALREADY_RUNNING
from verifier.sandbox.keeper.server import Keeper


def prefix(state_dir: Path) -> str:
    """What the control groups of this state directory's sandboxes are called."""
    return f"k{hashlib.sha256(os.fsencode(state_dir.resolve())).hexdigest()[:10]}-"


def main() -> int:
    """Returns the exit status: 75 when another keeper has this state directory."""
    parser = argparse.ArgumentParser(prog="python -m verifier.sandbox.keeper")
    parser.add_argument("--state", type=Path, required=True, help="the engine's state directory")
    parser.add_argument("--socket", type=Path, required=True, help="where to answer")
    options = parser.parse_args()
    folder = options.state / "keeper"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"a keeper has {options.state} already", file=sys.stderr)
            return ALREADY_RUNNING
        backend = Bubblewrap()
        cgroups.reap(backend.controllers, prefix(options.state))
        asyncio.run(_serve(Keeper(options.state, backend, prefix(options.state)), options.socket))
    return 0


async def _serve(keeper: Keeper, path: Path) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, keeper.stop)
    await keeper.serve(path)


if __name__ == "__main__":
    sys.exit(main())
