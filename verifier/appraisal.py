"""What an accepted artifact is worth: measured as its driver says, to metric and reward."""

from __future__ import annotations

import secrets
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from verifier import flags
from verifier.artifact import ArtifactRefusedError
from verifier.cpus import Machine
from verifier.data import judge_data
from verifier.draft import Draft
from verifier.grading import Facts, Grade, grade
from verifier.intervals import half_width, median_interval
from verifier.judge import Case, Judge
from verifier.native import NativeJudging, NativeResult
from verifier.numerals import numeral
from verifier.outcomes import NotJudgedError
from verifier.pins import PinnedTask
from verifier.programs import Sources
from verifier.request import VerifyRequest
from verifier.scoring import Scale
from verifier.verdict import (
    Finding,
    Metric,
    Speedup,
)
from verifier.workshop import M, Programs, Workshop

if TYPE_CHECKING:
    from tasks import Task
    from tasks.autolab import Autolab

Progress = Callable[[str], None]
_WORKSPACE = "environment/app"


@dataclass(frozen=True, slots=True)
class Appraisal:
    """Of one artifact. What is found goes into the draft, however it ends."""

    request: VerifyRequest
    task: Task
    table: Autolab
    pinned: PinnedTask
    scale: Scale
    draft: Draft

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
            f"{numeral(timing.speedup, 3)}x the baseline's speed "
            f"(95 % interval {numeral(interval.low, 3)} to {numeral(interval.high, 3)}, "
            f"{len(samples)} pairs)"
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
        words = f"{self._metric_name()} {numeral(result.metric, 10)}{unit}"
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
            draft.reason = (
                f"{words}: beyond the bound {numeral(reward.bound, 6)} ({reward.bound_reason})"
            )
            draft.findings.append(
                Finding("severe", "better than the task says is possible", draft.reason)
            )
