"""The sealed verification: from a request to a verdict, whatever happens on the way.

The order is fixed: the task's pins, the artifact, the gates, the metric, the reward. Every way to
end has a type (`verifier.outcomes`), and none of them is a default score.
"""

from __future__ import annotations

import secrets
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tasks import TaskError, load_task
from verifier import cpus as cpu_sets
from verifier import flags
from verifier.artifact import ArtifactRefusedError, Caps, check_files, printable, snapshot_hash
from verifier.cpus import Machine
from verifier.data import judge_data
from verifier.gpus import tenancy
from verifier.gpus.device import want_of
from verifier.gpus.tenancy import Watch
from verifier.grading import Facts, Grade, anchors_of, grade
from verifier.intervals import half_width, median_interval
from verifier.judge import PATIENCE, Case, Judge, JudgeError
from verifier.ledger.manifests import in_words
from verifier.native import NativeJudging, NativeResult
from verifier.outcomes import STATUS, FailedError, NotJudgedError
from verifier.pins import PinnedTask, PinsError, held
from verifier.programs import Sources
from verifier.request import VerifyRequest
from verifier.sandbox import get_backend
from verifier.sandbox.spec import Backend, SandboxUnavailableError
from verifier.scoring import Scale, ScaleError, scale_of
from verifier.screening import screen
from verifier.verdict import (
    Anchors,
    Cause,
    Finding,
    Gate,
    Metric,
    Seal,
    Speedup,
    Status,
    Verdict,
)
from verifier.workshop import M, Programs, Workshop

if TYPE_CHECKING:
    from tasks import Task
    from tasks.autolab import Autolab

Progress = Callable[[str], None]
_WORKSPACE = "environment/app"
_EDITS_SHOWN = 20


@dataclass(slots=True)
class _Draft:
    """What is known of the verdict so far."""

    task: str
    snapshot: str
    task_hash: str = ""
    gates: list[Gate] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    lacks: list[str] = field(default_factory=list)  # why the seal is not official
    anchors: Anchors | None = None
    metric: Metric | None = None
    speedup: Speedup | None = None
    reward: float | None = None
    cause: Cause | None = None
    reason: str = ""
    timed_by: Literal["driver", "task"] = "driver"

    @property
    def status(self) -> Status:
        return "scored" if self.cause is None else STATUS[self.cause]


def verify(
    request: VerifyRequest,
    progress: Progress = lambda _: None,
    backend: Backend | None = None,
) -> Verdict:
    """Judge one snapshot. Call it from the main thread: sandboxes die with the thread that asked.

    `progress` is told each phase in words. Never raises for anything that the request, the task,
    the artifact or the machine can do; the verdict then says what it was.
    """
    started = time.monotonic()
    snapshot = request.snapshot or snapshot_hash(request.files)
    draft = _Draft(Path(request.task).name, snapshot)
    if request.ignored_edits:
        draft.findings.append(_edits(request.ignored_edits))
    backend = backend or get_backend()
    try:
        _judge(request, draft, backend, progress)
    except ArtifactRefusedError as error:
        _fail(draft, FailedError("artifact", "artifact_refused", str(error)))
    except FailedError as error:
        _fail(draft, error)
    except NotJudgedError as error:
        draft.findings += error.findings
        _give_up(draft, error.cause, error.reason)
    except (TaskError, PinsError, ScaleError, JudgeError, SandboxUnavailableError) as error:
        _give_up(draft, "verifier_error", str(error))
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        _give_up(draft, "verifier_error", f"the verifier failed: {type(error).__name__}: {error}")
    return Verdict(
        id=f"v-{secrets.token_hex(8)}",
        session=request.session,
        task=draft.task,
        task_hash=draft.task_hash,
        snapshot=draft.snapshot,
        stage=request.stage,
        gates=tuple(draft.gates),
        metric=draft.metric,
        speedup=draft.speedup,
        reward=draft.reward,
        status=draft.status,
        cause=draft.cause,
        anchors=draft.anchors,
        seal=_seal(backend, draft),
        reason=draft.reason,
        findings=tuple(draft.findings),
        seconds=round(time.monotonic() - started, 3),
        at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )


