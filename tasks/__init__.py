"""What is asked: the task format, and the task directories, one folder per domain.

`load_task(path)` and `load_suite(path)` are the way in. Importing this package alone costs nothing:
the loader, and pydantic with it, is imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.errors import TaskError as TaskError
    from tasks.loader import load_task as load_task
    from tasks.suite import Broken as Broken
    from tasks.suite import Suite as Suite
    from tasks.suite import load_suite as load_suite
    from tasks.task import Cheat as Cheat
    from tasks.task import Size as Size
    from tasks.task import Step as Step
    from tasks.task import Task as Task

__all__ = [
    "Broken",
    "Cheat",
    "Size",
    "Step",
    "Suite",
    "Task",
    "TaskError",
    "load_suite",
    "load_task",
]

_HOMES = {
    "TaskError": "tasks.errors",
    "load_task": "tasks.loader",
    "Broken": "tasks.suite",
    "Suite": "tasks.suite",
    "load_suite": "tasks.suite",
    "Cheat": "tasks.task",
    "Size": "tasks.task",
    "Step": "tasks.task",
    "Task": "tasks.task",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
