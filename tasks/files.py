"""Reading a task's files without being led out of its directory.

A suite may be a stranger's checkout: a symlink may point within the task and nowhere else, and
nothing but regular files of a sane size is ever read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tasks.errors import TaskError

TEXT_CAP = 4 << 20
FILE_CAP = 64 << 20
FILES_CAP = 20_000
IGNORED = frozenset({"__pycache__", ".git"})


def read_inside(root: Path, relative: str, *, cap: int = FILE_CAP) -> bytes:
    """The bytes of the regular file `relative` below `root`.

    Every directory on the way is opened by descriptor without following links, so that a swap
    between check and use cannot lead elsewhere. Raises `FileNotFoundError`, or `TaskError` for
    anything that is not a regular file inside `root` of at most `cap` bytes.
    """
    real = _resolved(root, relative)
    try:
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unreadable(root, error) from error
    try:
        for at, part in enumerate(real.parts):
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            if at < len(real.parts) - 1:
                flags |= os.O_DIRECTORY
            inner = os.open(part, flags, dir_fd=fd)
            os.close(fd)
            fd = inner
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise TaskError(root / relative, "is not a regular file", remedy="replace it by one")
        if found.st_size > cap:
            raise TaskError(
                root / relative,
                f"is larger than {cap >> 20} MiB",
                value=found.st_size,
                remedy="make it smaller, or have the judge generate it",
            )
        with os.fdopen(os.dup(fd), "rb") as file:
            return file.read(cap)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unreadable(root / relative, error) from error
    finally:
        os.close(fd)


def unreadable(path: Path, error: OSError) -> TaskError:
    """What to say of `path`, or of the file within it that `error` names."""
    named = str(error.filename or "")
    return TaskError(
        Path(named) if named.startswith("/") else path,
        f"cannot be read ({error.strerror})",
        remedy="make it a file or directory that you may read",
    )


def _resolved(root: Path, relative: str) -> PurePosixPath:
    base = Path(os.path.realpath(root))
    real = Path(os.path.realpath(base / relative))
    if not real.is_relative_to(base):
        raise TaskError(
            root / relative,
            "leads out of the task's directory",
            value=str(real),
            remedy="let links point inside the task only",
        )
    return PurePosixPath(real.relative_to(base).as_posix())


def read_text(root: Path, relative: str) -> str:
    """As `read_inside`, decoded as UTF-8; raises `TaskError` naming the byte that is not."""
    data = read_inside(root, relative, cap=TEXT_CAP)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TaskError(
            root / relative,
            f"is not UTF-8 text (byte {error.start})",
            remedy="save it as UTF-8",
        ) from error


def tree(root: Path, folder: str = "") -> list[str]:
    """Every file below `root/folder` as sorted posix paths relative to that folder.

    `__pycache__`, `*.pyc` and `.git` are left out. A symlink counts as the file it points to when
    that lies inside `root`; a linked directory, or a link that leads out, raises `TaskError`.
    """
    base = root / folder
    try:
        return sorted(_walk(root, base)) if base.is_dir() else []
    except OSError as error:
        raise unreadable(base, error) from error


def _walk(root: Path, base: Path) -> Iterator[str]:
    count = 0
    stack = [(base, "")]
    while stack:
        directory, inside = stack.pop()
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name in IGNORED or entry.name.endswith(".pyc"):
                    continue
                if entry.is_symlink():
                    _check_link(root, Path(entry.path))
                if entry.is_dir(follow_symlinks=False):
                    stack.append((Path(entry.path), f"{inside}{entry.name}/"))
                    continue
                count += 1
                if count > FILES_CAP:
                    raise TaskError(
                        base,
                        f"has more than {FILES_CAP} files",
                        remedy="pack what belongs together",
                    )
                yield inside + entry.name


def _check_link(root: Path, link: Path) -> None:
    real = _resolved(root, str(link.relative_to(root)))
    if (Path(os.path.realpath(root)) / real).is_dir():
        raise TaskError(
            link, "is a link to a directory", remedy="copy the directory or link its files"
        )
