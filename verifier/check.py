"""Whether a task is fit to be run: proved by verifying what its author claims about it.

The untouched baseline scores exactly 0; each timed stage of the reference is at least 1.25 times as
fast as the one before (a stage judged as data earns more); the last one earns the reference's
reward within 15 %; every cheat scores 0 and is stopped by the gate that it names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from tasks import TaskError
from verifier import pins
from verifier.availability import availability
from verifier.pins import PinsState
from verifier.request import SizeName, VerifyRequest
from verifier.sandbox.spec import Backend
from verifier.scoring import Scale, ScaleError, scale_of
from verifier.sealed import verify
from verifier.verdict import Verdict

if TYPE_CHECKING:
    from tasks import Task

STAGE_GAIN = 1.25
REFERENCE_SHARE = 0.15
_TRIES = 3
Progress = Callable[[str], None]


class StageCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of the reference; `gain` is how many times as fast as the stage before it is."""

    name: str
    reward: float | None
    speedup: float | None = None
    gain: float | None = None


class CheatCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One cheat, and the gate that stopped it."""

    name: str
    reward: float | None
    gate: str | None


class TaskCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was found about one task; `problems` says in words why it is not `ok`."""

    name: str
    domain: str
    available: bool
    why_not: str | None = None
    baseline_reward: float | None = None
    stages: tuple[StageCheck, ...] = ()
    reference_reward: float | None = None
    cheats: tuple[CheatCheck, ...] = ()
    pins: PinsState
    seconds: float
    ok: bool
    problems: tuple[str, ...] = ()


def check_task(
    task: Task,
    size: SizeName = "quick",
    progress: Progress = lambda _: None,
    backend: Backend | None = None,
) -> TaskCheck:
    """Check one task; `progress` is told what is being verified. Call it from the main thread.

    Never raises for anything that is wrong with the task. A task that is not available here is
    neither ok nor are there problems of its own.
    """
    started = time.monotonic()
    unavailable = availability([task])[task.name]
    checking = _Checking(task, size, progress, backend)
    if unavailable is None:
        checking.run()
    try:
        pinned = pins.state(task.path)
    except TaskError as error:
        pinned = "changed"
        checking.problems.append(str(error))
    if pinned != "ok":
        checking.problems.insert(0, _pins_problem(task, pinned))
    return TaskCheck(
        name=task.name,
        domain=task.domain,
        available=unavailable is None,
        why_not=unavailable,
        baseline_reward=checking.baseline_reward,
        stages=tuple(checking.stages),
        reference_reward=checking.reference_reward,
        cheats=tuple(checking.cheats),
        pins=pinned,
        seconds=round(time.monotonic() - started, 3),
        ok=unavailable is None and not checking.problems,
        problems=tuple(checking.problems),
    )


def _pins_problem(task: Task, state: PinsState) -> str:
    what = "there is no pins.json" if state == "missing" else "the files are not the pinned ones"
    return f"{what}; if they are as meant, run `autolab tasks pin {task.path}`"


class _Checking:
    """What has been found so far."""

    def __init__(
        self, task: Task, size: SizeName, progress: Progress, backend: Backend | None
    ) -> None:
        self._task = task
        self._size = size
        self._progress = progress
        self._backend = backend
        self.baseline_reward: float | None = None
        self.reference_reward: float | None = None
        self.stages: list[StageCheck] = []
        self.cheats: list[CheatCheck] = []
        self.problems: list[str] = []

    def run(self) -> None:
        """Verify baseline, stages and cheats."""
        try:
            scale = scale_of(self._task, self._size)
            self.reference_reward = scale.reference_reward
            self._baseline()
            self._stages(scale)
            self._cheats()
        except (TaskError, ScaleError) as error:
            self.problems.append(str(error))

    def _verify(self, what: str, files: Mapping[str, bytes]) -> Verdict:
        """One verdict; contention is waited out a few times."""
        self._progress(f"{self._task.name}: {what}")
        for _ in range(_TRIES):
            verdict = verify(
                VerifyRequest(task=str(self._task.path), files=dict(files), size=self._size),
                lambda phase: self._progress(f"{self._task.name}: {what}: {phase}"),
                self._backend,
            )
            if verdict.cause != "contention":
                break
        return verdict

    def _baseline(self) -> None:
        verdict = self._verify("baseline", self._task.baseline())
        self.baseline_reward = verdict.reward
        if verdict.reward != 0.0 or verdict.failed_gate is not None:
            self.problems.append(f"the untouched baseline must score 0: {_said(verdict)}")

    def _stages(self, scale: Scale) -> None:
        before, reward_before, last = 1.0, 0.0, None
        steps = self._task.steps()
        if not steps:
            self.problems.append("there is no reference: add solution/steps/NN-name/")
            return
        timed = self._task.autolab is not None and self._task.autolab.driver.kind == "native"
        for step in steps:
            last = self._verify(step.name, step.artifact)
            speedup = last.speedup.value if last.speedup else None
            gain = speedup / before if timed and speedup is not None else None
            self.stages.append(
                StageCheck(name=step.name, reward=last.reward, speedup=speedup, gain=gain)
            )
            if last.status != "scored" or last.reward is None:
                self.problems.append(f"stage {step.name} must score: {_said(last)}")
                continue
            if gain is not None and gain < STAGE_GAIN:
                self.problems.append(
                    f"stage {step.name} is {gain:.3g} times as fast as the one before, "
                    f"not {STAGE_GAIN:g}"
                )
            if not timed and last.reward <= reward_before:
                self.problems.append(f"stage {step.name} earns no more than the one before")
            before, reward_before = speedup or before, last.reward
        self._reference(last, scale.reference_reward)

    def _reference(self, last: Verdict | None, expected: float) -> None:
        if last is None or last.reward is None:
            return
        if abs(last.reward - expected) > REFERENCE_SHARE * expected:
            self.problems.append(
                f"the last stage earns {last.reward:.4g}, over {REFERENCE_SHARE:.0%} away from "
                f"the reference's {expected:.4g}: measure anew and correct the anchors"
            )

    def _cheats(self) -> None:
        for cheat in self._task.cheats():
            verdict = self._verify(f"cheat {cheat.name}", cheat.artifact)
            gate = verdict.failed_gate
            self.cheats.append(CheatCheck(name=cheat.name, reward=verdict.reward, gate=gate))
            if verdict.reward != 0.0 or gate != cheat.gate:
                self.problems.append(
                    f"cheat {cheat.name} must fail at gate {cheat.gate}: {_said(verdict)}"
                )


def _said(verdict: Verdict) -> str:
    reward = "unknown" if verdict.reward is None else f"{verdict.reward:.4g}"
    return f"status {verdict.status}, reward {reward}: {verdict.reason}"
