"""Anonymous memory that is handed to sandboxes as a descriptor.

What a sandbox must not change is sealed: mode bits are no defence, since a process of the same uid
can change them back or reopen the file for writing.
"""

from __future__ import annotations

import fcntl
import os

_CHUNK = 1 << 20
_SIZE_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW


class UnsealedError(OSError):
    """Somebody can still write to the memory."""


def empty() -> int:
    """A new, empty memfd that can be sealed; the caller closes it."""
    return os.memfd_create("autolab", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def holding(data: bytes) -> int:
    """A new read-only memfd with this content; the caller closes it."""
    fd = empty()
    try:
        write_all(fd, data)
        return sealed_reader(fd)
    finally:
        os.close(fd)


def copied(fd: int) -> int:
    """A new read-only memfd with the content of `fd`; the caller closes it."""
    new, at = empty(), 0
    try:
        while piece := os.pread(fd, _CHUNK, at):
            at += os.pwrite(new, piece, at)
        return sealed_reader(new)
    finally:
        os.close(new)


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data` at the beginning."""
    view, at = memoryview(data), 0
    while at < len(view):
        at += os.pwrite(fd, view[at : at + _CHUNK], at)


def sealed_reader(fd: int) -> int:
    """Seal the content of `fd` for good and return a read-only descriptor of it.

    Raises `UnsealedError` while anybody has it mapped for writing.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SIZE_SEALS | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL)
    except OSError as error:
        raise UnsealedError(error.errno, "the memory is still mapped for writing") from error
    return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)


def poisoned(size: int) -> int:
    """A new writable memfd of a fixed size, filled with a pattern that nobody can guess."""
    fd = empty()
    block = os.urandom(min(size, 1 << 16))
    at = 0
    while at < size:
        at += os.pwrite(fd, block[: size - at], at)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SIZE_SEALS)
    return fd


def capped(size: int) -> int:
    """A new writable memfd of zeros that can never hold more than `size` bytes."""
    fd = empty()
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SIZE_SEALS)
    return fd


def seal_writes(fd: int) -> None:
    """Make the content final, whoever holds the descriptor.

    Raises `UnsealedError` when a writable mapping is left, or when another has forbidden sealing.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    except OSError as error:
        if fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_WRITE:
            return
        raise UnsealedError(error.errno, "the memory can still be written to") from error


def size_of(fd: int) -> int:
    """The size in bytes."""
    return os.fstat(fd).st_size


def read(fd: int, size: int | None = None) -> bytes:
    """The first `size` bytes, or all."""
    left = size_of(fd) if size is None else size
    pieces, at = [], 0
    while left > 0:
        piece = os.pread(fd, min(left, _CHUNK), at)
        if not piece:
            break
        pieces.append(piece)
        at += len(piece)
        left -= len(piece)
    return b"".join(pieces)


def first_difference(one: int, other: int) -> int | None:
    """The offset of the first byte in which two memfds differ, or None when they are equal."""
    at = 0
    while True:
        a, b = os.pread(one, _CHUNK, at), os.pread(other, _CHUNK, at)
        if a != b:
            pairs = enumerate(zip(a, b, strict=False))
            return at + next((i for i, (x, y) in pairs if x != y), min(len(a), len(b)))
        if not a:
            return None
        at += len(a)
