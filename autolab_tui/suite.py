"""What the screens know of a suite: each task with what it needs and whether this machine has it.

Reading hashes files and starts a sandbox, so it belongs on a thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.numerals import numeral

if TYPE_CHECKING:
    from tasks import Task


@dataclass(frozen=True, slots=True)
class SizeSeen:
    """A task at one size: anchors in the metric's unit, the active budget in seconds."""

    baseline: float | None
    reference: float | None
    active_sec: float | None


@dataclass(frozen=True, slots=True)
class TaskSeen:
    """A task as a screen shows it. `why_not` is empty where it can be judged here."""

    name: str
    domain: str
    path: Path
    why_not: str
    pins: str
    instruction: str
    editable: tuple[str, ...]
    pinned: tuple[str, ...]
    metric: str
    unit: str
    direction: str
    gates: tuple[tuple[str, str], ...]
    needs: str
    bound: str
    stages: tuple[str, ...]
    sizes: Mapping[str, SizeSeen]


@dataclass(frozen=True, slots=True)
class SuiteSeen:
    """The tasks by domain and name, and what is wrong with directories that are none."""

    tasks: tuple[TaskSeen, ...]
    broken: tuple[str, ...]


def read(path: Path | None = None) -> SuiteSeen:
    """The suite in a directory, or the shipped one. Raises `tasks.TaskError`."""
    from tasks import TaskError, load_suite
    from verifier.availability import availability

    suite = load_suite(path)
    reasons = availability(suite.tasks)
    seen, broken = [], [str(one.error) for one in suite.broken]
    for task in suite.tasks:
        try:
            seen.append(_seen(task, reasons[task.name] or ""))
        except TaskError as error:  # one task's fault, not the list's
            broken.append(str(error))
    return SuiteSeen(tuple(sorted(seen, key=lambda t: (t.domain, t.name))), tuple(broken))


def _seen(task: Task, why_not: str) -> TaskSeen:
    from tasks import files
    from verifier import pins

    table, stated = task.autolab, task.optimization
    tree = files.tree(task.path, "environment/app") if task.workspace.is_dir() else ()
    editable = tuple(name for name in tree if task.editable(name))
    sizes = {}
    for name in ("quick", "full") if table is not None else ("full",):
        size = task.size(name)
        sizes[name] = SizeSeen(size.baseline, size.reference, size.active_sec)
    return TaskSeen(
        name=task.name,
        domain=task.domain,
        path=task.path,
        why_not=why_not,
        pins=pins.state(task.path) if task.native else "",
        instruction=task.instruction,
        editable=editable,
        pinned=tuple(name for name in tree if name not in editable),
        metric=stated.metric if stated else "",
        unit=table.unit if table else "",
        direction=stated.direction if stated else "",
        gates=tuple((gate.name, gate.description) for gate in table.gates) if table else (),
        needs=_needs(task),
        bound=f"{numeral(table.reward.bound)}: {table.reward.bound_reason}" if table else "",
        stages=tuple(step.name for step in task.steps()) if task.native else (),
        sizes=sizes,
    )


def _needs(task: Task) -> str:
    table = task.autolab
    if table is None:
        return ""
    named = [*table.needs.commands, *table.needs.modules, *table.needs.headers]
    limits = task.config.environment
    said = [f"{limits.cpus:g} CPU"] if limits.cpus else []
    said += [f"{limits.memory_mb} MB"] if limits.memory_mb else []
    return ", ".join([*named, *said])
