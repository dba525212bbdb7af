"""Judging a foreign task: its own test.sh in a sealed room, and its word read with suspicion.

How each way to end becomes a status stands in docs/verifier.md; the order of the gates is
`artifact`, `test_sh` (it ran to its end), `correct` (what the task itself says).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tasks import load_task
from verifier.artifact import printable
from verifier.cpus import Machine
from verifier.foreign import clock, known, layout, screening
from verifier.foreign.attempt import (
    Attempt,
    Case,
    attempt,
    check_baseline,
    note_baseline,
    why_wrong,
    works,
)
from verifier.foreign.availability import limits_problem, needs_problem
from verifier.foreign.building import ensure
from verifier.foreign.image import Image, ImageError
from verifier.foreign.known import Known
from verifier.foreign.layout import Layout
from verifier.foreign.reward import Stated
from verifier.numerals import numeral
from verifier.outcomes import FailedError, NotJudgedError
from verifier.verdict import Anchors, Cause, Direction, Finding, Gate, Metric, Speedup

if TYPE_CHECKING:
    from tasks import Task
    from verifier.pins import PinnedTask
    from verifier.request import VerifyRequest

OPEN = (
    "the task's own test.sh held the clock and gave the verdict, and what it runs of the artifact "
    "runs in its sandbox and under its uid: such a program could print the line that test.sh looks "
    "for, or skip work that test.sh does not check"
)
_OFF = 2e-3  # a stated reward may differ from ours by what a task rounds away
_SHOWN = 12
Progress = Callable[[str], None]


@dataclass(slots=True)
class Said:
    """What becomes known; the lists may be somebody else's, which are then filled."""

    gates: list[Gate] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    lacks: list[str] = field(default_factory=list)
    anchors: Anchors | None = None
    metric: Metric | None = None
    speedup: Speedup | None = None
    reward: float | None = None
    cause: Cause | None = None
    reason: str = ""


def judge(
    request: VerifyRequest, pinned: PinnedTask, machine: Machine, progress: Progress, said: Said
) -> None:
    """Judge a snapshot of a foreign task into `said`.

    Raises `FailedError`, `NotJudgedError`, `ArtifactRefusedError`, `TaskError` and
    `SandboxUnavailableError`; what was known by then is in `said`.
    """
    task = load_task(pinned.root)
    said.lacks.append(OPEN)
    _say_limits(task, machine, said)
    image = _image(task, machine, progress)
    files_of = layout.layout_of(task, image)
    progress("artifact")
    kept = _accept(request, files_of, said)
    facts = known.about(task)
    said.anchors = _anchors(task, facts)
    said.findings += screening.findings(machine, kept, files_of.editable)
    case = Case(task, pinned, image, files_of, machine, progress)
    untouched = dict(kept) == dict(files_of.editable)
    try:
        found = attempt(case, kept)
        said.gates.append(Gate("test_sh", True, f"ended well after {found.ended.seconds:.2f} s"))
        if found.rewritten is not None:
            said.findings.append(found.rewritten)
        _decide(task, facts, found, said)
    except FailedError as failure:
        _hold_against_baseline(case, failure, untouched=untouched)
        raise
    if untouched:
        note_baseline(image, None)
        stated = found.stated.reward
        words = f"; its test.sh gives {stated:g}" if stated else ""
        said.reward, said.reason = 0.0, f"the editable files are the baseline's own{words}"
    _hold(said)


def _hold(said: Said) -> None:
    """A score beside a severe finding waits for a person."""
    severe = [finding for finding in said.findings if finding.severity == "severe"]
    if said.cause is None and said.reward and severe:
        said.cause = "tampered"
        said.reason = f"{severe[0].what} ({severe[0].evidence}); {said.reason}"


def _hold_against_baseline(case: Case, failure: FailedError, *, untouched: bool) -> None:
    """Raises `NotJudgedError` where untouched files that should work fail here as well."""
    if not works(case.task):
        return
    if untouched:
        note_baseline(case.image, failure.evidence)
        why: str | None = failure.evidence
    else:
        why = check_baseline(case)
    if why is not None:
        also = "" if untouched else f"; the snapshot: {failure.evidence}"
        raise NotJudgedError(f"the untouched files fail here: {why}{also}") from failure


def _image(task: Task, machine: Machine, progress: Progress) -> Image:
    why = limits_problem(task) or needs_problem(task)
    if why is None:
        progress("image")
        try:
            return ensure(task, machine.backend, progress, machine.cpus.working)
        except ImageError as error:
            why = str(error)
    raise NotJudgedError(f"{task.name} is not available here: {why}")


