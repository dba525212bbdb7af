"""An engine on a machine with GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.gpu.machine import Machine, machine, make_gpu_task
from tests.engine.support import EngineProcess, make_task, running_engine


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine with one A100, until the test says otherwise."""
    with machine(monkeypatch) as found:
        yield found


@pytest.fixture
def gpu_engine(sandboxes: None, gpus: Machine, tmp_path: Path) -> Iterator[EngineProcess]:
    """An engine of its own on that machine."""
    with running_engine(tmp_path / "state") as process:
        yield process


@pytest.fixture
def gpu_suite(tmp_path: Path) -> Path:
    """`on_gpu`, which needs a GPU, and `count_down`, which needs none."""
    return make_gpu_task(make_task(tmp_path / "suite"))
