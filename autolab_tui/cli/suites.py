"""Which task or suite a command line means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks import Suite, Task


def suite_of(path: Path | None) -> Suite:
    """The suite in a directory, or the shipped one; keys that nobody knows are named once."""
    from tasks import load_suite

    return load_suite(path)


def find_task(suite: Path | None, name: str) -> Task:
    """The task of that name in the suite, or in the directory of that name."""
    from tasks import load_task

    if suite is None and (Path(name) / "task.toml").is_file():
        return load_task(Path(name).absolute())
    return suite_of(suite).get(name)
