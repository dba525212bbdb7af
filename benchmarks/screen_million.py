"""The terminal app on a run of a million events and 1,836 sessions, served by a real engine."""

from __future__ import annotations

import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measuring import memory, ratio, table
from benchmarks.million import EVENTS, MANY, first_answer, keep_checkpoint, taken_up, write_and_kill
from benchmarks.screen import APP, Screen, paint_rows, starts
from engine.paths import engine_socket
from verifier.sandbox import places

_SIZE = (200, 50)
_STARTS, _PRESSES = 5, 7
_GOAL_KEY, _GOAL_ATTACH, _GOAL_MEMORY = 0.05, 0.5, 120e6  # seconds, seconds, bytes
# What is pressed, and what leads back.
_KEYS = {
    "the cursor goes down": (b"j", b""),
    "a page down": (b"\x1b[6~", b"\x1b[5~"),
    "to the end of 1,836 rows": (b"G", b"g"),
    "a session": (b"\r", b"\x1b"),
    "leaderboard": (b"3", b"1"),
    "GPUs": (b"5", b"1"),
    "another order": (b"s", b""),
}


@contextmanager
def _engine(state: Path) -> Iterator[Path]:
    """An engine on the state folder, which has taken up what was open; its socket."""
    line = [sys.executable, "-m", "engine.daemon", "--state", str(state)]
    engine = subprocess.Popen(line, stderr=subprocess.DEVNULL)
    try:
        client = first_answer(state)
        taken_up(client)
        yield engine_socket(state)
        client.shutdown()
        engine.wait()
    finally:
        engine.kill()
        engine.wait()
        places.remove_all(state)


def _latencies(screen: Screen) -> dict[str, float]:
    """Median seconds from a key to the first byte that answers it."""
    found: dict[str, float] = {}
    for name, (key, back) in _KEYS.items():
        times = []
        for _ in range(_PRESSES):
            screen.read(1.2)
            began = time.monotonic()
            os.write(screen.fd, key)
            select.select([screen.fd], [], [], 5.0)
            times.append(time.monotonic() - began)
            screen.read(0.3)
            if back:
                os.write(screen.fd, back)
                screen.read(0.3)
        found[name] = statistics.median(times)
    return found


def report() -> str:
    """Measure; one table. Raises `RuntimeError` where the past cannot be written."""
    with tempfile.TemporaryDirectory(prefix="al-") as folder:
        state = Path(folder) / "s"
        write_and_kill(state, MANY)
        keep_checkpoint(state)
        with _engine(state) as socket:
            found = starts(socket, Path(folder), b"median_filter", _STARTS)
            line = [sys.executable, "-c", APP, str(socket)]
            screen = Screen(line, _SIZE, Path(folder))
            try:
                screen.read(20.0, b"median_filter")
                keys = _latencies(screen)
                resident = memory(screen.pid)
            finally:
                screen.close()
    first, whole, _ = found
    attach = max(0.001, whole.cpu - first.cpu)
    rows = [
        [
            "the fleet after the first frame, CPU",
            f"{attach:.3f} s",
            f"{_GOAL_ATTACH} s",
            ratio(attach, _GOAL_ATTACH),
        ],
        [
            "resident",
            f"{resident / 1e6:.0f} MB",
            f"{_GOAL_MEMORY / 1e6:.0f} MB",
            ratio(resident, _GOAL_MEMORY),
        ],
    ]
    rows += [
        [name, f"{1000 * took:.0f} ms", f"{1000 * _GOAL_KEY:.0f} ms", ratio(took, _GOAL_KEY)]
        for name, took in keys.items()
    ]
    title = f"the app on {EVENTS:,} events, {MANY:,} sessions"
    shown = table(title, ("", "took", "ratio", "CPU", "ratio"), paint_rows(*found))
    return f"{shown}\n{table(title, ('', 'took', 'goal', 'x'), rows)}"
