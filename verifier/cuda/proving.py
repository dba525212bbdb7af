"""What can be proved of a task of device code where there is no device to run it on.

Every artifact is compiled and its launch plan held against the kernels at every case; the judge
makes inputs of the sizes that task.toml says. Whether outputs are right, how fast kernels are, and
what stops the cheats that compile takes a device.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier import cpus, memfd
from verifier.artifact import ArtifactRefusedError
from verifier.build import BuildError
from verifier.cpus import Machine
from verifier.cuda.compiling import CAPABILITIES, SHARED, TIMEOUT_SEC, compiled, target
from verifier.cuda.cubin import Cubin
from verifier.cuda.fitting import SOURCE, fit
from verifier.cuda.plan import shape
from verifier.cuda.workshop import accept, limits_of, sizes, variables
from verifier.judge import Case, Judge, JudgeError
from verifier.outcomes import NotJudgedError
from verifier.pins import PinsError, held
from verifier.request import SizeName, VerifyRequest
from verifier.sandbox.spec import Backend, SandboxUnavailableError

if TYPE_CHECKING:
    from tasks import Task
    from tasks.autolab import Autolab

_HOPPER = ("H100", "H200", "GH200", "H800", "H20")
_STOPPED_HERE = ("artifact", "builds")


@dataclass(frozen=True)
class Proof:
    """In words: what holds, what could not be tried, and what is wrong."""

    proven: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def prove(
    task: Task, table: Autolab, size: SizeName, backend: Backend, progress: Callable[[str], None]
) -> Proof:
    """Compile and plan all that the task has. Never raises for anything that is wrong with it."""
    machine = Machine(backend, cpus.choose(VerifyRequest(task="")))
    try:
        with cpus.working(machine.cpus):
            return _Proving(task, table, machine, progress).run(size)
    except (JudgeError, NotJudgedError, PinsError, SandboxUnavailableError) as error:
        return Proof(unproven=("all of it",), problems=(str(error),))


class _Proving:
    def __init__(
        self, task: Task, table: Autolab, machine: Machine, progress: Callable[[str], None]
    ) -> None:
        self._task = task
        self._table = table
        self._machine = machine
        self._progress = progress
        self._cubins: dict[tuple[bytes, int], Cubin] = {}
        types = task.config.environment.gpu_types or ()
        hopper = bool(types) and all(any(h in kind for h in _HOPPER) for kind in types)
        self._capabilities = tuple(c for c in CAPABILITIES if c >= 90 or not hopper)
        self._problems: list[str] = []

    def run(self, size: SizeName) -> Proof:
        cases = self._judged(size)
        steps = self._task.steps()
        artifacts: dict[str, Mapping[str, bytes]] = {"the baseline": self._task.baseline()}
        artifacts |= {f"stage {step.name}": step.artifact for step in steps}
        for name, files in artifacts.items():
            stopped = self._stopped(name, files, cases)
            if stopped is not None:
                gate, why = stopped
                self._problems.append(f"{name} is stopped at gate {gate}: {why}")
        here, beyond = self._cheats(cases)
        made = " and ".join(map(target, self._capabilities))
        proven = [f"inputs of {len(cases)} cases have the sizes of task.toml"]
        if not self._problems:
            stages = "1 stage" if len(steps) == 1 else f"{len(steps)} stages"
            proven.append(
                f"the baseline and {stages} compile for {made} and fit their launch plans at every "
                "case"
            )
        if here:
            proven.append(f"{_counted(here)} stopped before anything runs, as stated")
        unproven = ["whether any output is right, and how fast the kernels are"]
        if beyond:
            unproven.append(
                f"{_counted(beyond)} to be stopped once they run; they compile, as they should"
            )
        return Proof(tuple(proven), tuple(unproven), tuple(self._problems))

    def _judged(self, size: SizeName) -> tuple[Case, ...]:
        """The cases, once inputs were made for those that are small."""
        driver = self._table.driver
        with Judge(self._machine, held(self._task.path).below("tests")) as judge:
            cases = judge.cases(self._task.size(size).params)
            for case in cases:
                wanted = (
                    sum(sizes(driver.inputs, case).values()),
                    sum(sizes(driver.outputs, case).values()),
                )
                if case.timed:
                    continue
                self._progress(f"input of case {case.name}")
                given, output_size = judge.generate(case, secrets.randbits(63))
                try:
                    made = (memfd.size_of(given), output_size)
                finally:
                    os.close(given)
                if made != wanted:
                    raise NotJudgedError(
                        f"generate() for case {case.name} makes {made[0]} bytes of input and "
                        f"{made[1]} of output; the buffers of task.toml have {wanted[0]} and "
                        f"{wanted[1]}"
                    )
        return cases

    def _cheats(self, cases: Sequence[Case]) -> tuple[int, int]:
        """How many cheats are stopped here as they should be, and how many need a device."""
        here = beyond = 0
        for cheat in self._task.cheats():
            stopped = self._stopped(f"cheat {cheat.name}", cheat.artifact, cases)
            gate = None if stopped is None else stopped[0]
            wanted = cheat.gate if cheat.gate in _STOPPED_HERE else None
            if gate != wanted:
                why = f"is stopped at gate {gate}: {stopped[1]}" if stopped else "compiles"
                self._problems.append(
                    f"cheat {cheat.name} must fail at gate {cheat.gate}, and it {why}"
                )
            elif gate is None:
                beyond += 1
            else:
                here += 1
        return here, beyond

    def _stopped(
        self, name: str, files: Mapping[str, bytes], cases: Sequence[Case]
    ) -> tuple[str, str] | None:
        """The gate that stops an artifact before it is run, and why; None for none."""
        self._progress(f"compiling {name}")
        driver = self._table.driver
        try:
            plan = accept(driver, files)
        except ArtifactRefusedError as error:
            return "artifact", str(error)
        for capability in self._capabilities:
            limits = limits_of(driver, SHARED[capability])
            try:
                cubin = self._cubin(files[SOURCE], capability)
                for case in cases:
                    shaped = shape(plan, variables(case.params), limits)
                    fit(shaped, cubin, limits)
            except (BuildError, ArtifactRefusedError) as error:
                first = str(error).strip().splitlines()
                return "builds", f"{target(capability)}: {' '.join(first[:3])[:400]}"
        return None

    def _cubin(self, source: bytes, capability: int) -> Cubin:
        key = (source, capability)
        if key not in self._cubins:
            recipe = self._table.build
            patience = TIMEOUT_SEC if recipe is None else recipe.timeout_sec
            self._cubins[key] = compiled(self._machine, source, capability, patience)[1]
        return self._cubins[key]


def _counted(cheats: int) -> str:
    return "1 cheat is" if cheats == 1 else f"{cheats} cheats are"
