"""Watching what becomes of a reward while test.sh still runs.

Whatever test.sh starts of the artifact can leave a process that waits for the reward and writes
another one before test.sh ends well. Nothing of it is left in the files then; so the host reads the
reward each time that somebody has written. A test.sh may well begin with a reward of 0
and raise it later; none gives one above 0 and then another.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from verifier.foreign import reward
from verifier.foreign.reward import RewardError, Stated
from verifier.verdict import Finding

_MODIFY, _CLOSE_WRITE, _MOVED_TO = 0x2, 0x8, 0x80  # sys/inotify.h
_DELETE_SELF, _MOVE_SELF = 0x400, 0x800
_MOST = 200  # readings; who writes more often may hide something among them
_WHAT = "the reward was written again after it was given"


class Rewriting:
    """Watches `logs`/verifier while it is entered; `finding` is for afterwards.

    Where the kernel gives no watch (too many of them, say) nothing is seen and nothing is said.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._given: list[Stated] = []  # above 0, each another than the one before
        self._readings = 0
        self._moved = False
        self._fd = -1
        self._stop = -1
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        libc = ctypes.CDLL(None, use_errno=True)
        fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        events = _MODIFY | _CLOSE_WRITE | _MOVED_TO | _DELETE_SELF | _MOVE_SELF
        if fd < 0:
            return self
        if libc.inotify_add_watch(fd, os.fsencode(self._logs / "verifier"), events) < 0:
            os.close(fd)
            return self
        self._fd, self._stop = fd, os.eventfd(0, os.EFD_CLOEXEC)
        return self

    def begin(self) -> None:
        """Begin to read; what happened since it was entered is not lost."""
        if self._fd >= 0:
            self._thread = threading.Thread(target=self._watch, name="reward", daemon=True)
            self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._fd < 0:
            return
        if self._thread is not None:
            os.eventfd_write(self._stop, 1)
            self._thread.join()
        os.close(self._fd)
        os.close(self._stop)

    @property
    def finding(self) -> Finding | None:
        """What was seen that no honest test.sh does."""
        if self._moved:
            return Finding("severe", _WHAT, "/logs/verifier itself was moved or deleted")
        if len(self._given) > 1:
            first, last = self._given[0].reward, self._given[-1].reward
            return Finding("severe", _WHAT, f"it was {first:g} first and {last:g} in the end")
        if self._readings > _MOST:
            return Finding("severe", _WHAT, f"more than {_MOST} times")
        return None

    def _watch(self) -> None:
        waiting = select.poll()
        waiting.register(self._fd, select.POLLIN)
        waiting.register(self._stop, select.POLLIN)
        while True:
            ready = {fd for fd, _ in waiting.poll()}
            self._drain()
            if self._stop in ready:
                return

    def _drain(self) -> None:
        """Everything that has happened; every process inside is gone when it is the last time."""
        seen = False
        with contextlib.suppress(BlockingIOError):
            while events := os.read(self._fd, 65536):
                seen = True
                self._moved |= _moved(events)
        self._readings += seen
        if seen and self._readings <= _MOST:
            self._read()

    def _read(self) -> None:
        try:
            stated = reward.read(self._logs)
        except RewardError:
            return  # half of it, or one of two files; the end is read with care elsewhere
        if stated is None or stated.reward == 0:
            return
        if not self._given or self._given[-1] != stated:
            self._given.append(stated)


def _moved(events: bytes) -> bool:
    at, moved = 0, False
    while at + 16 <= len(events):
        mask = int.from_bytes(events[at + 4 : at + 8], "little")
        moved |= bool(mask & (_DELETE_SELF | _MOVE_SELF))
        at += 16 + int.from_bytes(events[at + 12 : at + 16], "little")
    return moved
