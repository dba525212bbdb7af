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
from collections.abc import Callable

from verifier.inside.exec_channel import Channel, Header
from verifier.inside.exec_pane import move_view, viewing

_MOST = 8
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


class Viewers:
    """All clients, by the keeper's numbers. `watch` calls back when a descriptor can be read."""

    def __init__(
        self,
        channel: Channel,
        watch: Callable[[int, Callable[[], object]], None],
        unwatch: Callable[[int], object],
    ) -> None:
        self._channel = channel
        self._watch = watch
        self._unwatch = unwatch
        self._viewers: dict[int, Viewer] = {}

    def answer(self, header: Header, payload: bytes) -> None:
        """Do what the keeper wants of one, and answer it."""
        answer: Header = {"event": "reply", "number": header["number"]}
        name = header["viewer"]
        try:
            if header["op"] == "attach":
                self._attach(name, header)
            elif (viewer := self._viewers.get(name)) is None:
                answer["errno"] = errno.ENOENT
            elif header["op"] == "look":
                self._look(viewer, header["number"])
                return
            elif header["op"] == "type":
                answer["code"] = viewer.write(payload)
            elif header["op"] == "view":
                _check_size(header["columns"], header["rows"])
                viewer.resize(header["columns"], header["rows"])
                if header["pan"]:
                    move_view(viewer.tty, header["pan"], header["by"])
            else:
                self._forget(name)
        except OSError as error:
            answer["errno"] = error.errno or errno.EIO
        self._channel.send(answer)

    def _attach(self, name: int, header: Header) -> None:
        """Start a client for a person. Raises `OSError`."""
        _check_size(header["columns"], header["rows"])
        if len(self._viewers) >= _MOST:
            raise OSError(errno.EUSERS, os.strerror(errno.EUSERS))
        command = viewing(header["write"])
        self._viewers[name] = Viewer(command, header["columns"], header["rows"])

    def _look(self, viewer: Viewer, number: int) -> None:
        """Answer as soon as the client shows something."""
        if viewer.waiting is None:
            self._watch(viewer.master, lambda: self._on_view(viewer))
        viewer.waiting = number

    def _on_view(self, viewer: Viewer) -> None:
        """A client that was asked about has something to show, or has ended."""
        data = viewer.read()
        if data is None or viewer.waiting is None:
            return
        self._unwatch(viewer.master)
        number, viewer.waiting = viewer.waiting, None
        self._channel.send({"event": "reply", "number": number}, data)

    def _forget(self, name: int) -> None:
        """A person has left."""
        viewer = self._viewers.pop(name)
        if viewer.waiting is not None:
            self._unwatch(viewer.master)
            self._channel.send({"event": "reply", "number": viewer.waiting})
        viewer.close()


def _check_size(columns: int, rows: int) -> None:
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
