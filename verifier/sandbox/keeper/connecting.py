"""Reaching the keeper of a state directory, which is started where none runs.

async with await ensure_keeper(state_dir, socket) as keeper:
    await keeper.create("s1", spec)
    result = await keeper.run("s1", "turn-3-1", "make bench", timeout=600)
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from verifier.sandbox.keeper import protocol
from verifier.sandbox.keeper.client import Around, KeeperClient, KeeperError, KeeperLostError
from verifier.sandbox.keeper.protocol import SandboxInfo

_START_PATIENCE = 15.0


async def connect(
    runtime_socket: Path,
    on_silence: Callable[[Sequence[SandboxInfo]], None] | None = None,
    around: Around | None = None,
) -> KeeperClient:
    """Connect to a keeper that runs. Raises `KeeperLostError` when none answers."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(runtime_socket))
    except OSError as error:
        raise KeeperLostError(f"no keeper answers at {runtime_socket}: {error}") from error
    client = KeeperClient(reader, writer, on_silence, around)
    try:
        await client.greet()
    except BaseException:
        await client.close()
        raise
    return client


async def ensure_keeper(
    state_dir: Path,
    runtime_socket: Path,
    on_silence: Callable[[Sequence[SandboxInfo]], None] | None = None,
    around: Around | None = None,
) -> KeeperClient:
    """Connect to the keeper of this state directory; start one, detached, when none runs.

    Safe from several processes at once: one keeper runs, and the last to connect is its engine.

    Raises `KeeperError` with the end of its log when it does not come up.
    """
    folder = state_dir / "keeper"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = folder / "keeper.log"
    deadline = asyncio.get_running_loop().time() + _START_PATIENCE
    while asyncio.get_running_loop().time() < deadline:
        with contextlib.suppress(KeeperLostError):
            return await connect(runtime_socket, on_silence, around)
        code = await asyncio.to_thread(_start, state_dir, runtime_socket, log)
        if code == protocol.ALREADY_RUNNING:  # it is coming up, or going down
            await asyncio.sleep(0.05)
        elif code != 0:
            raise KeeperError(f"the keeper could not start (exit status {code}); {_tail(log)}")
    raise KeeperError(
        f"no keeper answered at {runtime_socket} in {_START_PATIENCE:.0f} s; {_tail(log)}"
    )


def _start(state_dir: Path, runtime_socket: Path, log: Path) -> int:
    """Start a keeper, which detaches itself once it listens; returns the exit status."""
    package_root = str(Path(__file__).resolve().parents[3])
    paths = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
    # The engine's environment holds providers' keys; the keeper has no use for them.
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with log.open("ab") as output:
        return subprocess.run(
            [
                *(sys.executable, "-m", "verifier.sandbox.keeper", "--detach"),
                *("--state", str(state_dir), "--socket", str(runtime_socket)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={**kept, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,
            check=False,
        ).returncode


def _tail(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()[-3:]
    except OSError:
        lines = []
    return f"its log {log} ends: {' / '.join(lines) or '(empty)'}"
