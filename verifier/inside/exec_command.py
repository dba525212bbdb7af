"""One command: the file that bash sources, the named pipe it writes to, and what came through."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from verifier.inside.exec_pane import RUN
from verifier.inside.exec_processes import Key

_CHUNK = 65536


class Command:
    """`take` passes the first `head` bytes on at once and keeps the newest `tail` of the rest."""

    def __init__(self, name: str, number: int, script: bytes, head: int, tail: int) -> None:
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
        self.tail += rest
        excess = len(self.tail) - self._tail_limit
        if excess > 0:
            self.omitted += excess
            del self.tail[:excess]

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
