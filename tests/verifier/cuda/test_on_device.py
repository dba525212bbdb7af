"""The judge of device code on a real device: `pytest -m gpu -s tests/verifier/cuda`.

docs/gpus.md says what a machine needs for it. What is measured is printed, one line a stage.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks import Task, load_suite, load_task
from tasks.scaffold import create
from tests.verifier.patience import patiently
from verifier import pins
from verifier.availability import availability
from verifier.request import VerifyRequest
from verifier.verdict import Verdict

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("sandboxes")]
ROOT = Path(__file__).resolve().parents[3]
TASKS = sorted(path.parent.name for path in (ROOT / "tasks/cuda").glob("*/task.toml"))


def available(task: Task) -> Task:
    why = availability([task])[task.name]
    if why is not None:
        pytest.skip(f"{task.name}: {why}")
    return task


def judged(task: Task, files: dict[str, bytes] | None = None) -> Verdict:
    request = VerifyRequest(task=str(task.path), files=files or dict(task.baseline()))
    return patiently(request)


def device(verdict: Verdict) -> str:
    return next((f.evidence for f in verdict.findings if f.what == "the device"), "unknown device")


@pytest.mark.parametrize("name", TASKS)
def test_the_untouched_kernel_earns_nothing(name: str) -> None:
    verdict = judged(available(load_suite().get(name)))
    assert verdict.status == "scored", verdict.reason
    assert verdict.reward == 0.0
    assert verdict.metric is not None
    assert "stub" not in device(verdict)
    print(f"\n{name}: baseline {verdict.metric.value:.6f} s on {device(verdict)}")
    for finding in verdict.findings:
        print(f"  {finding.severity}: {finding.what}: {finding.evidence}")


@pytest.mark.parametrize("name", TASKS)
def test_each_stage_is_faster_than_the_one_before(name: str) -> None:
    task = available(load_suite().get(name))
    assert task.autolab is not None
    bound = task.autolab.reward.bound
    speedups = [1.0]
    for step in task.steps():
        verdict = judged(task, dict(step.artifact))
        assert verdict.status == "scored", f"{step.name}: {verdict.reason}"
        assert verdict.speedup is not None
        assert verdict.metric is not None
        speedups.append(verdict.speedup.value)
        print(
            f"\n{name} {step.name}: {verdict.metric.value:.6f} s, {speedups[-1]:.2f}x, "
            f"{speedups[-1] / bound:.1%} of the bound, reward {verdict.reward}"
        )
    assert speedups == sorted(speedups)


@pytest.mark.parametrize("name", TASKS)
def test_every_cheat_earns_nothing_and_is_stopped_where_it_says(name: str) -> None:
    task = available(load_suite().get(name))
    wrong = []
    for cheat in task.cheats():
        verdict = judged(task, dict(cheat.artifact))
        if verdict.reward != 0.0 or verdict.failed_gate != cheat.gate:
            wrong.append(f"{cheat.name} (should fail at {cheat.gate}): {verdict.reason}")
    assert not wrong, "\n".join(wrong)


KERNEL = """{globals}
extern "C" __global__ void sum_rows(const unsigned *matrix, unsigned *sums, unsigned rows,
                                    unsigned columns)
{{
    unsigned row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows)
        return;
    unsigned sum = 0;
    for (unsigned c = 0; c < columns; c++)
        sum += matrix[(size_t)row * columns + c];
    {body}
}}
"""
RIGHT = "sums[row] = sum;"
MISDEEDS = {
    "writes nothing": (
        "",
        "if (sum == 1 && row > rows) sums[0] = 1;",
        "runs",
        "nothing was written",
    ),
    "changes its input": ("", RIGHT + "((unsigned *)matrix)[0] += 1;", "runs", "was written to"),
    "writes past its output": ("", RIGHT + "sums[rows] = 1;", "runs", "past the end of `sums`"),
    "writes anywhere": ("", RIGHT + "*(volatile unsigned *)16 = sum;", "runs", "illegal"),
    "never ends": (
        "",
        "volatile unsigned *at = sums; *at = 1; while (*at < 2) __nanosleep(1000);",
        "runs",
        "not done within 2 s",
    ),
    "is wrong in one row": ("", "sums[row] = sum + (row == 0);", "correct", "not the baseline's"),
    "calls the driver": ("#include <cstdio>", RIGHT + 'printf("%u", sum);', "builds", "driver"),
}


def sources(name: str) -> bytes:
    """kernel.cu of a misdeed."""
    return KERNEL.format(globals=MISDEEDS[name][0], body=MISDEEDS[name][1]).encode()


@pytest.mark.parametrize("name", sorted(MISDEEDS))
def test_what_kernels_may_not_do(tmp_path: Path, name: str) -> None:
    folder = create(tmp_path / "row_sums", "cuda")
    file = folder / "task.toml"
    file.write_text(file.read_text().replace("timeout_sec = 20\n", "timeout_sec = 2\n"))
    pins.write(folder)
    task = available(load_task(folder))
    verdict = judged(task, {**task.baseline(), "kernel.cu": sources(name)})
    gate, words = MISDEEDS[name][2:]
    assert (verdict.failed_gate, verdict.reward) == (gate, 0.0), verdict.reason
    assert words in verdict.reason
    assert judged(task).status == "scored"  # the device is as usable as before


def test_globals_begin_anew_in_every_repetition(tmp_path: Path) -> None:
    folder = create(tmp_path / "row_sums", "cuda")
    pins.write(folder)
    task = available(load_task(folder))
    kept = KERNEL.format(
        globals="static __device__ unsigned kept[1 << 14];",
        body="sums[row] = sum + (kept[row]++ > 0);",
    )
    verdict = judged(task, {**task.baseline(), "kernel.cu": kept.encode()})
    assert verdict.status == "scored", verdict.reason
