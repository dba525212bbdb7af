"""The two tables that make a Harbor task an AutoLab task: `[optimization]` and `[autolab]`.

docs/tasks.md says what each key means. Here are their shapes and the rules within one table; rules
that need the directory or several tables are in `tasks.consistency`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from tasks.tables import Lenient, Strict, Strings

DRIVER_GATES = ("artifact", "builds", "runs")
DEVICE_CODE = ("kernel.cu", "launch.toml")  # what a cuda driver takes, and nothing else
Positive = Annotated[float, Field(gt=0)]
Feedback = Literal["sealed", "gates", "score"]
Rule = Literal["log", "linear", "share"]
Severity = Literal["info", "warning", "severe"]


def _commands(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return tuple(tuple(one) if isinstance(one, list) else one for one in value)


def _rows(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class Anchor(Lenient):
    """One end of the scale: the metric's value there, and how it was reached."""

    score: float | None = None
    method: str = ""


class Optimization(Lenient):
    """AutoLab's public table: what is optimized, and between which anchors (in full size)."""

    metric: str = ""
    direction: Literal["lower", "higher"] = "lower"
    baseline: Anchor | None = None
    reference: Anchor | None = None


class Needs(Strict):
    """What must be found inside the sandbox for the task to be available.

    `modules` are those of the sandbox's own /usr/bin/python3, `headers` what its compiler finds.
    """

    commands: Strings = ()
    modules: Strings = ()
    headers: Strings = ()


class Build(Strict):
    """How the candidate is made. `{shim}` and `{flags}` in a word are filled in by the verifier.

    For a cuda driver the command is fixed, and only `timeout_sec` may stand here.
    """

    commands: Annotated[tuple[tuple[str, ...], ...], BeforeValidator(_commands)] = ()
    output: str = ""
    timeout_sec: Positive = 60.0


class Flags(Strict):
    """The artifact is a file of flags, each matching an entry of `allow`."""

    file: str
    allow: Strings


class Driver(Strict):
    """How the artifact is judged.

    native: a program timed from outside. python: a Python file, timed in the same way, whose
    `entry` is imported. data: an artifact judged, never run. cuda: device code and its launch plan,
    run and timed on a GPU by the judge.

    The rest is for cuda alone. `inputs` and `outputs` are the buffers that the judge grants, in
    order: their bytes as an expression of a case's parameters (`tasks.expressions`).
    `shared_bytes` is the most shared memory of a block, `scratch_mb` the most scratch of a plan.
    """

    kind: Literal["native", "python", "data", "cuda"]
    entry: str | None = None
    threads: int = Field(default=1, ge=1, le=256)
    timeout_sec: Positive = 20.0
    memory_mb: int = Field(default=512, ge=16)
    inputs: dict[str, int | str] = Field(default_factory=dict)
    outputs: dict[str, int | str] = Field(default_factory=dict)
    shared_bytes: int = Field(default=49_152, ge=0, le=232_448)
    scratch_mb: int = Field(default=1024, ge=0, le=65_536)

    @property
    def timed(self) -> bool:
        """Whether the artifact runs, and its time is what counts."""
        return self.kind != "data"


class Measure(Strict):
    """How many alternating pairs of baseline and candidate are timed, and how exactly."""

    pairs_min: int = Field(default=5, ge=2)
    pairs_max: int = Field(default=15, ge=2, le=1000)
    precision: Positive = 0.02


class Words(Strict):
    """What an artifact may not contain, as patterns: `*` stands for any text."""

    includes: Strings = ()
    calls: Strings = ()
    imports: Strings = ()
    sentinels: Strings = ()


class Running(Strict):
    """How bad it is when a program does this in a correctness repetition."""

    opens: Severity = "warning"
    executes: Severity = "severe"
    sockets: Severity = "severe"
    leaves: Severity = "warning"


class Screen(Strict):
    """What is looked for in an artifact, by severity: verifier/screening."""

    severe: Words = Words()
    warning: Words = Words()
    info: Words = Words()
    running: Running = Running()


class SizeTable(Strict):
    """One size: parameters for judge.py, and what differs from the rest of the file."""

    params: dict[str, Any] = Field(default_factory=dict)
    baseline: float | None = None
    reference: float | None = None
    active_sec: Positive | None = None


class Sizes(Strict):
    """quick is for trying things out, full is what counts."""

    quick: SizeTable
    full: SizeTable

    def get(self, name: str) -> SizeTable | None:
        """The table of that size, or None."""
        return {"quick": self.quick, "full": self.full}.get(name)


class Reward(Strict):
    """From metric to reward: see verifier/scoring.py. `bound` is the best that physics allows."""

    rule: Rule
    bound: float
    bound_reason: str = Field(min_length=1)


class GateTable(Strict):
    """A correctness gate that judge.py reports on."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str = Field(min_length=1)


class Autolab(Strict):
    """Our table: what may change, how it is built, run, judged and scored."""

    domain: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    editable: Strings = Field(min_length=1)
    feedback: Feedback = "sealed"
    unit: str = ""
    gpu_shared: bool = False
    needs: Needs = Needs()
    build: Build | None = None
    flags: Flags | None = None
    driver: Driver
    measure: Measure = Measure()
    screen: Screen = Screen()
    sizes: Sizes
    reward: Reward
    gates: Annotated[tuple[GateTable, ...], BeforeValidator(_rows), Field(min_length=1)]

    @property
    def gate_names(self) -> tuple[str, ...]:
        """Every gate in the order in which they are reached, the driver's own first."""
        return (*DRIVER_GATES, *(gate.name for gate in self.gates))
