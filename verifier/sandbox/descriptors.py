"""The descriptors that bwrap is started with."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

OWN = 200  # bwrap's own descriptors start here; those of callers lie below


class Descriptors:
    """What bwrap will have open: the caller's descriptors below 200, its own from there."""

    def __init__(
        self,
        stdin: int | None,
        stdout: int | None,
        stderr: int | None,
        fds: Mapping[int, int],
    ) -> None:
        self._given: list[int] = []
        self._closing: list[int] = []
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._given.append(null)
        standard = enumerate((stdin, stdout, stderr))
        self.inside = {number: null if fd is None else fd for number, fd in standard}
        self.inside.update(fds)

    def give(self, fd: int) -> int:
        """Hand a descriptor over for good; returns its number in bwrap."""
        self._given.append(fd)
        number = max(OWN - 1, *self.inside) + 1
        self.inside[number] = fd
        return number

    def closing(self, fd: int) -> None:
        """Close this one at the end, too."""
        self._closing.append(fd)

    def close_given(self) -> None:
        """Close what was handed over; bwrap has its copies."""
        while self._given:
            os.close(self._given.pop())

    def __enter__(self) -> Descriptors:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_given()
        while self._closing:
            os.close(self._closing.pop())


def memfd(content: bytes) -> int:
    """An anonymous file with this content, to be read from its start."""
    fd = os.memfd_create("autolab", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


_PASS_RIGHTS = 83  # SO_PASSRIGHTS, from Linux 6.16 on


def refuse_descriptors(ours: socket.socket) -> None:
    """Let nobody send descriptors to this end of a socket, where the kernel can see to it.

    Whoever receives one also closes it, which for a TCP socket that lingers takes minutes.
    """
    with contextlib.suppress(OSError):
        ours.setsockopt(socket.SOL_SOCKET, _PASS_RIGHTS, 0)
