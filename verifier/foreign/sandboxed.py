"""One command in a sandbox to its end: how it ended, and the beginning and end of what it said."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from verifier.sandbox import uids
from verifier.sandbox.spec import Backend, SandboxSpec

_KEPT = 16_000
_BURIAL = 15.0


@dataclass(frozen=True, slots=True)
class Ended:
    """`code` is the exit status, -N for signal N; meaningless when it `timed_out`."""

    code: int
    timed_out: bool
    out_of_memory: bool
    seconds: float
    output: str

    @property
    def last_line(self) -> str:
        """The last line that says something."""
        lines = [line for line in self.output.splitlines() if line.strip()]
        return lines[-1].strip()[:300] if lines else "it printed nothing"


def run_inside(
    backend: Backend,
    spec: SandboxSpec,
    argv: Sequence[str],
    *,
    seconds: float,
    stdin: int | None = None,
    fds: Mapping[int, int] | None = None,
    begun: Callable[[], None] = lambda: None,
) -> Ended:
    """Run `argv`; after `seconds`, and at its end, every process inside is gone.

    `begun` is called once it runs: threads may be started then, but not before a fork.

    Both output pipes are one pipe that belongs to the sandbox's uid: a script may open
    /dev/stderr again, which only a pipe's owner may.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    started = time.monotonic()
    try:
        uid = uids.identity().host_uid(spec.role, spec.slot)
        if os.geteuid() == 0:
            os.fchown(writer, uid, uid)
        process = backend.launch(spec, argv, stdin=stdin, stdout=writer, stderr=writer, fds=fds)
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    said = _Kept()
    try:
        begun()
        _listen(reader, started + seconds, said)
        ended = process.wait(max(0.0, started + seconds - time.monotonic()))
        timed_out = False
    except TimeoutError:
        process.kill()
        ended = process.wait(_BURIAL)
        timed_out = True
    except BaseException:
        process.kill()
        process.wait(_BURIAL)
        raise
    finally:
        os.close(reader)
    took = time.monotonic() - started
    return Ended(ended.code, timed_out, ended.out_of_memory, took, said.text())


class _Kept:
    """The beginning and the end of what was said; a flood costs no memory."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self._dropped = 0

    def add(self, data: bytes) -> None:
        room = _KEPT - len(self._head)
        self._head += data[: max(room, 0)]
        self._tail += data[max(room, 0) :]
        extra = len(self._tail) - _KEPT
        if extra > 0:
            self._dropped += extra
            self._tail = self._tail[extra:]

    def text(self) -> str:
        gap = f"\n[... {self._dropped} bytes left out ...]\n".encode() if self._dropped else b""
        return (self._head + gap + self._tail).decode("utf-8", "replace")


def _listen(reader: int, deadline: float, said: _Kept) -> None:
    """Read to the end. Raises `TimeoutError` when the deadline comes first."""
    waiting = select.poll()
    waiting.register(reader, select.POLLIN)
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not waiting.poll(left * 1000):
            raise TimeoutError
        piece = os.read(reader, 65536)
        if not piece:
            return
        said.add(piece)