def _fail(draft: _Draft, failure: FailedError) -> None:
    draft.gates.append(Gate(failure.gate, False, failure.evidence))
    draft.cause, draft.reward = failure.cause, 0.0
    draft.reason = f"gate {failure.gate} failed: {failure.evidence}"


def _give_up(draft: _Draft, cause: Cause, reason: str) -> None:
    draft.cause, draft.reward, draft.reason = cause, None, reason


def _edits(paths: Sequence[str]) -> Finding:
    shown = ", ".join(printable(path, 80) for path in paths[:_EDITS_SHOWN])
    more = len(paths) - _EDITS_SHOWN
    return Finding(
        "info",
        "edited pinned files are ignored",
        f"{shown} and {more} more" if more > 0 else shown,
    )


def _seal(backend: Backend, draft: _Draft) -> Seal:
    level = backend.enforcement().level
    return Seal(level, draft.timed_by, not draft.lacks, "; ".join(draft.lacks))


def _judge(request: VerifyRequest, draft: _Draft, backend: Backend, progress: Progress) -> None:
    progress("pins")
    pinned = held(Path(request.task))
    draft.task_hash = pinned.hash
    task = load_task(Path(request.task))
    draft.task = task.name
    if request.task_hash is not None and request.task_hash != pinned.hash:
        raise NotJudgedError(
            "the task is not the one that the session began with: "
            f"{in_words(request.task_files, pinned.files)} (its hash is {pinned.hash}, "
            f"not {request.task_hash}); restore the task's files, or start a new session"
        )
    backend.require()
    machine = Machine(backend, cpu_sets.choose(request, cpu_sets.threads_of(task)))
    if task.autolab is None:
        with cpu_sets.working(machine.cpus):
            _foreign(request, pinned, machine, draft, progress)
        return
    measured = request.anchors
    if measured is not None and measured.source == "task":
        measured = None  # the task's own are the pinned ones, whatever the request says of them
    scale = scale_of(task, request.size, measured)
    draft.anchors = anchors_of(scale, measured.source if measured else "task")
    progress("artifact")
    chosen = _accept(request, task.autolab, draft)
    judging = _Judging(request, task, task.autolab, pinned, scale, draft)
    with cpu_sets.working(machine.cpus):
        draft.findings += screen(machine, task.autolab.screen, request.files)
        _with_devices(judging, machine, chosen, progress)
    _hold(draft)


def _with_devices(
    judging: _Judging, machine: Machine, chosen: tuple[str, ...], progress: Progress
) -> None:
    devices = tenancy.devices(judging.request, want_of(judging.task))
    with tenancy.turn(devices.uuids):
        watch = Watch(devices.uuids, judging.request.gpus_still, progress)
        try:
            with watch:
                _ask(judging, replace(machine, gpus=devices), chosen, watch.progress)
        except FailedError as error:
            if lost := tenancy.lost(devices.uuids):  # then it is no fault of the candidate's
                raise NotJudgedError(f"{lost}; it had failed: {error}") from error
            raise
        finally:
            _note_others(judging.draft, watch.finding)


def _ask(judging: _Judging, machine: Machine, chosen: tuple[str, ...], progress: Progress) -> None:
    driver = judging.table.driver
    patience = PATIENCE if driver.timed else max(PATIENCE, driver.timeout_sec)
    with Judge(machine, judging.pinned.below("tests"), patience) as judge:
        if driver.timed:
            judging.timed(machine, judge, chosen, progress)
        else:
            judging.data(judge, progress)


def _note_others(draft: _Draft, finding: Finding | None) -> None:
    """Timings that another process on the GPU may have spoiled are not official."""
    if finding is not None:
        draft.findings.append(finding)
        draft.lacks.append(f"{finding.what}: {finding.evidence}")


def _hold(draft: _Draft) -> None:
    """A score beside a severe finding waits for a person."""
    severe = [finding for finding in draft.findings if finding.severity == "severe"]
    if draft.cause is None and severe:
        draft.cause = "tampered"
        draft.reason = f"{severe[0].what} ({severe[0].evidence}); {draft.reason}"


