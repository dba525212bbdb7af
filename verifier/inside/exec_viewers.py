"""Tmux clients of people who look at the agent's terminal, each on a pty of its own.

What a client shows is read only when the keeper asks for it: a client whose pty is full waits, and
nothing of it is kept here. A viewer never changes the size of the agent's window.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios

MOST = 8
_CHUNK = 32 * 1024
_TIOCGPTN = 0x80045430  # the number of a pty, asked of its master


class Viewer:
    """One client. `master` is the descriptor that a caller may wait on."""

    def __init__(self, command: list[str], columns: int, rows: int) -> None:
        pid, self.master = os.forkpty()
        if pid == 0:
            _become(command, columns, rows)
        os.set_blocking(self.master, False)
        number = struct.unpack("I", fcntl.ioctl(self.master, _TIOCGPTN, b"\0" * 4))[0]
        self.tty = f"/dev/pts/{number}"
        self.waiting: int | None = None  # the number of the question that is open

    def read(self) -> bytes | None:
        """What it shows next; empty when it has ended, None when there is nothing yet."""
        data = b""
        while len(data) < _CHUNK:  # a pty gives 4 KiB at a time
            try:
                data += (piece := os.read(self.master, _CHUNK - len(data)))
            except BlockingIOError:
                return data or None
            except OSError:  # EIO: the client has ended
                return data
            if not piece:
                return data
        return data

    def write(self, data: bytes) -> int:
        """Type; returns how many bytes were taken."""
        try:
            return os.write(self.master, data)
        except BlockingIOError:
            return 0

    def resize(self, columns: int, rows: int) -> None:
        """The person's terminal has another size now."""
        _set_size(self.master, columns, rows)

    def close(self) -> None:
        """End the client: it loses its terminal."""
        os.close(self.master)


def check_size(columns: int, rows: int) -> None:
    """Raise `OSError` for a size that no terminal has."""
    if not (1 <= columns <= 1000 and 1 <= rows <= 1000):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def _become(command: list[str], columns: int, rows: int) -> None:
    """In the child: the client, with nothing of ours open."""
    try:
        _set_size(0, columns, rows)
        os.closerange(3, 1024)
        os.execve(command[0], command, {**os.environ, "TERM": "xterm-256color"})
    finally:
        os._exit(127)


def _set_size(terminal: int, columns: int, rows: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
