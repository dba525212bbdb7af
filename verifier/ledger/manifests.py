"""What a task was when it had a certain hash, kept so that a change can be named by file.

A record lies under the hash that its own content gives, so it cannot be changed unnoticed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from verifier.artifact import printable
from verifier.pins import differences, digest_of, held, sha256

_SCHEMA: Literal["autolab/task-files/1"] = "autolab/task-files/1"
_UNKNOWN = "which of its files were changed is not known, since their hashes were not kept"
_WORDS = {"is missing": "was removed", "is not pinned": "was added"}
_SHOWN = 8


class TaskFiles(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The SHA-256 of each file of a task by its path, and its task.toml as it was."""

    schema: Literal["autolab/task-files/1"] = _SCHEMA
    files: dict[str, str]
    toml: str


class Manifests:
    """The records in a folder of the state folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, task: Path) -> str:
        """Keep what the task is now; returns its hash. Raises `PinsError` and `OSError`."""
        pinned = held(task)
        if self.get(pinned.hash) is None:
            toml = pinned.read("task.toml").decode("utf-8")
            kept = TaskFiles(files=dict(sorted(pinned.files.items())), toml=toml)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            new = self.folder / f".{pinned.hash}.{os.getpid()}"
            try:
                new.write_bytes(msgspec.json.encode(kept))
                new.replace(self.folder / f"{pinned.hash}.json")
            finally:
                with contextlib.suppress(OSError):
                    new.unlink(missing_ok=True)
        return pinned.hash

    def get(self, task_hash: str) -> TaskFiles | None:
        """What the task with that hash was; None where that is not known."""
        data = self.data(task_hash)
        try:
            return None if data is None else decoded(data, task_hash)
        except ValueError:
            return None

    def data(self, task_hash: str) -> bytes | None:
        """The same as it is stored, unchecked."""
        if not task_hash.isalnum():
            return None
        try:
            return (self.folder / f"{task_hash}.json").read_bytes()
        except OSError:
            return None


def decoded(data: bytes, task_hash: str) -> TaskFiles:
    """Read a record. Raises `ValueError` when its content does not give the task's hash."""
    kept = msgspec.json.decode(data, type=TaskFiles)
    if digest_of(kept.files) != task_hash:
        raise ValueError("the hashes of its files do not make the hash of the task")
    if sha256(kept.toml.encode()) != kept.files.get("task.toml"):
        raise ValueError("its task.toml is not the one of that hash")
    return kept


def changes(then: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """What was changed in a task since then, a line for each file."""
    lines = []
    for line in differences(then, now):
        old = next((old for old in _WORDS if line.endswith(old)), None)
        lines.append(line if old is None else line.removesuffix(old) + _WORDS[old])
    return tuple(lines)


def in_words(then: Mapping[str, str] | None, now: Mapping[str, str]) -> str:
    """The changes in one line of at most a few files; `then` is None where it is not known."""
    if then is None:
        return _UNKNOWN
    found = [printable(line, 200) for line in changes(then, now)]
    more = len(found) - _SHOWN
    return "; ".join([*found[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])
