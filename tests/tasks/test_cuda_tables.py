"""What a task of device code may say of itself, and what it is told where it may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tasks import TaskError, load_task
from tests.tasks.making import NATIVE, changed, write_native

CUDA = changed(changed(NATIVE, "autolab.build", ...), "autolab.needs", {"commands": ["nvcc"]})
CUDA = changed(CUDA, "autolab.domain", "cuda")
CUDA = changed(CUDA, "autolab.editable", ["kernel.cu", "launch.toml"])
CUDA = changed(CUDA, "environment", {"gpus": 1})
CUDA = changed(
    CUDA,
    "autolab.driver",
    {"kind": "cuda", "inputs": {"x": "4 * n"}, "outputs": {"y": "4 * ceil_div(n, 2)", "z": 8}},
)


def write_cuda(folder: Path, table: dict[str, Any]) -> Path:
    write_native(folder, table)
    for name in ("kernel.cu", "launch.toml"):
        (folder / "environment/app" / name).write_text("\n")
    return folder


def test_a_cuda_task_is_loaded_with_its_buffers_in_order(tmp_path: Path) -> None:
    task = load_task(write_cuda(tmp_path, CUDA))
    assert task.autolab is not None
    driver = task.autolab.driver
    assert driver.timed
    assert list(driver.inputs) == ["x"]
    assert list(driver.outputs) == ["y", "z"]
    assert (driver.shared_bytes, driver.scratch_mb) == (49_152, 1024)


def test_its_build_may_be_given_a_time_and_nothing_else(tmp_path: Path) -> None:
    table = changed(CUDA, "autolab.build", {"timeout_sec": 200.0})
    task = load_task(write_cuda(tmp_path, table))
    assert task.autolab is not None
    assert task.autolab.build is not None
    assert task.autolab.build.timeout_sec == 200


@pytest.mark.parametrize(
    ("path", "value", "key", "words"),
    [
        ("autolab.editable", ["kernel.cu"], "autolab.editable", ["launch.toml"]),
        ("autolab.editable", ["*"], "autolab.editable", ["kernel.cu"]),
        ("autolab.driver.inputs", {}, "autolab.driver.inputs", ["is missing"]),
        ("autolab.driver.outputs", ..., "autolab.driver.outputs", ["is missing"]),
        ("autolab.driver.inputs.x", "4 *", "autolab.driver.inputs.x", ["no size in bytes"]),
        ("autolab.driver.inputs.x", "__import__('os')", "autolab.driver.inputs.x", ["no size"]),
        ("autolab.driver.inputs.x", 4.5, "autolab.driver.inputs.x", ["whole number"]),
        ("autolab.driver.inputs.2x", 4, "autolab.driver.inputs.2x", ["no name of a buffer"]),
        ("autolab.driver.outputs.x", 4, "autolab.driver.outputs.x", ["an input too"]),
        ("autolab.driver.inputs", {f"x{n}": 4 for n in range(20)}, "autolab.driver.inputs", ["16"]),
        ("autolab.driver.threads", 2, "autolab.driver.threads", ["makes no sense"]),
        ("autolab.driver.memory_mb", 512, "autolab.driver.memory_mb", ["makes no sense"]),
        ("autolab.driver.entry", "a.py", "autolab.driver.entry", ["python driver"]),
        ("autolab.driver.shared_bytes", 10**6, "autolab.driver.shared_bytes", ["232448"]),
        ("autolab.build", NATIVE["autolab"]["build"], "autolab.build.commands", ["of its own"]),
        ("autolab.flags", {"file": "kernel.cu", "allow": ["-O3"]}, "autolab.flags", ["flags"]),
        ("autolab.screen", {"running": {}}, "autolab.screen.running", ["a cuda driver"]),
        ("autolab.reward.rule", "linear", "autolab.reward.rule", ['use "log"']),
        ("environment.gpus", 2, "environment.gpus", ["one device"]),
        ("environment.gpus", ..., "environment.gpus", ["write gpus = 1"]),
    ],
)
def test_a_cuda_table_that_cannot_be_used(
    tmp_path: Path, path: str, value: Any, key: str, words: list[str]
) -> None:
    with pytest.raises(TaskError) as caught:
        load_task(write_cuda(tmp_path, changed(CUDA, path, value)))
    assert caught.value.key == key
    assert caught.value.remedy
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("key", ["inputs", "outputs", "shared_bytes", "scratch_mb"])
def test_what_only_cuda_has_stands_beside_no_other_driver(tmp_path: Path, key: str) -> None:
    value: Any = {"x": 4} if key.endswith("puts") else 64
    with pytest.raises(TaskError, match="only makes sense for a cuda driver"):
        load_task(write_native(tmp_path, changed(NATIVE, f"autolab.driver.{key}", value)))


@pytest.mark.parametrize("key", ["commands", "output"])
def test_another_driver_needs_a_whole_build(tmp_path: Path, key: str) -> None:
    with pytest.raises(TaskError, match=f"autolab.build.{key}: is missing"):
        load_task(write_native(tmp_path, changed(NATIVE, f"autolab.build.{key}", ...)))
