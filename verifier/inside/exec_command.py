"""One command: the file that bash sources, the named pipe it writes to, and what came through."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from verifier.inside.exec_pane import RUN
from verifier.inside.exec_processes import Key

_CHUNK = 65536
_BURST = 1 << 20  # bytes of a stream that are passed on however fast they come
_LAST_WORDS = 4096  # of what a stream left out, told at its end


class Command:
    """`take` passes the first `head` bytes on at once and keeps the newest `tail` of the rest.

    With a `rate` the rest is passed on as well, as far as it comes at no more than that many bytes
    a second for long; what was left out is counted between the pieces.
    """

    def __init__(
        self, name: str, number: int, script: bytes, head: int, tail: int, *, rate: int
    ) -> None:
        self.name = name
        self.number = number
        self.script = script
        self.tail = bytearray()
        self.omitted = 0
        self.typed = False
        self.before: set[Key] = set()
        self.notes: list[str] = []
        self.over_at: float | None = None  # when output that still comes is no longer waited for
        self.code: int | None = None
        self._head_left = head
        self._tail_limit = tail
        self._rate = rate
        self._allowance = float(_BURST)
        self._allowance_at = time.monotonic()
        self._left_out = 0
        self._folder = Path(RUN, str(number))
        self._folder.mkdir(parents=True)
        (self._folder / "script").write_bytes(script)
        os.mkfifo(self._folder / "out", 0o600)
        self.pipe: int | None = os.open(self._folder / "out", os.O_RDONLY | os.O_NONBLOCK)

    def line(self) -> str:
        """What is typed at the prompt (the space keeps it out of the history).

        Bash says at its prompt how the line ended; the line says so too, since a script may set a
        PROMPT_COMMAND of its own. The second word about the same command is passed over.
        """
        folder, number = self._folder, self.number
        run = f" _AUTOLAB={number}; . {folder}/script </dev/null >{folder}/out 2>&1"
        return f"{run}; builtin printf '%s {number}\\n' \"$?\" >{RUN}/prompt"

    def take(self, data: bytes, pass_on: Callable[[bytes], None]) -> None:
        """Account for output."""
        head, rest = data[: self._head_left], data[self._head_left :]
        if head:
            self._head_left -= len(head)
            pass_on(head)
        if rest and self._rate:
            self._stream(rest, pass_on)
        self.tail += rest
        excess = len(self.tail) - self._tail_limit
        if excess > 0:
            self.omitted += excess
            del self.tail[:excess]

    def _stream(self, data: bytes, pass_on: Callable[[bytes], None]) -> None:
        now = time.monotonic()
        earned = (now - self._allowance_at) * self._rate
        self._allowance, self._allowance_at = min(self._allowance + earned, float(_BURST)), now
        if self._allowance < len(data):
            self._left_out += len(data)
            return
        self._allowance -= len(data)
        self._pass_on(data, pass_on)

    def end_stream(self, pass_on: Callable[[bytes], None]) -> None:
        """The last words of a stream, if they were left out."""
        if self._left_out:
            last = bytes(self.tail[-min(self._left_out, _LAST_WORDS) :])
            self._left_out -= len(last)
            self._pass_on(last, pass_on)

    def _pass_on(self, data: bytes, pass_on: Callable[[bytes], None]) -> None:
        if self._left_out:
            data = b"\n[... %d bytes left out ...]\n" % self._left_out + data
            self._left_out = 0
        pass_on(data)

    def remove(self) -> None:
        """Delete its files."""
        for name in ("script", "out"):
            (self._folder / name).unlink(missing_ok=True)
        if not any(self._folder.iterdir()):
            self._folder.rmdir()


def read_some(pipe: int) -> tuple[bytes, bool]:
    """What has come through, and whether any writer is left."""
    try:
        data = os.read(pipe, _CHUNK)
    except BlockingIOError:
        return b"", True
    return data, bool(data)
