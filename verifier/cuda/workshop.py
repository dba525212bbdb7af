"""Device code as what is timed: compiled, planned for every case, and run by a device process."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from tasks.autolab import DEVICE_CODE
from tasks.expressions import ExpressionError, read
from verifier import memfd
from verifier.artifact import ArtifactRefusedError
from verifier.build import BuildError
from verifier.cpus import Machine
from verifier.cuda import python
from verifier.cuda.compiling import TIMEOUT_SEC, compiled
from verifier.cuda.device_process import DeviceProcess, Facts
from verifier.cuda.fitting import SOURCE, fit
from verifier.cuda.plan import FILE, Limits, Plan, parse, shape
from verifier.cuda.shapes import ShapedPlan
from verifier.gpus import clocks
from verifier.judge import Case
from verifier.outcomes import NotJudgedError
from verifier.programs import Sources
from verifier.repetition import Repetition
from verifier.runqueue import Delay
from verifier.sandbox.uids import identity
from verifier.screening.watch import Watch
from verifier.verdict import Finding

if TYPE_CHECKING:
    from tasks.autolab import Autolab, Driver

_SLOTS = (2, 3)  # of the judge's role: baseline and candidate
_QUIET = Delay(0.0, 0.0)
_STUB = "stub"


@dataclass(frozen=True)
class Kernels:
    """A cubin, its launch plan at each case, and the process that runs it."""

    size: int
    cubin: int  # a sealed memfd
    plans: Mapping[str, ShapedPlan]
    process: DeviceProcess
    image: None = None  # of no program of the host


def granted(driver: Driver) -> tuple[str, ...]:
    """The names of the buffers that a launch plan may speak of."""
    return (*driver.inputs, *driver.outputs)


def accept(driver: Driver, files: Mapping[str, bytes]) -> Plan:
    """The launch plan among an artifact's files.

    Raises `ArtifactRefusedError` for a file that is missing and a plan that cannot be read.
    """
    for name in DEVICE_CODE:
        if name not in files:
            raise ArtifactRefusedError(name, "the file is missing")
    return parse(files[FILE], granted(driver))


def limits_of(driver: Driver, device_shared: int) -> Limits:
    """What the task and a device with so much shared memory (bytes of a block) allow together."""
    return Limits(
        shared_bytes=min(driver.shared_bytes, device_shared),
        scratch_bytes=driver.scratch_mb << 20,
    )


def variables(params: Mapping[str, object]) -> dict[str, int]:
    """The whole-number parameters of a case, which expressions may use."""
    return {
        name: value
        for name, value in params.items()
        if isinstance(value, int) and not isinstance(value, bool)
    }


def sizes(buffers: Mapping[str, int | str], case: Case) -> dict[str, int]:
    """Bytes of each buffer in this case.

    Raises `NotJudgedError`: what is wrong there is the task's.
    """
    found: dict[str, int] = {}
    for name, expression in buffers.items():
        try:
            found[name] = read(str(expression)).at(variables(case.params))
        except ExpressionError as error:
            raise NotJudgedError(
                f"buffer `{name}` of task.toml has no size in case {case.name}: {error}"
            ) from error
        if found[name] < 1:
            raise NotJudgedError(
                f"buffer `{name}` of task.toml has {found[name]} bytes in case {case.name}"
            )
    return found


class KernelWorkshop:
    """Compiles and runs kernels; a context manager, since device processes must be ended.

    `findings` and `lacks` say what is to be known of the device and of its clocks.
    """

    watched = False

    def __init__(self, machine: Machine, table: Autolab, cases: Sequence[Case]) -> None:
        self._machine = machine
        self._table = table
        self._cases = cases
        self._held = ExitStack()
        self._slots = iter(_SLOTS)
        self._disagreed: list[str] = []
        self._repetitions = 0
        self._clocks = clocks.Record(machine.gpus.uuids)
        self._facts: Facts | None = None
        try:
            self._inside = python.inside(identity().host_uid("judge", _SLOTS[0]))
        except python.PythonError as error:
            raise NotJudgedError(f"the task cannot be judged here: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def make(self, sources: Sources) -> Kernels:
        """Compile for the device and hold the plan against every case. Raises `BuildError`."""
        process = self._held.enter_context(
            DeviceProcess(self._machine, self._inside, next(self._slots))
        )
        facts = self._facts = process.facts()
        recipe = self._table.build
        image, cubin = compiled(
            self._machine,
            sources.files.get(SOURCE, b""),
            facts.capability,
            TIMEOUT_SEC if recipe is None else recipe.timeout_sec,
        )
        if facts.driver // 1000 < cubin.cuda:
            raise NotJudgedError(
                f"nvcc is of CUDA {cubin.cuda}, and the driver loads cubins up to CUDA "
                f"{_version(facts)}; install a newer driver, or the nvcc of the driver's CUDA "
                "before all others on PATH"
            )
        driver = self._table.driver
        limits = limits_of(driver, facts.shared)
        plans: dict[str, ShapedPlan] = {}
        try:
            plan = accept(driver, sources.files)
            for case in self._cases:
                plans[case.name] = shape(plan, variables(case.params), limits)
                fit(plans[case.name], cubin, limits)
        except ArtifactRefusedError as error:
            raise BuildError(str(error)) from error
        held = memfd.holding(image)
        self._held.callback(os.close, held)
        return Kernels(len(image), held, plans, process)

    def repeat(
        self,
        machine: Machine,
        made: Kernels,
        case: Case,
        *,
        given: int,
        output_size: int,
        watch: Watch | None,
    ) -> Repetition:
        """Run the plan once. Raises `FailedError`; of a task that contradicts itself
        `NotJudgedError`."""
        driver = self._table.driver
        inputs, outputs = sizes(driver.inputs, case), sizes(driver.outputs, case)
        for what, said, wanted in (
            ("an input", memfd.size_of(given), sum(inputs.values())),
            ("an output", output_size, sum(outputs.values())),
        ):
            if said != wanted:
                raise NotJudgedError(
                    f"generate() for case {case.name} makes {what} of {said} bytes; the buffers "
                    f"of task.toml have {wanted}"
                )
        output = memfd.poisoned(output_size)
        try:
            timed = made.process.repeat(
                made.cubin,
                made.plans[case.name],
                inputs,
                outputs,
                given=given,
                output=output,
                timeout_sec=driver.timeout_sec,
            )
            memfd.seal_writes(output)
        except BaseException:
            os.close(output)
            raise
        delay = _QUIET
        if machine is self._machine:  # its time counts
            self._clocks.sample()
            self._repetitions += 1
            if timed.clocks:
                self._disagreed.append(timed.clocks)
                delay = Delay(0.0, 0.0, others=timed.seconds)
        return Repetition(timed.seconds, output, delay)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The device, its clocks, and how often they disagreed with the host's."""
        found: list[Finding] = []
        if self._facts is not None:
            found.append(Finding("info", "the device", _words(self._facts)))
        if self._disagreed:
            count = f"{len(self._disagreed)} of {self._repetitions} repetitions"
            evidence = f"{count}, such as {self._disagreed[0]}"
            found.append(Finding("info", "the host's clock and the device's disagreed", evidence))
        return (*found, *self._clocks.findings())

    @property
    def lacks(self) -> tuple[str, ...]:
        """Why a verdict of this device is not official."""
        found = []
        if self._facts is not None and _STUB in self._facts.name.lower().split():
            found.append("the device is a stub: nothing ran on a GPU")
        if self._inside.borrowed:
            found.append("the driver's library was taken from LD_LIBRARY_PATH")
        return tuple(found)


def _version(facts: Facts) -> str:
    return f"{facts.driver // 1000}.{facts.driver % 1000 // 10}"


def _words(facts: Facts) -> str:
    return (
        f"{facts.name}, compute capability {facts.capability // 10}.{facts.capability % 10}, "
        f"{facts.processors} multiprocessors, {facts.memory / 2**30:.0f} GiB, "
        f"{facts.cache / 2**20:.0f} MiB of L2, CUDA {_version(facts)}"
    )
