"""Whole verdicts on device code, by the real PyCUDA over a libcuda of the tests' own.

What it shows is the judge: nothing here ran on a GPU, and every such verdict says so.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tasks.scaffold import create
from tests.engine.gpu.machine import machine
from tests.support.cuda.stub import Stub, host_kernel, stub
from verifier import cpus, pins
from verifier.cuda.compiling import compiled
from verifier.request import VerifyRequest, encode
from verifier.sandbox import get_backend
from verifier.verdict import Verdict

pytestmark = pytest.mark.usefixtures("sandboxes")
_TRIES = 4
KERNEL = """extern "C" __global__ void {name}(const unsigned *matrix, unsigned *sums, unsigned rows,
                                    unsigned columns) {{ {body} }}
"""
LAUNCH = """
[[launch]]
entry = "{name}"
grid = ["rows"]
block = [32]
arguments = ["matrix", "sums", {{ u32 = "rows" }}, {{ u32 = "columns" }}]
"""
HEAD = """
    const uint32_t *matrix = *(void **)arguments[0];
    uint32_t *sums = *(void **)arguments[1];
    uint32_t rows = *(uint32_t *)arguments[2], columns = *(uint32_t *)arguments[3];
    (void)columns;
"""
SUM = """
    for (uint32_t r = 0; r < rows; r++) {
        uint32_t sum = 0;
        for (uint32_t c = 0; c < columns; c++) sum += matrix[r * columns + c];
        sums[r] = sum;
    }
"""


class Bench:
    """A task whose kernels run here as C, and a verifier in a process of its own."""

    def __init__(self, folder: Path, driver: Stub) -> None:
        self.driver = driver
        self.task = create(folder / "row_sums", "cuda")
        file = self.task / "task.toml"
        small = file.read_text().replace("rows = 4096, columns = 2048", "rows = 64, columns = 64")
        file.write_text(small.replace("timeout_sec = 20", "timeout_sec = 1"))
        pins.write(self.task)
        app = self.task / "environment/app"
        self.pristine = {f: (app / f).read_bytes() for f in ("kernel.cu", "launch.toml")}
        self.learn(self.pristine["kernel.cu"], f"{SUM} usleep(20000);")

    def learn(self, source: bytes, body: str, name: str = "sum_rows") -> None:
        machine = cpus.Machine(get_backend(), cpus.choose(VerifyRequest(task="")))
        cubin, _ = compiled(machine, source, 90)
        self.driver.teach(cubin, host_kernel(name, HEAD + body))

    def judged(self, files: dict[str, bytes]) -> Verdict:
        request = VerifyRequest(task=str(self.task), files=files, stage="checkpoint")
        for _ in range(_TRIES):
            done = subprocess.run(
                [sys.executable, "-m", "verifier"], input=encode(request), capture_output=True,
                env=self.driver.environ(), check=False, timeout=120,
            )  # fmt: skip
            lines = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
            said = [line["verdict"] for line in lines if "verdict" in line]
            assert said, done.stderr.decode()
            verdict = msgspec.convert(said[0], Verdict)
            if verdict.cause != "contention":
                return verdict
        pytest.skip(f"this machine is too busy to measure: {verdict.reason}")

    def artifact(self, body: str, name: str = "kernel_of_mine") -> dict[str, bytes]:
        """Kernel and plan of an artifact that does `body` on the host; its name makes it new."""
        source = KERNEL.format(name=name, body="sums[0] = rows;").encode()
        self.learn(source, body, name)
        return {"kernel.cu": source, "launch.toml": LAUNCH.format(name=name).encode()}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    if shutil.which("nvcc") is None:
        pytest.skip("nvcc is missing: kernels cannot be compiled")
    with pytest.MonkeyPatch.context() as patch, machine(patch), stub() as driver:
        yield Bench(tmp_path_factory.mktemp("cuda"), driver)


def test_a_faster_kernel_is_scored_and_never_official(bench: Bench) -> None:
    verdict = bench.judged(bench.artifact(f"{SUM} usleep(2000);"))
    assert verdict.status == "scored", verdict.reason
    assert verdict.reward is not None
    assert verdict.reward > 0
    assert [gate.name for gate in verdict.gates] == ["artifact", "builds", "runs", "correct"]
    assert not verdict.seal.official
    assert "the device is a stub: nothing ran on a GPU" in verdict.seal.why
    assert "LD_LIBRARY_PATH" in verdict.seal.why
    (said,) = [f.evidence for f in verdict.findings if f.what == "the device"]
    assert said.startswith("stub, compute capability 9.0")


def test_a_driver_that_is_older_than_the_compiler_is_named(bench: Bench) -> None:
    bench.driver.speaks(12080)
    try:
        verdict = bench.judged(bench.pristine)
    finally:
        bench.driver.speaks(None)
    assert (verdict.status, verdict.cause) == ("not_judged", "verifier_error")
    assert "nvcc is of CUDA 13, and the driver loads cubins up to CUDA 12.8" in verdict.reason


@pytest.mark.slow
def test_the_untouched_kernel_earns_nothing(bench: Bench) -> None:
    verdict = bench.judged(bench.pristine)
    assert (verdict.status, verdict.reward) == ("scored", 0.0), verdict.reason


@pytest.mark.parametrize(
    ("body", "gate", "cause", "words"),
    [
        ("for (volatile int n = 1; n;) ;", "runs", "timeout", "not done within 1 s"),
        (SUM + "*(volatile int *)8 = 1;", "runs", "crashed", "illegal memory access"),
        *(
            pytest.param(*row, marks=pytest.mark.slow)
            for row in (
                ("", "runs", "gate", "nothing was written to `sums`"),
                ("sums[0] = 1;", "correct", "wrong_output", "is not the baseline's"),
                (SUM + "((uint32_t *)matrix)[0] += 1;", "runs", "gate", "`matrix` was written to"),
                (SUM + "sums[rows] = 1;", "runs", "gate", "past the end of `sums`"),
            )
        ),
    ],
)
def test_what_kernels_may_not_do(
    bench: Bench, body: str, gate: str, cause: str, words: str
) -> None:
    name = f"kernel_{abs(hash(body))}"
    verdict = bench.judged(bench.artifact(body, name))
    assert (verdict.failed_gate, verdict.cause, verdict.reward) == (gate, cause, 0.0), verdict
    assert words in verdict.reason


@pytest.mark.slow
def test_globals_begin_anew_in_every_repetition(bench: Bench) -> None:
    body = f"static int used; {SUM} if (used++) sums[0] += 1; usleep(2000);"
    verdict = bench.judged(bench.artifact(body, "remembers"))
    assert verdict.status == "scored", verdict.reason


@pytest.mark.slow
def test_nothing_is_kept_behind_the_last_guard(bench: Bench) -> None:
    """Where the driver maps more than was asked for: a table kept there would be off the clock."""
    body = f"""{SUM} usleep(2000);
    uint32_t *kept = (uint32_t *)((char *)sums + (1 << 20));
    if (*kept == 0x600DCAFE) sums[0] += 1;
    *kept = 0x600DCAFE;"""
    verdict = bench.judged(bench.artifact(body, "keeps_behind"))
    assert verdict.status == "scored", verdict.reason
