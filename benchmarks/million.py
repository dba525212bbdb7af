"""Starting, attaching and asking after a million events, and after a kill."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.measuring import memory, ratio, table
from engine import offline
from engine.client import EngineClient, find
from engine.events import Noted
from engine.journal import checkpoints, read
from engine.paths import journal_file, make_private
from engine.state import State, reduce
from verifier.sandbox import places

EVENTS, _OPEN, MANY = 1_000_000, 200, 1836
_BEHIND = 20_000  # events that a checkpoint may be behind; see engine.checkpointing
_PATIENCE = 120.0  # seconds until an engine has taken its sessions up
_GOAL_START, _GOAL_ATTACH = 3.0, 0.5  # seconds


class Times(NamedTuple):
    """Seconds: until a read was answered, until every session is taken up, to attach; bytes."""

    answers: float
    ready: float
    attach: float
    status: float
    resident: int


def write_and_kill(state: Path, sessions: int) -> None:
    """A past in a journal whose writer was killed with SIGKILL when all of it was durable."""
    make_private(state)
    arguments = [str(journal_file(state)), str(EVENTS), str(sessions), str(_OPEN)]
    writer = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.history", *arguments], stdout=subprocess.PIPE, text=True
    )
    if writer.stdout is None or not writer.stdout.readline():
        raise RuntimeError("the past could not be written")
    writer.send_signal(signal.SIGKILL)
    writer.communicate()


def keep_checkpoint(state: Path) -> None:
    """The checkpoint that an engine would have written last in the worst case."""
    path = journal_file(state)
    folded = State()
    for event in read(path):
        if event.seq > EVENTS - _BEHIND:
            break
        reduce(folded, event)
    checkpoints.save(path, folded.seq, msgspec.json.encode(folded))


@contextmanager
def _copied(state: Path) -> Iterator[Path]:
    """A copy of a state folder, since an engine that starts changes it."""
    with tempfile.TemporaryDirectory(prefix="autolab-bench-", dir=state.parent) as folder:
        copy = Path(folder) / "state"
        shutil.copytree(state, copy)
        os.sync()
        try:
            yield copy
        finally:
            places.remove_all(copy)


def start(state: Path) -> Times:
    """Start an engine on a copy of a state folder, and ask it things."""
    with _copied(state) as copy:
        began = time.perf_counter()
        engine = subprocess.Popen(
            [sys.executable, "-m", "engine.daemon", "--state", str(copy)], stderr=subprocess.DEVNULL
        )
        try:
            client = first_answer(copy)
            answers = time.perf_counter() - began
            taken_up(client)
            ready = time.perf_counter() - began
            attach = _timed(lambda: _attach(client))
            status = _timed(client.status)
            resident = memory(engine.pid)
            client.shutdown()
            engine.wait()
            return Times(answers, ready, attach, status, resident)
        finally:
            engine.kill()
            engine.wait()


def first_answer(state: Path) -> EngineClient:
    """The engine of a state folder, once it answers."""
    while True:
        client = find(state)
        if client is not None:
            return client
        time.sleep(0.005)


def taken_up(client: EngineClient) -> None:
    """Wait until the engine has said that it goes on with the open sessions.

    Raises `TimeoutError` when it does not: heartbeats come all the time, so the stream never ends.
    """
    end = time.monotonic() + _PATIENCE
    with client.events(after=EVENTS) as stream:
        while time.monotonic() < end:
            body = getattr(next(stream), "body", None)
            if isinstance(body, Noted) and body.text.endswith("taken up"):
                return
    raise TimeoutError(f"the engine took up no session within {_PATIENCE:.0f} s")


def _attach(client: EngineClient) -> None:
    """What the app does: take the state and the first thing that comes after it."""
    with client.events(client.state().seq) as stream:
        next(stream)


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _offline(state: Path) -> float:
    with _copied(state) as copy:
        return _timed(lambda: offline.status(copy))


def report() -> str:
    """Measure; one table."""
    rows: list[Sequence[str]] = []
    for sessions in (_OPEN, MANY):
        with tempfile.TemporaryDirectory(prefix="autolab-bench-") as folder:
            state = Path(folder) / "state"
            write_and_kill(state, sessions)
            whole = start(state)
            whole_offline = _offline(state)
            keep_checkpoint(state)
            found = start(state)
            offline_now = _offline(state)
        for name, before, now, goal in (
            ("recovered after kill -9", whole.ready, found.ready, _GOAL_START),
            ("attach", whole.attach, found.attach, _GOAL_ATTACH),
            ("first read answered", whole.answers, found.answers, None),
            ("GET /status, read and decoded", whole.status, found.status, None),
            ("status without an engine", whole_offline, offline_now, None),
        ):
            rows.append(
                (
                    f"{name}, {sessions} sessions",
                    f"{before:.2f} s",
                    f"{now:.2f} s",
                    f"{goal:.1f} s" if goal else "",
                    ratio(now, goal) if goal else "",
                )
            )
        rows.append(
            (
                f"resident, {sessions} sessions",
                *(f"{times.resident / 2**20:.0f} MiB" for times in (whole, found)),
                "",
                "",
            )
        )
    title = f"A run of {EVENTS:,} events, its newest checkpoint {_BEHIND:,} events behind"
    return table(title, ("", "no checkpoint", "checkpoint", "goal", "x"), rows)
