"""One engine for each state folder, held by a file lock that dies with the process."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Self

from engine.paths import PathError, make_private

_TRIES, _PAUSE = 10, 0.03


class StateLockedError(RuntimeError):
    """Another engine owns the state folder; the message names its pid and the remedy."""


class StateLock:
    """Ownership of a state folder; a context manager.

    Raises `StateLockedError` when another process holds it, `PathError` when the folder cannot be
    used.
    """

    def __init__(self, state: Path) -> None:
        path = make_private(state) / "engine.lock"
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise PathError(
                f"cannot write in the state folder {state}: {error.strerror}; mend its rights or "
                "its disk, or use another with --state DIR"
            ) from error
        # A client that looks whether the folder is free holds the lock for an instant.
        for _ in range(_TRIES):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_PAUSE)
        else:
            holder = os.read(self._file, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            raise StateLockedError(
                f"another engine (pid {holder}) owns the state folder {state}; stop it with "
                "`autolab engine stop`, or use another folder with --state DIR"
            )
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the folder up."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
