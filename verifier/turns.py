"""Turns at what is measured on: one verifier of a machine at a time on a CPU, or on a GPU."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Mapping

from verifier.outcomes import NotJudgedError

PATIENCE = 180.0
_POLL = 0.05


@contextlib.contextmanager
def turn(things: Mapping[str, str], patience: float = PATIENCE) -> Iterator[None]:
    """Hold the machine-wide right to measure on these things: names, with each in words.

    An abstract socket's name is the lock: it works across users, leaves nothing on disk, and is
    free again however its holder ends; sandboxes have network namespaces of their own and cannot
    take it. They are taken in the order given, which has to be the same for everybody. Raises
    `NotJudgedError` (contention) after `patience` seconds.
    """
    deadline = time.monotonic() + patience
    with contextlib.ExitStack() as held:
        for name, words in things.items():
            lock = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            while not _bound(lock, f"\0autolab-measuring-{name}"):
                if time.monotonic() > deadline:
                    raise NotJudgedError(
                        f"another verifier has been measuring on {words} for {patience:.0f} s",
                        "contention",
                    )
                time.sleep(_POLL)
        yield


def _bound(lock: socket.socket, name: str) -> bool:
    try:
        lock.bind(name)
    except OSError:
        return False
    return True
