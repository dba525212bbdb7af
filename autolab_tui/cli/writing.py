"""Files that a command leaves: each of them whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from autolab_tui.cli.failures import CommandError


def write_whole(path: Path, text: str, remedy: str = "name another file") -> None:
    """Replace a file. Raises `CommandError`, and then leaves what was there before.

    A lone surrogate, which JSON text of a model can hold, is no UTF-8 and becomes an escape.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise CommandError(f"cannot write {path}: {error.strerror}; {remedy}") from error


def write_all(folder: Path, files: Mapping[str, str]) -> None:
    """Write files below a folder, or where one cannot be written none that was not there before.

    Raises `CommandError`, also for a name that leads out of the folder.
    """
    remedy = "name another folder"
    made: list[Path] = []
    try:
        for name, text in files.items():
            path = folder / name
            if ".." in Path(name).parts or Path(name).is_absolute():
                raise CommandError(f"the journal calls a session {name!r}, which is no file's name")
            made += _make(path.parent, remedy)
            new = not path.exists()
            write_whole(path, text, remedy)
            made += [path] if new else []
    except CommandError:
        for path in reversed(made):
            with suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        raise


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
