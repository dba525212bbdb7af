"""What a turn costs the engine, and how quickly reads are answered meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks.engine_process import Work
from benchmarks.measuring import ratio, table
from verifier.sandbox import places

_GOAL_IN_PROCESS, _GOAL_HTTP, _GOAL_READ = 2.0, 5.0, 50.0  # milliseconds
_GOAL_BYTES = 1 << 20  # a session


class Measured(NamedTuple):
    """What one engine process said of itself, and what its readers said."""

    turns: dict[str, float]
    reads: dict[str, dict[str, float]]


@contextmanager
def helper(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process of this folder beside the engine, ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def measure(read_for: float = 0.0, settle: float = 6.0, **work: Any) -> Measured:
    """Run one engine process with a client attached, and ask it for `read_for` seconds.

    `settle` is how long to wait first, until all sessions are at work.
    """
    with tempfile.TemporaryDirectory(prefix="autolab-bench-") as folder:
        state = Path(folder) / "state"
        asked = msgspec.json.encode(Work(state=str(state), **work)).decode()
        try:
            with helper("engine_process", asked) as engine:
                address = _address(state, engine)
                with helper("follower", address):
                    reads: dict[str, dict[str, float]] = {}
                    if read_for:
                        time.sleep(settle)
                        with helper("reads", address, str(read_for)) as reader:
                            reads = json.loads(reader.communicate()[0])
                    said, _ = engine.communicate()
            return Measured(json.loads(said), reads)
        finally:
            places.remove_all(state)


def _address(state: Path, engine: subprocess.Popen[str]) -> str:
    file = state / "engine.address"
    while not file.exists():
        if engine.poll() is not None:
            raise RuntimeError(f"the engine process ended with status {engine.returncode}")
        time.sleep(0.05)
    return file.read_text().strip()


def _turn_row(name: str, found: dict[str, float], goal: float | None) -> Sequence[str]:
    cost = found["cpu_ms_a_turn"]
    return (
        name,
        f"{found['turns_a_second']:.0f}",
        f"{100 * found['cpu_share']:.0f} %",
        f"{cost:.2f} ms",
        f"{goal:.0f} ms" if goal else "",
        ratio(cost, goal) if goal else "",
        f"{found['bytes_a_session'] / 1024:.0f} KiB",
        ratio(found["bytes_a_session"], _GOAL_BYTES),
    )


def _read_rows(name: str, reads: dict[str, dict[str, float]]) -> list[Sequence[str]]:
    return [
        (
            f"{route}, {name}",
            f"{found['count']:.0f}",
            *(f"{found[key]:.1f} ms" for key in ("p50", "p99", "max")),
            f"{_GOAL_READ:.0f} ms",
            ratio(found["max"], _GOAL_READ),
        )
        for route, found in reads.items()
    ]


def report() -> str:
    """Measure everything; two tables."""
    rows, reads = [], []
    flat = measure(sessions=200, turns=60, read_for=8.0)
    rows.append(_turn_row("200 sessions, flat out", flat.turns, _GOAL_IN_PROCESS))
    reads += _read_rows("200 sessions flat out", flat.reads)
    paced = measure(sessions=200, turns=12, thinks=2.0, noise=10_000, read_for=8.0)
    reads += _read_rows("200 sessions and 10,000 events/s", paced.reads)
    slow = measure(sessions=200, turns=8, thinks=2.0)
    rows.append(_turn_row("200 sessions, model thinks 2 s", slow.turns, _GOAL_IN_PROCESS))
    long = measure(sessions=20, turns=400)
    rows.append(_turn_row("20 sessions, 400 turns each", long.turns, None))
    with helper("model_server") as server:
        url = (server.stdout.readline() if server.stdout else "").strip()
        http = measure(sessions=200, turns=30, server=url)
        rows.append(_turn_row("200 sessions, HTTP on loopback", http.turns, _GOAL_HTTP))
    real = measure(sessions=12, turns=20, sandboxes=True)
    rows.append(_turn_row("12 sessions in real sandboxes", real.turns, None))
    head = ("engine alone", "turns/s", "CPU", "CPU a turn", "goal", "x", "memory a session", "x")
    read_head = ("reads", "asked", "p50", "p99", "max", "goal", "x")
    return "\n".join(
        [
            table("What a turn costs (x: how often it goes into the goal)", head, rows),
            table("Reads meanwhile, from another process", read_head, reads),
        ]
    )
