"""A set of tasks: the one shipped here, or any directory of task directories."""

from __future__ import annotations

import fnmatch
import os
from dataclasses import dataclass
from pathlib import Path

from tasks import files
from tasks.errors import TaskError
from tasks.loader import load_task
from tasks.nearest import hint
from tasks.task import Task


@dataclass(frozen=True, slots=True)
class Broken:
    """A directory that should be a task and is not."""

    path: Path
    error: TaskError


@dataclass(frozen=True, slots=True)
class Suite:
    """The tasks below `path`, by domain and name, and those that could not be loaded."""

    path: Path
    tasks: tuple[Task, ...]
    broken: tuple[Broken, ...]

    def find(self, pattern: str) -> tuple[Task, ...]:
        """The tasks whose name, directory name or domain/name the glob matches; maybe none."""
        return tuple(
            task
            for task in self.tasks
            if any(fnmatch.fnmatchcase(name, pattern) for name in _names(task))
        )

    def get(self, name: str) -> Task:
        """The one task of that name. Raises `TaskError` with the nearest name."""
        found = self.find(name)
        if len(found) == 1:
            return found[0]
        if found:
            several = ", ".join(f"{task.domain}/{task.path.name}" for task in found)
            raise TaskError(
                self.path, "is more than one task", value=name, remedy=f"name one of {several}"
            )
        for broken in self.broken:
            if broken.path.name == name:
                raise broken.error
        known = [task.path.name for task in self.tasks]
        remedy = hint(name, known, f"it has {', '.join(known) or 'no tasks'}")
        raise TaskError(self.path, "is not a task of this suite", value=name, remedy=remedy)


def shipped() -> Path:
    """The directory of the suite that is part of this package."""
    return Path(__file__).parent


def load_suite(path: Path | str | None = None) -> Suite:
    """Load every task below `path` (None: the shipped suite), at most two folders deep.

    `path` may be one task, a directory of tasks, one of domain folders, or a checkout with either
    in its `tasks/` folder. Raises `TaskError` when there is no task at all.
    """
    root = shipped() if path is None else Path(path).absolute()
    try:
        if not root.is_dir():
            raise TaskError(root, "is not a directory", remedy="give a directory of tasks")
        found = _task_directories(root)
    except OSError as error:
        raise files.unreadable(root, error) from error
    if not found:
        raise TaskError(
            root,
            "has no task",
            remedy="give a directory whose folders (or tasks/ folder) have a task.toml",
        )
    tasks: list[Task] = []
    broken: list[Broken] = []
    for directory in found:
        try:
            tasks.append(load_task(directory))
        except TaskError as error:
            broken.append(Broken(directory, error))
    tasks.sort(key=lambda task: (task.domain, task.name))
    return Suite(root, tuple(tasks), tuple(broken))


def _task_directories(root: Path) -> list[Path]:
    if _is_task(root):
        return [root]
    inner = root / "tasks"
    base = inner if inner.is_dir() and not _is_task(inner) else root
    found: list[Path] = []
    for child in _folders(base):
        found += [child] if _is_task(child) else [p for p in _folders(child) if _is_task(p)]
    return found


def _is_task(path: Path) -> bool:
    return os.path.lexists(path / "task.toml")


def _folders(path: Path) -> list[Path]:
    return sorted(
        child
        for child in path.iterdir()
        if not child.name.startswith(".") and child.name not in files.IGNORED and child.is_dir()
    )


def _names(task: Task) -> set[str]:
    folder = task.path.name
    return {task.name, folder, f"{task.domain}/{task.name}", f"{task.domain}/{folder}"}
