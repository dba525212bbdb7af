"""Files of the sandbox, read and written for the engine with the agent's own rights."""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path

Description = tuple[str, int, int, float]


def read(path: str, limit: int) -> bytes:
    """A regular file's content. Raises `OSError`; EFBIG when it is longer than `limit`."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    with os.fdopen(fd, "rb") as file:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise OSError(errno.EISDIR, path)
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, path)
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, path)
    return data


def write(path: str, content: bytes, mode: int | None) -> None:
    """Write beside the file and rename, so that nobody sees half of it. Raises `OSError`."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise OSError(errno.EISDIR, path)
    if mode is None:
        try:
            mode = stat.S_IMODE(target.stat().st_mode)
        except FileNotFoundError:
            mode = 0o644
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.parent / f".{time.monotonic_ns()}.new"
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            os.fchmod(fd, mode)
        beside.replace(target)
    except BaseException:
        beside.unlink()
        raise


def describe(path: str) -> Description | None:
    """(kind, size, mode, mtime) of what a path leads to, or None. Raises `OSError`."""
    try:
        info = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    kind = "other"
    if stat.S_ISREG(info.st_mode):
        kind = "file"
    elif stat.S_ISDIR(info.st_mode):
        kind = "directory"
    return kind, info.st_size, stat.S_IMODE(info.st_mode), info.st_mtime
