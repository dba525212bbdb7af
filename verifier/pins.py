"""Pins: the SHA-256 of every file of a task, held beside it in pins.json.

A pinned task is the one that its author meant; a verifier that finds anything else refuses to judge
and names the files. `__pycache__`, `*.pyc` and `.git` are no part of a task.

    python -m verifier.pins write DIR...    write DIR/pins.json
    python -m verifier.pins check DIR...    name what differs; exit code 3 when something does
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from tasks import TaskError, files, load_task

PINS = "pins.json"
SCHEMA = "autolab/pins/1"
PinsState = Literal["ok", "missing", "changed"]
_SHOWN = 8


class PinsError(RuntimeError):
    """The task's files are not the pinned ones; `problems` has one line for each file."""

    def __init__(self, task: Path, problems: Sequence[str]) -> None:
        self.task = task
        self.problems = tuple(problems)
        shown = "; ".join(self.problems[:_SHOWN])
        more = len(self.problems) - _SHOWN
        if more > 0:
            shown += f"; and {more} more"
        super().__init__(
            f"{task}: not the pinned task: {shown}; restore the files, "
            f"or run `autolab tasks pin {task}` if the change is meant"
        )


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What pins.json holds: the hash of each file by its posix path within the task."""

    schema: str
    files: dict[str, str]


def sha256(data: bytes) -> str:
    """The SHA-256 of `data` in hex."""
    return hashlib.sha256(data).hexdigest()


def digest_of(hashes: Mapping[str, str]) -> str:
    """One SHA-256 for a set of files, from their hex hashes by path."""
    lines = "".join(f"{path}\0{hashes[path]}\n" for path in sorted(hashes))
    return sha256(lines.encode("utf-8", "surrogateescape"))


def hashes(directory: Path) -> dict[str, str]:
    """The hash of every file of the task at `directory`, pins.json left out.

    Raises `TaskError` for a file that cannot be read or leads out of the task.
    """
    if not (directory / "task.toml").is_file():
        raise TaskError(directory, "has no task.toml", remedy="name a task's directory")
    return {
        name: sha256(files.read_inside(directory, name))
        for name in files.tree(directory)
        if name != PINS
    }


def task_hash(directory: Path | str) -> str:
    """The identity of a task: one SHA-256 over every file that it has now, pins.json left out."""
    return digest_of(hashes(Path(directory)))


def write(directory: Path | str) -> str:
    """Write pins.json for the task as it stands and return the task's hash."""
    root = Path(directory)
    found = hashes(root)
    manifest = Manifest(SCHEMA, {name: found[name] for name in sorted(found)})
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    new = root / f".{PINS}.{os.getpid()}"
    new.write_bytes(text)
    new.replace(root / PINS)
    return digest_of(found)


def read(directory: Path | str) -> Manifest:
    """The manifest of the task at `directory`. Raises `PinsError` when there is no usable one."""
    root = Path(directory)
    try:
        manifest = msgspec.json.decode(files.read_inside(root, PINS), type=Manifest)
    except FileNotFoundError:
        raise PinsError(root, [f"{PINS} is missing"]) from None
    except (msgspec.DecodeError, TaskError) as error:
        raise PinsError(root, [f"{PINS} cannot be used: {error}"]) from error
    if manifest.schema != SCHEMA:
        raise PinsError(root, [f'{PINS} has schema "{manifest.schema}", not "{SCHEMA}"'])
    return manifest


def differences(pinned: Mapping[str, str], found: Mapping[str, str]) -> tuple[str, ...]:
    """What distinguishes the files found from the pinned ones, a line for each, sorted by path."""
    lines = []
    for name in sorted({*pinned, *found}):
        if name not in found:
            lines.append(f"{name} is missing")
        elif name not in pinned:
            lines.append(f"{name} is not pinned")
        elif pinned[name] != found[name]:
            lines.append(f"{name} was changed")
    return tuple(lines)


def check(directory: Path | str) -> tuple[str, ...]:
    """What is wrong with the task's pins, one line for each file; nothing when all is as pinned.

    Raises `TaskError` for what is not a readable task.
    """
    root = Path(directory)
    found = hashes(root)
    try:
        return differences(read(root).files, found)
    except PinsError as error:
        return error.problems


def state(directory: Path | str) -> PinsState:
    """The pins of a task in one word. Raises `TaskError` for what is not a readable task."""
    root = Path(directory)
    if not (root / PINS).is_file():
        return "missing"
    return "changed" if check(root) else "ok"


class PinnedTask:
    """A task whose every file was found to be as pinned, and is again whenever it is read.

    With `as_found` the files that it has now are the pinned ones. Raises `PinsError` naming the
    files that are not.
    """

    def __init__(self, directory: Path, *, as_found: bool = False) -> None:
        self.root = directory
        found = hashes(directory)
        self._pinned = found if as_found else read(directory).files
        problems = differences(self._pinned, found)
        if problems:
            raise PinsError(directory, problems)
        self.hash = digest_of(found)

    @property
    def files(self) -> dict[str, str]:
        """The hash of each file by its path."""
        return dict(self._pinned)

    def read(self, name: str) -> bytes:
        """The bytes of one file, checked as they are read: nothing can slip in after the check."""
        try:
            data = files.read_inside(self.root, name)
        except FileNotFoundError:
            raise PinsError(self.root, [f"{name} is missing"]) from None
        if sha256(data) != self._pinned.get(name):
            raise PinsError(self.root, [f"{name} was changed"])
        return data

    def below(self, folder: str) -> dict[str, bytes]:
        """Every file below `folder`, by its path relative to it."""
        prefix = folder.rstrip("/") + "/"
        return {
            name.removeprefix(prefix): self.read(name)
            for name in sorted(self._pinned)
            if name.startswith(prefix)
        }


def held(directory: Path) -> PinnedTask:
    """The task as pinned; a foreign one without pins as it is found, and held to that.

    Raises `PinsError` and `TaskError`.
    """
    if not (directory / PINS).is_file() and not load_task(directory).native:
        return PinnedTask(directory, as_found=True)
    return PinnedTask(directory)


def main(arguments: Sequence[str]) -> int:
    """The command line of this module; returns the exit code."""
    if len(arguments) < 2 or arguments[0] not in ("write", "check"):
        print("usage: python -m verifier.pins write|check DIR...", file=sys.stderr)
        return 2
    code = 0
    for directory in arguments[1:]:
        try:
            if arguments[0] == "write":
                print(f"{directory}: {write(directory)}")
                continue
            problems = check(directory)
        except (TaskError, OSError) as error:
            print(error, file=sys.stderr)
            code = max(code, 1)
            continue
        for problem in problems:
            print(f"{directory}: {problem}")
        code = max(code, 3 if problems else 0)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
