"""Judging an artifact that is data: the judge reads it, and nothing of it is ever executed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verifier.artifact import printable
from verifier.judge import Judge, JudgeError
from verifier.outcomes import FailedError, NotJudgedError
from verifier.verdict import Finding, Gate


@dataclass(frozen=True, slots=True)
class DataResult:
    """An artifact that passed every gate, and its metric."""

    gates: tuple[Gate, ...]
    metric: float


def judge_data(
    judge: Judge,
    files: Mapping[str, bytes],
    pristine: Mapping[str, bytes],
    params: Mapping[str, Any],
    *,
    seed: int,
    declared: Sequence[str],
    passed: list[Gate],
) -> DataResult:
    """Judge `files`; gates that pass are added to `passed` as they are reached.

    `seed` is the host's choice for this verification, for judges that draw something.

    Raises `FailedError` naming the first gate that fails, and `NotJudgedError` when the judge gives
    no usable answer. An artifact on which the judge breaks down although it judges the pristine
    one is a severe finding: a person should look at both.
    """
    try:
        gates, metric = judge.judge(files, params, seed)
    except JudgeError as error:
        raise NotJudgedError(
            f"the judge failed: {error}", findings=_findings(judge, pristine, params, seed, error)
        ) from error
    if not gates:
        raise NotJudgedError("judge.py names no gate, neither passed nor failed")
    for gate in gates:
        if gate.name in {before.name for before in passed}:
            raise NotJudgedError(f'judge.py reports the gate "{gate.name}" twice')
        if gate.name not in declared:
            raise NotJudgedError(f'judge.py reports a gate "{gate.name}" not in task.toml')
        evidence = printable(gate.evidence)
        if not gate.passed:
            raise FailedError(gate.name, "gate", evidence)
        passed.append(Gate(gate.name, True, evidence))
    if metric is None or not math.isfinite(metric):
        raise NotJudgedError(f"the judge passed every gate but gave the metric {metric}")
    return DataResult(tuple(passed), metric)


def _findings(
    judge: Judge,
    pristine: Mapping[str, bytes],
    params: Mapping[str, Any],
    seed: int,
    error: JudgeError,
) -> tuple[Finding, ...]:
    try:
        judge.anew()
        judge.judge(pristine, params, seed)
    except JudgeError:
        return ()
    return (
        Finding("severe", "the judge breaks on this artifact only", printable(str(error), 400)),
    )
