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
import socket
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
    parser.add_argument(
        "--detach", action="store_true", help="return as soon as it listens, and run on"
    )
    options = parser.parse_args()
    folder = options.state / "keeper"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"a keeper has {options.state} already", file=sys.stderr)
            return ALREADY_RUNNING
        try:
            listener = _listen(options.socket)
        except OSError as error:
            print(f"the keeper cannot listen at {options.socket}: {error}", file=sys.stderr)
            return 1
        if options.detach:
            if os.fork() != 0:
                return 0
            os.setsid()
        backend = Bubblewrap()
        cgroups.reap(backend.controllers, prefix(options.state))
        keeper = Keeper(options.state, options.socket, backend, prefix(options.state))
        asyncio.run(_serve(keeper, listener))
    return 0


def _listen(path: Path) -> socket.socket:
    """A socket for the owner alone. The lock is ours, so whatever is there is a leftover."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    listener.listen()
    return listener


async def _serve(keeper: Keeper, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, keeper.stop)
    await keeper.serve(listener)


if __name__ == "__main__":
    sys.exit(main())
