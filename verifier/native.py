"""Judging a program: build it, test it on every case, then time it beside the pristine baseline.

Every output is checked, the timed ones too, against what the baseline makes of the same input.
"""

from __future__ import annotations

import contextlib
import math
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

from verifier import memfd
from verifier.artifact import printable
from verifier.build import BuildError
from verifier.cpus import Cpus, Machine, turn
from verifier.judge import Case, Judge, JudgeError
from verifier.measure import Pair, Timing, contended, own_seconds, plan_for, take_pairs
from verifier.outcomes import FailedError, NotJudgedError
from verifier.programs import Sources
from verifier.repetition import Repetition
from verifier.screening import screen
from verifier.screening import watch as watching
from verifier.verdict import Cause, Finding, Gate, Stage
from verifier.workshop import M, Workshop

if TYPE_CHECKING:
    from tasks.autolab import Autolab

Progress = Callable[[str], None]
_LOG_SHOWN = 1500


@dataclass(frozen=True, slots=True)
class NativeResult:
    """A candidate that passed every gate, and how its time compares.

    `precision` is the half-width that was asked of the interval.
    """

    gates: tuple[Gate, ...]
    timing: Timing
    precision: float
    delay_known: bool


class NativeJudging(Generic[M]):
    """One candidate against the pristine baseline. `gates` are those passed so far, in order."""

    def __init__(
        self,
        machine: Machine,
        table: Autolab,
        judge: Judge,
        *,
        stage: Stage,
        progress: Progress,
        workshop: Workshop[M],
    ) -> None:
        self._machine = machine
        self._workshop = workshop
        aside = machine.cpus.working
        self._beside = Machine(machine.backend, Cpus(aside, aside))
        self._baseline: M | None = None
        self._table = table
        self._judge = judge
        self._stage = stage
        self._progress = progress
        self._delay_known = True
        self._said: set[str] = set()  # the gates that the judge's own check has spoken of
        self.gates: list[Gate] = []
        self.findings: list[Finding] = []
        self._watch: watching.Watch | None = None

    def run(
        self,
        pristine: Sources,
        candidate: Sources,
        cases: Sequence[Case],
    ) -> NativeResult:
        """Build both, test, time.

        Raises `FailedError` for the candidate's failures and `NotJudgedError` for all others'.
        """
        timed = [case for case in cases if case.timed]
        if not timed:
            raise NotJudgedError("judge.py names no timed case, so there is nothing to measure")
        self._progress("build")
        baseline_program = self._build_baseline(pristine)
        candidate_program = self._build_candidate(candidate)
        self._baseline = baseline_program
        self.gates.append(Gate("builds", True, f"{candidate_program.size} bytes"))
        images = candidate_program.image, baseline_program.image
        if pristine != candidate and images[0] is not None and images[1] is not None:
            self.findings += screen(self._machine, self._table.screen, {}, (images[0], images[1]))
        untimed = [case for case in cases if not case.timed]
        if self._workshop.watched and watching.supported() and pristine != candidate:
            self._watch = watching.Watch(self._table.driver.threads)
        try:
            for number, case in enumerate(untimed):
                self._progress(f"correctness {number + 1}/{len(untimed)}: {case.name}")
                self._pair(baseline_program, candidate_program, [case], None)
        finally:
            if self._watch is not None:
                self.findings += self._watch.findings(self._table.screen.running)
                self._watch = None
        self._progress("waiting for the measuring CPU")
        same = pristine == candidate
        plan = plan_for(self._table.measure, self._stage, same=same)
        with turn(self._machine.cpus):
            timing = take_pairs(
                lambda n: self._timed_pair(baseline_program, candidate_program, timed, n), plan
            )
        checked = len(untimed) + (len(timing.pairs) + timing.discarded + 1) * len(timed)
        self.gates.append(Gate("runs", True, f"{checked} repetitions"))
        self.gates += self._all_passed(checked)
        precision = math.inf if same else plan.precision
        return NativeResult(tuple(self.gates), timing, precision, self._delay_known)

    def _all_passed(self, checked: int) -> list[Gate]:
        evidence = f"{checked} outputs"
        declared = [gate.name for gate in self._table.gates]
        if not self._judge.checks:
            return [Gate(declared[0], True, evidence)]
        return [Gate(name, True, evidence) for name in declared if name in self._said]

    def _build_baseline(self, sources: Sources) -> M:
        try:
            return self._workshop.make(sources)
        except BuildError as error:
            raise NotJudgedError(
                f"the pristine baseline does not build: {error.why}: {_excerpt(error.log)}"
            ) from error

    def _build_candidate(self, sources: Sources) -> M:
        try:
            return self._workshop.make(sources)
        except BuildError as error:
            cause: Cause = "out_of_memory" if error.out_of_memory else "build_failed"
            evidence = f"{error.why}: {_excerpt(error.log)}" if error.log else error.why
            raise FailedError("builds", cause, evidence) from error

    def _timed_pair(self, baseline: M, candidate: M, cases: Sequence[Case], number: int) -> Pair:
        self._progress("warm-up" if number == 0 else f"timing pair {number}")
        return self._pair(baseline, candidate, cases, number)

    def _pair(self, baseline: M, candidate: M, cases: Sequence[Case], number: int | None) -> Pair:
        """Both programs on one fresh input of each case: their summed seconds.

        `number` is the pair's when it is timed, or None: then it runs beside other work.
        """
        machine = self._machine if number is not None else self._beside
        seconds = [0.0, 0.0]
        disturbed = False
        for case in cases:
            seed = secrets.randbits(63)
            with ExitStack() as held:
                given, output_size = self._judge.generate(case, seed)
                held.callback(os.close, given)
                runs: dict[bool, Repetition] = {}
                # Which goes first alternates, so that a drift of the machine favours neither.
                for is_candidate in (True, False) if (number or 0) % 2 else (False, True):
                    program = candidate if is_candidate else baseline
                    run = self._repeat(machine, program, case, given, output_size)
                    held.callback(os.close, run.output)
                    runs[is_candidate] = run
                self._check(case, seed, given, runs[True].output, runs[False].output)
            for is_candidate, run in runs.items():
                seconds[is_candidate] += own_seconds(run.seconds, run.delay)
                disturbed |= contended(run.seconds, run.delay)
                self._delay_known &= run.delay is not None or number is None
        return Pair(seconds[False], seconds[True], disturbed)

    def _repeat(
        self, machine: Machine, program: M, case: Case, given: int, output_size: int
    ) -> Repetition:
        # A copy for each: what one program does to its pages (paging them out, say) is no concern
        # of the other's.
        own = memfd.copied(given)
        try:
            watch = None if program is self._baseline else self._watch
            return self._workshop.repeat(
                machine, program, case, given=own, output_size=output_size, watch=watch
            )
        except FailedError as error:
            if program is self._baseline:
                raise NotJudgedError(
                    f"the pristine baseline failed on case {case.name}: {error.evidence}"
                ) from error
            evidence = f"case {case.name}: {error.evidence}"
            raise FailedError(error.gate, error.cause, evidence) from error
        finally:
            os.close(own)

    def _check(self, case: Case, seed: int, given: int, output: int, expected: int) -> None:
        """Ask the task's gates about one output. Raises `FailedError` for the first that fails."""
        where = f"case {case.name}, seed {seed}"
        if not self._judge.checks:
            at = memfd.first_difference(output, expected)
            if at is None:
                return
            self.gates.append(Gate("runs", True))
            raise FailedError(
                self._table.gates[0].name,
                "wrong_output",
                f"{where}: byte {at} of {memfd.size_of(expected)} is not the baseline's",
            )
        with ExitStack() as held:
            fds = []
            for fd in (output, expected):
                sealed = memfd.sealed_reader(fd)
                held.callback(os.close, sealed)
                fds.append(sealed)
            try:
                gates = self._judge.check(case, given, fds[0], fds[1])
            except JudgeError as error:
                self._blame(case, given, fds[1], error)
                raise
        if not gates:
            raise NotJudgedError("judge.py names no gate, neither passed nor failed")
        declared = {gate.name for gate in self._table.gates}
        for at, gate in enumerate(gates):
            if gate.name not in declared:
                raise NotJudgedError(f'judge.py reports a gate "{gate.name}" not in task.toml')
            if not gate.passed:
                passed = [Gate(one.name, True, printable(one.evidence)) for one in gates[:at]]
                self.gates += [Gate("runs", True), *passed]
                raise FailedError(gate.name, "wrong_output", f"{where}: {printable(gate.evidence)}")
        self._said.update(gate.name for gate in gates)

    def _blame(self, case: Case, given: int, expected: int, error: JudgeError) -> None:
        """Note a judge that breaks on the candidate's output but not on the baseline's."""
        with contextlib.suppress(JudgeError):
            self._judge.anew()
            self._judge.check(case, given, expected, expected)
            words = printable(str(error), 400)
            self.findings.append(Finding("severe", "the judge breaks on this output only", words))


def _excerpt(log: str) -> str:
    lines = [printable(line, 300) for line in log.strip().splitlines() if line.strip()]
    text = "; ".join(lines)
    return text if len(text) <= _LOG_SHOWN else text[:_LOG_SHOWN] + "…"
