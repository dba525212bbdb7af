"""Measuring a task's two anchors on this machine, by the sealed verifier's own driver."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import TYPE_CHECKING

from verifier.anchors import Calibration, machine_facts
from verifier.request import SizeName, VerifyRequest
from verifier.sandbox.spec import Backend
from verifier.scoring import ScaleError, scale_of
from verifier.sealed import verify

if TYPE_CHECKING:
    from tasks import Task

_TRIES = 3
_HELD = ("scored", "suspect")  # a reference beyond the task's bound is said to be so below
Progress = Callable[[str], None]


class CalibrationError(Exception):
    """The anchors could not be measured; the message names the task, why, and a remedy."""


def why_not(task: Task) -> str:
    """Why there is nothing to calibrate in this task, in words; empty where there is."""
    if task.autolab is None:
        return "it has no [autolab] table"
    if task.autolab.driver.kind == "data":
        return "it is judged as data, the same on every machine"
    if not task.steps():
        return "it has no reference in solution/steps"
    return ""


def calibrate(
    task: Task,
    size: SizeName = "quick",
    progress: Progress = lambda _: None,
    backend: Backend | None = None,
) -> Calibration:
    """Time the last stage of the reference beside the pristine baseline, as a final verdict does.

    Contention is waited out a few times. Call it from the main thread. Raises `CalibrationError`.
    """
    if (why := why_not(task)) != "":
        raise CalibrationError(f"{task.name} cannot be calibrated: {why}")
    last = task.steps()[-1]
    request = VerifyRequest(
        task=str(task.path), files=dict(last.artifact), stage="final", size=size
    )
    for _ in range(_TRIES):
        verdict = verify(request, progress, backend)
        if verdict.cause != "contention":
            break
    metric, speedup = verdict.metric, verdict.speedup
    if verdict.status not in _HELD or metric is None or speedup is None or not speedup.baseline:
        raise CalibrationError(f"{task.name}: stage {last.name} was not timed: {verdict.reason}")
    baseline = statistics.median(speedup.baseline)
    found = Calibration(
        task=task.name,
        task_hash=verdict.task_hash,
        size=size,
        machine=machine_facts(task),
        stage=last.name,
        baseline=baseline,
        reference=baseline / speedup.value,
        speedup=speedup,
        samples=metric.samples,
        seal=verdict.seal,
        at=verdict.at,
    )
    try:
        scale_of(task, size, found.anchors)
    except ScaleError as error:
        raise CalibrationError(
            f"{task.name}: its reference is {speedup.value:.3g} times as fast as its baseline "
            f"here, which makes no scale: {error}"
        ) from error
    return found