def _say_limits(task: Task, machine: Machine, said: Said) -> None:
    stated = task.config.environment.cpus
    have = len({*machine.cpus.measuring, *machine.cpus.working})
    if stated is not None and math.ceil(stated) > have:
        said.lacks.append(f"the task states {stated:g} CPUs and there are {have}")
    if clock.timed(task) and not machine.cpus.apart and clock.threads(task) == 1:
        said.lacks.append("no CPU is free of other work to measure on")
    if not machine.backend.enforcement().official:
        said.lacks.append("memory, processes, CPUs or freezing are not enforced for a whole tree")


def _accept(request: VerifyRequest, files_of: Layout, said: Said) -> dict[str, bytes]:
    if request.refused is not None:
        raise FailedError("artifact", "artifact_refused", printable(request.refused, 400))
    kept, left = layout.check(files_of, request.files)
    if left:
        said.findings.append(
            Finding("info", "files that are not the agent's to change stay behind", _names(left))
        )
    changed = [path for path, data in kept.items() if files_of.editable.get(path) != data] + [
        path for path in files_of.editable if path not in kept
    ]
    said.findings.append(
        Finding(
            "info",
            f"what crosses is decided by {files_of.source}",
            f"changed: {_names(sorted(changed)) or 'nothing'}",
        )
    )
    total = sum(map(len, kept.values()))
    said.gates.append(Gate("artifact", True, f"{len(kept)} files, {total} bytes"))
    return kept


def _names(paths: tuple[str, ...] | list[str]) -> str:
    shown = ", ".join(printable(path, 80) for path in paths[:_SHOWN])
    more = len(paths) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _anchors(task: Task, facts: Known | None) -> Anchors | None:
    if facts is not None:
        end = facts.best if facts.rule == "linear" else facts.reference
        return Anchors("task", facts.baseline, end)
    stated = task.optimization
    if stated is None or stated.baseline is None or stated.reference is None:
        return None
    if stated.baseline.score is None or stated.reference.score is None:
        return None
    return Anchors("task", stated.baseline.score, stated.reference.score)


def _decide(task: Task, facts: Known | None, found: Attempt, said: Said) -> None:
    """Metric and reward: by our own arithmetic where the task's rule is known."""
    stated = found.stated
    if stated.correct is False:
        raise FailedError("correct", "gate", why_wrong(found))
    if stated.correct is True:
        said.gates.append(Gate("correct", True, "says the task's test.sh"))
    value = _value(task, facts, stated)
    if value is not None:
        said.metric = Metric(_metric_name(task), value, "", _direction(task))
        speedup = facts.speedup(value) if facts is not None else None
        said.speedup = None if speedup is None else Speedup(speedup)
    words = (
        f"{_metric_name(task)} {numeral(value, 10)}" if value is not None else "no metric is stated"
    )
    said.reward = stated.reward
    said.reason = f"{words}; reward {stated.reward:g} as its test.sh gives it"
    if facts is None:
        said.findings.append(
            Finding("info", "the reward is test.sh's own word", "its rule is not known here")
        )
        return
    if value is None and stated.reward > 0:
        raise NotJudgedError(
            f"test.sh gives {stated.reward:g} and no {facts.metric} that this could follow from"
        )
    if value is None:
        return
    ours = facts.reward(value)
    if stated.reward == 0 and ours > _OFF:
        raise FailedError("correct", "gate", why_wrong(found))
    said.reward = ours
    said.reason = f"{words}; reward by the task's rule ({facts.rule}), computed here"
    if abs(ours - stated.reward) > _OFF:
        said.findings.append(
            Finding(
                "warning",
                "test.sh's reward does not follow from its metric",
                f"it says {stated.reward:g}; {facts.rule} of {numeral(value, 10)} is {ours:g}",
            )
        )
    if facts.rule == "log" and value <= 0:
        said.cause = "implausible"
        said.reason = f"{words}: no run takes no time"
        said.findings.append(Finding("severe", "an impossible metric", words))


def _value(task: Task, facts: Known | None, stated: Stated) -> float | None:
    names = [facts.metric] if facts is not None else ["metric", _metric_name(task)]
    return next((found for name in names if (found := stated.number(name)) is not None), None)


def _metric_name(task: Task) -> str:
    return (task.optimization.metric if task.optimization else "") or "metric"


def _direction(task: Task) -> Direction:
    return task.optimization.direction if task.optimization else "lower"
