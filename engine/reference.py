"""A task's reference solution, and its editable files in words, whatever kind of task it is."""

from __future__ import annotations

from collections.abc import Mapping

from engine.session.editable import foreign
from tasks import Task


def editable(task: Task) -> tuple[str, ...]:
    """The files that count, as an agent is told of them. May build a foreign task's image."""
    return task.autolab.editable if task.autolab else foreign(task).words


def solved(task: Task) -> Mapping[str, bytes]:
    """The files of the finished reference.

    A foreign task's solution is carried out in a sandbox of its own, and what it changed is taken.
    Raises `ValueError` where there is no reference, or it does not work.
    """
    if task.native:
        steps = task.steps()
        if not steps:
            raise ValueError(f"task {task.name} has no solution/steps")
        return steps[-1].artifact
    from verifier.foreign.workspace import OracleError

    place = foreign(task)
    try:
        found = place.solve().files
    except OracleError as error:
        raise ValueError(str(error)) from error
    changed = {path: data for path, data in found.items() if place.baseline.get(path) != data}
    if not changed:
        raise ValueError(f"solution/solve.sh of {task.name} changes no editable file")
    for path, data in changed.items():
        try:
            data.decode()
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{path} of the solution is no text: no tool could write it"
            ) from error
    return changed
