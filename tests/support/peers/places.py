"""Where `scripts/peers` puts what we did not write; tests are skipped by name without it."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine.support import wait_for

ROOT = Path(__file__).resolve().parents[3]
PEERS = ROOT / ".peers"


def python_of(name: str) -> Path:
    """The interpreter that has a peer's packages. Skips the test where it is missing."""
    python = PEERS / name / "bin" / "python"
    if not (PEERS / name / ".installed").exists():
        pytest.skip(f"{name} is not here: `scripts/peers {name}` puts it below .peers/")
    return python


def aimock_line() -> list[str]:
    """The command that starts aimock. Skips the test where it is missing."""
    node, script = PEERS / "bin" / "node", PEERS / "node_modules" / ".bin" / "llmock"
    if script.exists() and shutil.which(str(node)):
        return [str(node), str(script)]
    found = shutil.which("llmock")
    if found is None:
        pytest.skip("aimock is not here: `scripts/peers aimock` puts it below .peers/")
    return [found]


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def serving(
    line: Sequence[str], port: int, folder: Path, env: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A server that is running, as its address; its output is in `folder`."""
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            line, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder, env=env
        )

    def listens() -> bool:
        assert server.poll() is None, (folder / "log").read_text()
        with socket.socket() as found:
            return found.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(listens, 180)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)
