"""Files that a command leaves: all of them whole, or none of them changed."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from autolab_tui.cli.failures import CommandError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def write_whole(path: Path, text: str, remedy: str = "name another file") -> None:
    """Replace a file. Raises `CommandError`, and then leaves what was there before.

    A lone surrogate, which JSON text of a model can hold, is no UTF-8 and becomes an escape.
    """
    _replace(path, _beside(path, text, remedy), remedy)


def write_all(folder: Path, files: Mapping[str, str]) -> None:
    """Write files below a folder, or where one cannot be written none of them.

    What is there already is replaced only once all that is new lies whole beside it, so a disk that
    is full keeps every file as it was. Raises `CommandError`, also for a name that leads out of the
    folder.
    """
    remedy = "name another folder"
    made: list[Path] = []  # what has to go again, in order
    parts: list[tuple[Path, Path]] = []
    try:
        for name, text in files.items():
            path = folder / name
            if ".." in Path(name).parts or Path(name).is_absolute():
                raise CommandError(f"the journal calls a session {name!r}, which is no file's name")
            made += _make(path.parent, remedy)
            parts.append((path, _beside(path, text, remedy)))
        for path, part in parts:
            new = not path.exists()
            _replace(path, part, remedy)
            made += [path] if new else []
    except CommandError:
        for _, part in parts:
            part.unlink(missing_ok=True)
        for path in reversed(made):
            with suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        raise


def _beside(path: Path, text: str, remedy: str) -> Path:
    """The text in a file beside `path`, on the same disk."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        said = _why(path, error, remedy)  # while the disk is as it was when it failed
        with suppress(OSError):
            part.unlink()
        raise CommandError(said) from error
    return part


def _replace(path: Path, part: Path, remedy: str) -> None:
    try:
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise CommandError(_why(path, error, remedy)) from error


def _why(path: Path, error: OSError, remedy: str) -> str:
    """Why it cannot be written; a disk that is full by its name and size."""
    said = f"cannot write {path}: {error.strerror}"
    if error.errno in _FULL:
        with suppress(OSError):
            disk = _disk_of(path.parent)
            usage = shutil.disk_usage(disk)
            said += f" on the disk at {disk}, {_size(usage.free)} of {_size(usage.total)} free"
            remedy = f"make room there, or {remedy}"
    return f"{said}; {remedy}"


def _disk_of(folder: Path) -> Path:
    """Where the disk is mounted that a folder lies on."""
    at = folder.resolve()
    while at != at.parent and at.stat().st_dev == at.parent.stat().st_dev:
        at = at.parent
    return at


def _size(count: int) -> str:
    for size, unit in ((10**9, "GB"), (10**6, "MB")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1000:.0f} kB"


def _make(folder: Path, remedy: str) -> list[Path]:
    """The folders that had to be made, outermost first."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        for each in missing:
            with suppress(OSError):
                each.rmdir()
        raise CommandError(f"cannot make {folder}: {error.strerror}; {remedy}") from error
    return missing[::-1]