def _foreign(
    request: VerifyRequest,
    pinned: PinnedTask,
    machine: Machine,
    draft: _Draft,
    progress: Progress,
) -> None:
    """A task that is judged by its own test.sh."""
    from verifier.foreign import judging

    draft.timed_by = "task"
    said = judging.Said(draft.gates, draft.findings, draft.lacks)
    try:
        judging.judge(request, pinned, machine, progress, said)
    finally:
        draft.anchors, draft.metric, draft.speedup = said.anchors, said.metric, said.speedup
        draft.reward, draft.cause, draft.reason = said.reward, said.cause, said.reason


def _accept(request: VerifyRequest, table: Autolab, draft: _Draft) -> tuple[str, ...]:
    """The `artifact` gate; returns the flags where the artifact is a flags file."""
    if request.refused is not None:
        raise FailedError("artifact", "artifact_refused", printable(request.refused, 400))
    check_files(request.files, table.editable, Caps())
    chosen: tuple[str, ...] = ()
    if table.flags is not None:
        if table.flags.file not in request.files:
            raise ArtifactRefusedError(table.flags.file, "the file is missing")
        data = request.files[table.flags.file]
        chosen = flags.parse(table.flags.file, data, table.flags.allow)
    if table.driver.kind == "cuda":
        from verifier.cuda.workshop import accept

        accept(table.driver, request.files)
    total = sum(map(len, request.files.values()))
    draft.gates.append(Gate("artifact", True, f"{len(request.files)} files, {total} bytes"))
    return chosen


