"""From a source tree to something that can be run and timed, for each kind of driver.

native: the build's output is the program. python: the sources themselves are, with what the build
made laid among them; where the task states no build, every Python file must at least compile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from tasks.autolab import Build
from verifier.build import build, inside_file
from verifier.cpus import Machine

if TYPE_CHECKING:
    from tasks.autolab import Autolab, Driver

_PROGRAM = "/app/candidate"
_DRIVER = "/autolab/driver.py"
_COMPILE = ("/usr/bin/python3", "-I", "-m", "compileall", "-q", ".")
_THREAD_COUNTS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
    "NUMEXPR_NUM_THREADS",
)
# What the codes of verifier/inside/driver.py mean.
_PYTHON_FAILURES: Mapping[int, str] = MappingProxyType(
    {
        1: "solve raised an exception",
        2: "solve returned something without a contiguous buffer",
        3: "solve returned an output of another size",
    }
)


@dataclass(frozen=True, slots=True)
class Sources:
    """A whole source tree by path below /app, and the flags to build it with."""

    files: Mapping[str, bytes]
    flags: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """What is laid out and started in the run sandbox, and what it may use.

    `files` are paths inside with content and mode; `failures` puts the codes that the program can
    report into words.
    """

    files: Mapping[str, tuple[bytes, int]]
    argv: tuple[str, ...]
    threads: int
    memory_mb: int
    timeout_sec: float
    env: Mapping[str, str] = field(default_factory=dict)
    failures: Mapping[int, str] = field(default_factory=dict)

    @property
    def image(self) -> bytes | None:
        """The executable file, where the program is a single one."""
        content, _ = self.files.get(_PROGRAM, (None, 0))
        return content

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(len(content) for content, _ in self.files.values())


def native(image: bytes, threads: int, memory_mb: int, timeout_sec: float) -> Program:
    """A program that is one executable file."""
    files = {_PROGRAM: (image, 0o555)}
    return Program(files, (_PROGRAM,), threads, memory_mb, timeout_sec)


def python(sources: Mapping[str, bytes], driver: Driver) -> Program:
    """A program that is a tree of Python files, started through the verifier's own driver.py."""
    files = {f"/app/{path}": (data, 0o444) for path, data in sources.items()}
    return Program(
        files={**files, _DRIVER: (inside_file("driver.py"), 0o444)},
        # Isolated: no variable, no user's site folder and no current directory has a say.
        argv=("/usr/bin/python3", "-I", "-B", _DRIVER, driver.entry or ""),
        threads=driver.threads,
        memory_mb=driver.memory_mb,
        timeout_sec=driver.timeout_sec,
        env=thread_counts(driver.threads),
        failures=_PYTHON_FAILURES,
    )


def thread_counts(threads: int) -> dict[str, str]:
    """The variables by which numeric libraries are told how many threads they may start."""
    return dict.fromkeys(_THREAD_COUNTS, str(threads))


def make(machine: Machine, table: Autolab, sources: Sources) -> Program:
    """Build `sources` as the task says.

    Raises `BuildError`, and `ValueError` where the table lacks what its kind of driver needs.
    """
    driver, recipe = table.driver, table.build
    if driver.kind == "python" and driver.entry is not None:
        recipe = recipe or Build(commands=(_COMPILE,), output=driver.entry)
        made = build(machine, recipe, sources.files, sources.flags)
        return python({**sources.files, recipe.output: made}, driver)
    if driver.kind == "native" and recipe is not None:
        image = build(machine, recipe, sources.files, sources.flags)
        return native(image, driver.threads, driver.memory_mb, driver.timeout_sec)
    raise ValueError(f"a {driver.kind} driver without what it needs in task.toml")
