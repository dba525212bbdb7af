"""Verdicts on a GPU task by a verifier in a process of its own, with the driver's library in C."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tasks import Task, load_task
from tests.engine.gpu.machine import Machine, machine
from verifier import pins
from verifier.request import VerifyRequest, encode
from verifier.verdict import Verdict

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sandboxes")]
ROOT = Path(__file__).resolve().parents[3]
_TRIES = 4


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    with machine(monkeypatch) as found:
        yield found


@pytest.fixture
def gpu_task(task_dir: Path) -> Task:
    file = task_dir / "task.toml"
    file.write_text(file.read_text().replace("cpus = 1", "cpus = 1\ngpus = 1", 1))
    pins.write(task_dir)
    return load_task(task_dir)


def judged(task: Task, source: str | None = None) -> Verdict:
    files = task.steps()[0].artifact if source is None else {"solve.c": source.encode()}
    request = VerifyRequest(task=str(task.path), files=dict(files))
    for _ in range(_TRIES):
        done = subprocess.run(
            [sys.executable, "-m", "verifier"], input=encode(request), capture_output=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False, timeout=120,
        )  # fmt: skip
        lines = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
        verdict = msgspec.convert(next(x["verdict"] for x in lines if "verdict" in x), Verdict)
        if verdict.cause != "contention":
            return verdict
        time.sleep(1.0)
    pytest.skip(f"this machine is too busy to measure: {verdict.reason}")


def test_a_candidate_has_the_node_of_its_gpu_and_is_not_official_beside_another_process(
    gpus: Machine, gpu_task: Task
) -> None:
    gpus.has("A100", "A100", processes=((0, os.getpid(), 1 << 20), (1, 1, 1 << 20)))
    verdict = judged(gpu_task)
    assert verdict.status == "scored", verdict.reason
    assert not verdict.seal.official
    (found,) = [f for f in verdict.findings if "GPU" in f.what]
    assert found.evidence.startswith(f"process {os.getpid()} (")
    assert found.evidence.endswith(" on GPU-0")
    assert "another process was on the GPU" in verdict.seal.why


def test_without_its_gpu_a_task_is_not_judged_and_without_company_nothing_is_found(
    gpus: Machine, gpu_task: Task
) -> None:
    verdict = judged(gpu_task)
    assert verdict.status == "scored", verdict.reason
    assert not [f for f in verdict.findings if "GPU" in f.what]
    gpus.script.write_text("")
    verdict = judged(gpu_task)
    assert (verdict.status, verdict.reward) == ("not_judged", None)
    assert "it needs 1 GPU, and this machine has no NVIDIA GPU" in verdict.reason
