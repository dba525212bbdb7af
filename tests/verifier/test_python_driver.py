"""The driver for candidates in Python, against real ones that do not keep the rules."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks import load_task
from tasks.autolab import Autolab, Driver
from tests.verifier.patience import patiently
from verifier import memfd, pins
from verifier.build import BuildError
from verifier.cpus import Cpus, Machine
from verifier.outcomes import FailedError
from verifier.programs import Program, Sources, make, python
from verifier.repetition import Repetition, repeat
from verifier.request import VerifyRequest
from verifier.sandbox import get_backend
from verifier.sandbox.needs import Need
from verifier.sandbox.probe import found_inside

Run = Callable[..., Repetition]


@pytest.fixture
def machine(sandboxes: None) -> Machine:
    cpus = sorted(os.sched_getaffinity(0))
    return Machine(get_backend(), Cpus((cpus[-1],), tuple(cpus[:-1] or cpus)))


@pytest.fixture
def run(machine: Machine) -> Iterator[Run]:
    """Run a solve.py on b"abc"; the output has 8 bytes unless said otherwise."""
    given = memfd.holding(b"abc")
    runs: list[Repetition] = []

    def start(source: str, size: int = 8, threads: int = 1, memory_mb: int = 128) -> Repetition:
        driver = Driver(
            kind="python", entry="solve.py", threads=threads, timeout_sec=2, memory_mb=memory_mb
        )
        program = python({"solve.py": source.encode()}, driver)
        runs.append(repeat(machine, program, given, size))
        return runs[-1]

    yield start
    os.close(given)
    for one in runs:
        os.close(one.output)


def test_an_output_comes_back_whole_and_final(run: Run) -> None:
    done = run("def solve(given): return bytes(given) + bytes(9997)", 10_000)
    assert memfd.read(done.output) == b"abc" + bytes(9997)
    assert 0 < done.seconds < 2
    with pytest.raises(PermissionError):
        os.pwrite(done.output, b"x", 0)


def test_a_module_beside_the_entry_and_an_array_for_a_result(machine: Machine) -> None:
    files = {
        "api/solve.py": b"import parts.one\ndef solve(given): return parts.one.values",
        "parts/one.py": b"import array\nvalues = array.array('I', [1, 2])",
    }
    driver = Driver(kind="python", entry="api/solve.py", memory_mb=64)
    given = memfd.holding(b"")
    done = repeat(machine, python(files, driver), given, 8)
    os.close(given)
    assert memfd.read(done.output) == b"\1\0\0\0\2\0\0\0"
    os.close(done.output)


BROKEN = {
    "raise ValueError('of no use')": "status 1 before it was ready",
    "import sys; sys.exit(7)": "status 7 before it was ready",
    "import os; os._exit(0)": "status 0 before it was ready",
    # It is pid 1 in there, which no signal of its own can end: it goes on, and defines nothing.
    "import os; os.kill(os.getpid(), 9)": "status 104 before it was ready",
    "import ctypes; ctypes.string_at(0)": "signal 11 ended it before it was ready",
    "import os; os.close(3); solve = bytes": "status 1 before it was ready",
    "import os; os.write(3, b'D')": "broke the protocol before it was ready",
    "solve = 5": "status 104 before it was ready",
    "pass": "status 104 before it was ready",
    "solve = lambda given: 1 / 0": "solve raised an exception",
    "solve = lambda given: None": "without a contiguous buffer",
    "solve = lambda given: memoryview(bytes(16))[::2]": "without a contiguous buffer",
    "solve = lambda given: b'short'": "an output of another size",
    "solve = lambda given: bytes(9)": "an output of another size",
    "solve = lambda given: exit(3)": "status 3 before it was done",
    "import os\nsolve = lambda given: os._exit(0)": "status 0 before it was done",
    "import os\nsolve = lambda given: os.fork()": "an exception",
    "import threading\nsolve = lambda _: threading.Thread(target=print).start()": "an exception",
    "solve = lambda given: b'x' * (1 << 30)": "out of memory|an exception",
    "def solve(given):\n while 1: pass": "not done within 2 s",
    "def solve(given): given[0] = 1": "an exception",
    "import os\nsolve = lambda _: os.write(3, b'F123')": "broke the protocol before it was done",
}


@pytest.mark.parametrize("source", BROKEN)
def test_what_breaks_the_rules_fails_at_the_gate_and_says_how(run: Run, source: str) -> None:
    with pytest.raises(FailedError, match=BROKEN[source]) as failure:
        run(source)
    assert failure.value.gate == "runs"


def test_done_before_there_is_an_input_is_worth_its_noise(run: Run) -> None:
    source = "import os; os.write(3, b'R'); os.write(3, b'D'); solve = lambda given: bytes(8)"
    assert memfd.read(run(source).output) != bytes(8)


def test_a_view_that_is_kept_is_seen_when_the_output_is_sealed(run: Run) -> None:
    source = """
import mmap
kept = mmap.mmap(4, 8)
def solve(given): return bytes(8)
"""
    with pytest.raises(FailedError, match="could still write the output"):
        run(source)


def test_a_thread_that_writes_after_done_is_too_late(run: Run) -> None:
    source = """
import os, threading, time
def late():
    time.sleep(0.2)
    os.pwrite(4, b"late....", 0)