@dataclass(frozen=True, slots=True)
class _Judging:
    """The part that differs by driver: from an accepted artifact to metric and reward."""

    request: VerifyRequest
    task: Task
    table: Autolab
    pinned: PinnedTask
    scale: Scale
    draft: _Draft

    def timed(
        self, machine: Machine, judge: Judge, chosen: tuple[str, ...], progress: Progress
    ) -> None:
        """A program: built, run and timed."""
        if self.scale.direction != "lower":
            raise NotJudgedError(f'{self.task.name} is timed, so its direction must be "lower"')
        pristine = self.pinned.below(_WORKSPACE)
        fixed = {path: data for path, data in pristine.items() if not self.task.editable(path)}
        own = Sources({**fixed, **self.request.files}, chosen)
        base = Sources(pristine, self._pristine_flags(pristine))
        self._note_machine(machine)
        cases = judge.cases(self.task.size(self.request.size).params)
        run = partial(self._run, machine, judge, sources=(base, own), cases=cases)
        if self.table.driver.kind == "cuda":
            result = self._on_device(machine, cases, partial(run, progress=progress))
        else:
            result = run(progress=progress, workshop=Programs(machine, self.table))
        if not result.delay_known:
            self.draft.lacks.append("this kernel does not tell what others took of the CPU")
        self._score_timing(result, same=own == base)

    def _run(
        self,
        machine: Machine,
        judge: Judge,
        *,
        sources: tuple[Sources, Sources],
        cases: Sequence[Case],
        progress: Progress,
        workshop: Workshop[M],
    ) -> NativeResult:
        """The candidate beside the baseline; what was found is in the draft however it ends."""
        stage = self.request.stage
        judging = NativeJudging(
            machine, self.table, judge, stage=stage, progress=progress, workshop=workshop
        )
        try:
            return judging.run(*sources, cases)
        finally:
            self.draft.gates += judging.gates
            self.draft.findings += judging.findings

    def _on_device(
        self, machine: Machine, cases: Sequence[Case], run: Callable[..., NativeResult]
    ) -> NativeResult:
        from verifier.cuda.workshop import KernelWorkshop

        with KernelWorkshop(machine, self.table, cases) as workshop:
            try:
                return run(workshop=workshop)
            finally:
                self.draft.findings += workshop.findings
                self.draft.lacks += workshop.lacks

    def _pristine_flags(self, pristine: Mapping[str, bytes]) -> tuple[str, ...]:
        table = self.table.flags
        if table is None:
            return ()
        try:
            return flags.parse(table.file, pristine[table.file], table.allow)
        except (ArtifactRefusedError, KeyError) as error:
            raise NotJudgedError(f"the pristine {table.file} cannot be used: {error}") from error

    def _note_machine(self, machine: Machine) -> None:
        lacks = self.draft.lacks
        if not machine.backend.enforcement().official:
            lacks.append("memory, processes, CPUs or freezing are not enforced for a whole tree")
        threads, cpus = self.table.driver.threads, len(machine.cpus.measuring)
        if threads > cpus:
            lacks.append(f"{threads} threads were measured on {cpus} CPU{'s' * (cpus > 1)}")
        elif not machine.cpus.apart and threads == 1:
            lacks.append("no CPU is free of other work to measure on")

    def _score_timing(self, result: NativeResult, *, same: bool) -> None:
        draft, timing = self.draft, result.timing
        samples = tuple(pair.candidate for pair in timing.pairs)
        draft.metric = self._metric(statistics.median(samples), samples)
        baseline = tuple(pair.baseline for pair in timing.pairs)
        draft.speedup = Speedup(timing.speedup, timing.interval, baseline)
        if timing.discarded:
            discarded = f"{timing.discarded} of {timing.discarded + len(timing.pairs)} pairs"
            draft.findings.append(Finding("info", "contended pairs were discarded", discarded))
        self._weigh(result)
        interval = timing.interval
        words = (
            f"{timing.speedup:.3g}x the baseline's speed "
            f"(95 % interval {interval.low:.3g} to {interval.high:.3g}, {len(samples)} pairs)"
        )
        facts = Facts(draft.metric.value, draft.speedup, untouched=same, faster=timing.faster)
        self._graded(grade(self.scale, facts), words)

    def _weigh(self, result: NativeResult) -> None:
        """What a measurement is worth that has no more pairs to take and is still wide.

        Raises `NotJudgedError` (contention) where the machine is to blame.
        """
        asked = result.precision
        width = result.timing.width(asked)
        if width == "tight":
            return
        half = half_width(result.timing.log_interval)
        words = f"the speedup is known to within {half:.1%}, where {asked:.1%} was asked for"
        if width == "unsteady":
            raise NotJudgedError(
                f"the machine was too unsteady: {words}, and the untouched baseline's own time "
                "varied as much; the snapshot can be verified again when it is quieter",
                "contention",
            )
        if width == "loose":
            self.draft.lacks.append(words)
        self.draft.findings.append(
            Finding(
                "warning" if width == "loose" else "info", "the speedup is known less well", words
            )
        )

    def data(self, judge: Judge, progress: Progress) -> None:
        """An artifact that is data: read by the judge."""
        progress("judge")
        params = self.task.size(self.request.size).params
        pristine = {
            path: data
            for path, data in self.pinned.below(_WORKSPACE).items()
            if self.task.editable(path)
        }
        declared = [gate.name for gate in self.table.gates]
        result = judge_data(
            judge,
            self.request.files,
            pristine,
            params,
            seed=secrets.randbits(63),
            declared=declared,
            passed=self.draft.gates,
        )
        self.draft.metric = self._metric(result.metric)
        unit = f" {self.table.unit}" if self.table.unit else ""
        words = f"{self._metric_name()} {result.metric:.10g}{unit}"
        same = dict(self.request.files) == pristine
        facts = Facts(result.metric, None, untouched=same)
        graded = grade(self.scale, facts)
        self.draft.speedup = graded.speedup
        self._graded(graded, words)

    def _metric_name(self) -> str:
        return self.task.optimization.metric if self.task.optimization else "metric"

    def _metric(self, value: float, samples: tuple[float, ...] = ()) -> Metric:
        return Metric(
            self._metric_name(),
            value,
            self.table.unit,
            self.scale.direction,
            samples,
            median_interval(samples),
        )

    def _graded(self, graded: Grade, words: str) -> None:
        draft = self.draft
        draft.reward = graded.reward
        draft.reason = f"{graded.nothing}: {words}" if graded.nothing else words
        if graded.implausible:
            reward = self.table.reward
            draft.cause = "implausible"
            draft.reason = f"{words}: beyond the bound {reward.bound:g} ({reward.bound_reason})"
            draft.findings.append(
                Finding("severe", "better than the task says is possible", draft.reason)
            )
