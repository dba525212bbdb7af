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
from verifier.availability import availability, tools_missing
from verifier.pins import PinsState
from verifier.request import SizeName, VerifyRequest
from verifier.sandbox import get_backend
from verifier.sandbox.spec import Backend, SandboxUnavailableError
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
    """Everything that was found about one task; `problems` says in words why it is not `ok`.

    Where a task of device code is not available for want of a device, `proven` says what holds all
    the same, and `unproven` what could not be tried.
    """

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
    proven: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()


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
    if unavailable is None and task.native:
        checking.run()
    elif unavailable is None:
        unavailable = checking.run_foreign()
    else:
        checking.without_device()
    try:
        pinned = pins.state(task.path)
    except TaskError as error:
        pinned = "changed"
        checking.problems.append(str(error))
    if pinned == "changed" or (pinned == "missing" and task.native):
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
        proven=checking.proven,
        unproven=checking.unproven,
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
        self.proven: tuple[str, ...] = ()
        self.unproven: tuple[str, ...] = ()

    def without_device(self) -> None:
        """Of a task of device code, prove what takes no device, if it can be compiled here."""
        table = self._task.autolab
        if table is None or table.driver.kind != "cuda":
            return
        from verifier.cuda.proving import prove

        try:
            if tools_missing(self._task) is not None:
                return
            backend = self._backend or get_backend()
            proof = prove(
                self._task,
                table,
                self._size,
                backend,
                lambda phase: self._progress(f"{self._task.name}: {phase}"),
            )
        except (TaskError, SandboxUnavailableError) as error:
            self.problems.append(str(error))
            return
        self.proven, self.unproven = proof.proven, proof.unproven
        self.problems += proof.problems

    def run(self) -> None:
        """Verify baseline, stages and cheats."""
        try:
            scale = scale_of(self._task, self._size)
            self.reference_reward = scale.reference_reward
            self._baseline(self._task.baseline())
            self._stages(scale)
            self._cheats()
        except (TaskError, ScaleError) as error:
            self.problems.append(str(error))

    def run_foreign(self) -> str | None:
        """Verify baseline and solution by the task's own test.sh; why it cannot be run here."""
        from verifier.foreign import known
        from verifier.foreign.attempt import baseline_failure, works
        from verifier.foreign.workspace import ImageError, OracleError, workspace_of

        facts = known.about(self._task)
        if facts is not None:
            self.reference_reward = facts.reward(facts.reference)
        try:
            place = workspace_of(
                self._task,
                self._backend,
                lambda phase: self._progress(f"{self._task.name}: {phase}"),
            )
            self._baseline(place.baseline)
            failure = baseline_failure(place.image) if works(self._task) else None
            if failure is not None:  # this machine's fault as far as anybody can tell
                self.problems.clear()
                return f"its untouched files fail here: {failure}"
            solved = place.solve(self._backend)
            verdict = self._verify("solution", solved.files)
        except ImageError as error:
            return str(error)
        except (TaskError, OracleError) as error:
            self.problems.append(str(error))
            return None
        self._stage("solve.sh", verdict, None, timed=False, least=None)
        return None

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

    def _baseline(self, files: Mapping[str, bytes]) -> None:
        verdict = self._verify("baseline", files)
        self.baseline_reward = verdict.reward
        if verdict.reward != 0.0 or verdict.failed_gate is not None:
            self.problems.append(f"the untouched baseline must score 0: {_said(verdict)}")

    def _stages(self, scale: Scale) -> None:
        steps = self._task.steps()
        if not steps:
            self.problems.append("there is no reference: add solution/steps/NN-name/")
            return
        timed = self._task.autolab is not None and self._task.autolab.driver.timed
        before: Verdict | None = None
        verdict: Verdict | None = None
        for number, step in enumerate(steps):
            verdict = self._verify(step.name, step.artifact)
            last = number == len(steps) - 1
            if timed and self._surprising(verdict, before, scale if last else None):
                # Another machine's noise can spoil one measurement; it does not spoil two alike.
                if before is not None:
                    before = self._verify(steps[number - 1].name, steps[number - 1].artifact)
                verdict = self._verify(step.name, step.artifact)
            self._stage(step.name, verdict, before, timed=timed)
            if verdict.status == "scored":
                before = verdict
        self._reference(verdict, scale.reference_reward)

    def _surprising(self, verdict: Verdict, before: Verdict | None, scale: Scale | None) -> bool:
        """Whether a stage that scored is not what the author claims, given the one before."""
        if verdict.status != "scored" or verdict.reward is None:
            return False
        gain = _gain(verdict, before)
        off = scale is not None and _off(verdict.reward, scale.reference_reward)
        return off or (gain is not None and gain < STAGE_GAIN)

    def _stage(
        self,
        name: str,
        verdict: Verdict,
        before: Verdict | None,
        *,
        timed: bool,
        least: float | None = 0.0,
    ) -> None:
        """Note a stage. One judged as data earns more than the one before, or than `least`.

        A foreign task's reward goes by times of its author's machine: its solution may earn nothing
        on a slower one.
        """
        speedup = verdict.speedup.value if verdict.speedup else None
        gain = _gain(verdict, before) if timed else None
        self.stages.append(StageCheck(name=name, reward=verdict.reward, speedup=speedup, gain=gain))
        if verdict.status != "scored" or verdict.reward is None:
            self.problems.append(f"stage {name} must score: {_said(verdict)}")
        elif gain is not None and gain < STAGE_GAIN:
            self.problems.append(
                f"stage {name} is {gain:.3g} times as fast as the one before, not {STAGE_GAIN:g}"
            )
        elif (
            not timed
            and least is not None
            and verdict.reward <= ((before and before.reward) or least)
        ):
            self.problems.append(f"stage {name} earns no more than the one before")

    def _reference(self, last: Verdict | None, expected: float) -> None:
        if last is None or last.reward is None:
            return
        if _off(last.reward, expected):
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


def _gain(verdict: Verdict, before: Verdict | None) -> float | None:
    """How many times as fast as the stage before, or as the baseline; None where not timed."""
    if verdict.speedup is None:
        return None
    return verdict.speedup.value / (before.speedup.value if before and before.speedup else 1.0)


def _off(reward: float, expected: float) -> bool:
    return abs(reward - expected) > REFERENCE_SHARE * expected


def _said(verdict: Verdict) -> str:
    reward = "unknown" if verdict.reward is None else f"{verdict.reward:.4g}"
    return f"status {verdict.status}, reward {reward}: {verdict.reason}"
