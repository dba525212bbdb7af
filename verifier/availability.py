"""Whether a task can be judged on this machine: its toolchain, probed inside a sandbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from verifier.sandbox.spec import SandboxUnavailableError

if TYPE_CHECKING:
    from tasks import Task

JUDGE_NEEDS = ("python3",)


def why_not(task: Task, present: Mapping[str, bool]) -> str | None:
    """Why `task` is not available where `present` says which commands exist; None when it is."""
    if task.autolab is None:
        return "only its own test.sh could judge it, which this version does not run"
    missing = [name for name in _needs(task) if not present.get(name, False)]
    if missing:
        return f"missing inside the sandbox: {', '.join(missing)}"
    return None


def availability(tasks: Iterable[Task]) -> dict[str, str | None]:
    """For each task's name, why it is not available, or None. One sandbox answers for all."""
    listed = list(tasks)
    needed = sorted({name for task in listed for name in _needs(task)})
    try:
        present = _present(needed) if needed else {}
    except SandboxUnavailableError as error:
        return {
            task.name: why_not(task, {}) if task.autolab is None else str(error) for task in listed
        }
    return {task.name: why_not(task, present) for task in listed}


def _needs(task: Task) -> tuple[str, ...]:
    if task.autolab is None:
        return ()
    return (*JUDGE_NEEDS, *task.autolab.needs.commands)


def _present(commands: list[str]) -> Mapping[str, bool]:
    from verifier.sandbox.probe import commands_inside

    return commands_inside(commands)
