"""What is said of a task of device code where there is no device."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tasks import load_task
from tasks.scaffold import create
from verifier import pins
from verifier.check import TaskCheck, check_task
from verifier.gpus.inventory import Inventory

pytestmark = [pytest.mark.usefixtures("sandboxes"), pytest.mark.slow]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if shutil.which("nvcc") is None:
        pytest.skip("nvcc is missing: kernels cannot be compiled")
    monkeypatch.setattr("verifier.gpus.inventory.present", lambda: Inventory((), "no driver here"))
    return create(tmp_path / "row_sums", "cuda")


def checked(folder: Path) -> TaskCheck:
    pins.write(folder)
    return check_task(load_task(folder))


def test_what_holds_and_what_was_not_tried(folder: Path) -> None:
    found = checked(folder)
    assert not found.available
    assert not found.ok
    assert found.why_not == "it needs 1 GPU, and no driver here"
    assert found.problems == ()
    assert found.baseline_reward is None
    said = "; ".join(found.proven)
    assert "inputs of 5 cases" in said
    assert "the baseline and 1 stage compile for sm_80 and sm_90a" in said
    assert "1 cheat is stopped" in said
    assert "whether any output is right" in found.unproven[0]
    assert "2 cheats are to be stopped once they run" in found.unproven[1]


def test_what_is_wrong_is_found_all_the_same(folder: Path) -> None:
    step = folder / "solution/steps/01-warp"
    (step / "launch.toml").write_text((step / "launch.toml").read_text().replace("256", "4096"))
    (folder / "tests/cheats/no-answer/kernel.cu").write_text("nonsense")
    (folder / "tests/cheats/does-not-compile/kernel.cu").write_bytes(
        (folder / "environment/app/kernel.cu").read_bytes()
    )
    problems = "; ".join(checked(folder).problems)
    assert "stage 01-warp is stopped at gate builds: sm_80: launch.toml" in problems
    assert "cheat no-answer must fail at gate runs, and it is stopped at gate builds" in problems
    assert "cheat does-not-compile must fail at gate builds, and it compiles" in problems


def test_buffers_that_the_judge_does_not_keep_to(folder: Path) -> None:
    file = folder / "task.toml"
    file.write_text(file.read_text().replace('"4 * rows * columns"', '"8 * rows * columns"'))
    (problem,) = checked(folder).problems
    assert "generate() for case one makes 4 bytes of input and 4 of output" in problem
    assert "task.toml have 8 and 4" in problem
