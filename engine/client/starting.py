"""Finding the engine of a state folder, and starting it, detached, where none runs."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.client.calls import EngineClient
from engine.client.connection import REMEDY, EngineDownError, EngineSilentError
from engine.paths import engine_socket, make_private, state_dir

START_TIMEOUT = 30.0


def find(state: Path | None = None) -> EngineClient | None:
    """A client of the engine that answers for a state folder, or None when none does."""
    try:
        return running(state)
    except EngineSilentError:
        return None


def running(state: Path | None = None) -> EngineClient | None:
    """A client of the engine that runs for a state folder, or None when none runs.

    Raises `EngineSilentError` when one is there and says nothing.
    """
    client = EngineClient(engine_socket(state_dir(state)))
    try:
        client.engine()
    except EngineSilentError:
        raise
    except EngineDownError:
        return None
    return client


def connect(state: Path | None = None, start: bool = True) -> EngineClient:
    """A client of the engine of a state folder, which is started, detached, when none runs.

    Two callers at once start one engine. Raises `EngineDownError` with the end of `engine.log`
    when it does not come up, or at once when `start` is false and none runs; `EngineSilentError`
    when one runs and does not answer.
    """
    folder = state_dir(state)
    client = running(folder)
    if client is not None:
        return client
    if not start:
        raise EngineDownError(f"no engine runs for {folder}; {REMEDY}")
    make_private(folder)
    with _start_lock(folder):
        return find(folder) or _start(folder)


@contextmanager
def _start_lock(folder: Path) -> Iterator[None]:
    try:
        held = (folder / "engine-start.lock").open("a")
    except OSError as error:
        raise EngineDownError(
            f"no engine can start for {folder}: it cannot be written ({error.strerror}); "
            "choose another with --state DIR or AUTOLAB_STATE"
        ) from error
    with held:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise EngineDownError(
                        f"another command has been starting the engine for {folder} for "
                        f"{START_TIMEOUT:.0f} s; see {folder / 'engine.log'}"
                    ) from None
                time.sleep(0.05)
        yield


def _start(folder: Path) -> EngineClient:
    log = folder / "engine.log"
    home = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(p for p in (home, os.environ.get("PYTHONPATH", "")) if p)
    with log.open("ab") as out:
        start = out.tell()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "engine.daemon", "--state", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        client = find(folder)
        if client is not None:
            return client
        if process.poll() is not None:
            break
        time.sleep(0.05)
    with log.open("rb") as file:
        file.seek(start)  # what earlier engines said is no reason of this one
        said = file.read().decode("utf-8", "replace").strip().splitlines()[-3:]
    how = "ended" if process.poll() is not None else "does not answer"
    raise EngineDownError(f"the engine {how} at its start; {log} says: " + " | ".join(said))
