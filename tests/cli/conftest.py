"""How tests type a command line: as a process of its own, with state and sockets of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from autolab_tui.demo import launch

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Shell:
    """`autolab` as an operator types it. `folder` is the state folder."""

    folder: Path
    env: dict[str, str]

    def command(self, *line: str) -> list[str]:
        return [sys.executable, "-P", "-m", "autolab_tui", *line]

    def __call__(self, *line: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*line),
            capture_output=True,
            text=True,
            env=self.env,
            cwd=self.folder.parent,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )


@pytest.fixture
def shell() -> Iterator[Shell]:
    # A Unix socket's path is limited to 108 bytes, which pytest's own folders can exceed.
    place = Path(tempfile.mkdtemp(prefix="al", dir="/tmp"))
    runtime = place / "run"
    runtime.mkdir(mode=0o700)
    env = {
        **os.environ,
        "AUTOLAB_STATE": str(place / "state"),
        "AUTOLAB_CONFIG": str(place / "config"),
        "XDG_RUNTIME_DIR": str(runtime),
        "PYTHONPATH": str(ROOT),
        "HOME": str(place),
    }
    env.pop("AUTOLAB_DEBUG", None)
    shell = Shell(place / "state", env)
    try:
        yield shell
    finally:
        shell("engine", "stop")
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def busy(shell: Shell) -> Iterator[tuple[str, ...]]:
    """The words of a run whose one session works until it is stopped, on a task judged at once."""
    folder = shell.folder.parent / "models"
    port = launch.ensure(folder)
    try:
        yield (
            *("--task", "rack_placement", "--size", "quick", "--model", "demo/spinner"),
            *("--provider", f"demo=http://127.0.0.1:{port}/v1"),
        )
    finally:
        pid = json.loads((folder / "server.json").read_text())["pid"]
        os.kill(pid, signal.SIGTERM)