def solve(given):
    threading.Thread(target=late).start()
    return b"in time."
"""
    assert memfd.read(run(source, threads=2).output) == b"in time."


def test_it_is_alone_and_isolated(run: Run) -> None:
    source = """
import os, sys
def solve(given):
    # Besides standard streams, socket and output: the input's, and that of this very listing.
    assert {int(fd) for fd in os.listdir("/proc/self/fd")} == {0, 1, 2, 3, 4, 5, 6}
    assert not any(map(os.path.exists, ("/root", "/work", "/var/lib", "/judge", "/tests")))
    assert sys.flags.isolated and sys.dont_write_bytecode
    assert os.environ["OPENBLAS_NUM_THREADS"] == os.environ["OMP_NUM_THREADS"] == "1"
    try:
        open("/app/solve.py", "w")
    except OSError:
        return bytes(8)
"""
    assert memfd.read(run(source).output) == bytes(8)


def test_numpy_keeps_to_the_threads_it_is_given(run: Run) -> None:
    numpy = Need("module", "numpy")
    if not found_inside([numpy])[numpy]:
        pytest.skip("needs python3-numpy")
    source = """
import os
import numpy as np
def solve(given):
    big = np.ones((300, 300)) @ np.ones((300, 300))
    return np.array([len(os.listdir("/proc/self/task"))], "<i8")
"""
    assert memfd.read(run(source, memory_mb=512).output) == (1).to_bytes(8, "little")


TOML = """
schema_version = "1.4"
[metadata]
domain = "system_optimization"
[agent]
timeout_sec = 60
[optimization]
metric = "runtime_seconds"
direction = "lower"
baseline = { score = 0.2 }
reference = { score = 0.01 }
[autolab]
domain = "system_optimization"
editable = ["solve.py"]
unit = "s"
driver = { kind = "python", entry = "solve.py", memory_mb = 128, timeout_sec = 5 }
measure = { pairs_min = 3, pairs_max = 4, precision = 0.2 }
reward = { rule = "log", bound = 5000.0, bound_reason = "reading the input once" }
[autolab.sizes]
quick = { params = { n = 300000 } }
full = { params = { n = 300000 } }
[[autolab.gates]]
name = "correct"
description = "the same sum"
"""
SLOW = """
def solve(given):
    total = 0
    for byte in given:
        total += byte
    return total.to_bytes(8, "little")
"""
JUDGE = """
import random
def cases(params):
    return [{"name": "few", "timed": False, "params": {"n": 5}},
            {"name": "many", "timed": True, "params": params}]
def generate(params, seed):
    return random.Random(seed).randbytes(params["n"]), 8
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "task.toml": TOML,
        "instruction.md": "Add faster.\n",
        "environment/app/solve.py": SLOW,
        "environment/app/helper.py": "",
        "tests/judge.py": JUDGE,
    }
    for name, text in files.items():
        (tmp_path / "sums" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sums" / name).write_text(text)
    pins.write(tmp_path / "sums")
    return tmp_path / "sums"


def verdict_of(folder: Path, source: str):
    return patiently(VerifyRequest(task=str(folder), files={"solve.py": source.encode()}))


def test_a_python_task_is_timed_beside_its_baseline(sandboxes: None, folder: Path) -> None:
    verdict = verdict_of(folder, 'def solve(given):\n    return sum(given).to_bytes(8, "little")\n')
    assert verdict.status == "scored", verdict.reason
    assert verdict.speedup is not None and verdict.speedup.value > 1.2
    assert [(gate.name, gate.passed) for gate in verdict.gates] == [
        ("artifact", True),
        ("builds", True),
        ("runs", True),
        ("correct", True),
    ]


@pytest.mark.parametrize(
    ("source", "gate", "cause"),
    [
        ("def solve(given) return 1", "builds", "build_failed"),
        ("solve = lambda given: bytes(8)", "correct", "wrong_output"),
        ("solve = lambda given: exit()", "runs", "crashed"),
    ],
)
def test_a_python_candidate_fails_where_it_should(
    sandboxes: None, folder: Path, source: str, gate: str, cause: str
) -> None:
    verdict = verdict_of(folder, source)
    assert (verdict.failed_gate, verdict.cause, verdict.reward) == (gate, cause, 0.0)


def made(machine: Machine, folder: Path, build: str) -> Program:
    toml = folder / "task.toml"
    toml.write_text(TOML.replace("[autolab.sizes]", f"[autolab.build]\n{build}\n[autolab.sizes]"))
    table = load_task(folder).autolab
    assert isinstance(table, Autolab)
    return make(machine, table, Sources({"solve.py": SLOW.encode()}))


def test_a_build_of_a_python_task_may_refuse_or_add(machine: Machine, folder: Path) -> None:
    refusing = 'commands = [["grep", "-c", "numpy", "solve.py"]]\noutput = "solve.py"'
    with pytest.raises(BuildError, match="grep -c numpy"):
        made(machine, folder, refusing)
    adding = 'commands = [["cp", "solve.py", "table.py"]]\noutput = "table.py"'
    program = made(machine, folder, adding)
    assert program.files["/app/table.py"][0] == program.files["/app/solve.py"][0] == SLOW.encode()
