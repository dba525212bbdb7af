"""A session on a task of device code: lease, verdict on the leased device, and what it earned.

The driver is a stub that runs kernels on the CPU, under the real PyCUDA.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tasks import load_task
from tasks.scaffold import create
from tests.engine.gpu.machine import Machine
from tests.engine.session.test_sessions import spec
from tests.engine.support import running_engine
from tests.support.cuda.stub import stub
from verifier import cpus, pins
from verifier.cuda.compiling import compiled
from verifier.request import VerifyRequest
from verifier.sandbox import get_backend

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sandboxes")]


def test_the_verdict_is_taken_on_the_leased_device(
    gpus: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("nvcc") is None:
        pytest.skip("nvcc is missing: kernels cannot be compiled")
    folder = create(tmp_path / "suite/row_sums", "cuda")
    file = folder / "task.toml"
    file.write_text(file.read_text().replace("4096, columns = 2048", "64, columns = 64"))
    pins.write(folder)
    task = load_task(folder)
    here = cpus.Machine(get_backend(), cpus.choose(VerifyRequest(task="")))
    with stub() as driver:
        driver.pace(30)
        for files in (task.baseline(), task.steps()[-1].artifact):
            source = files["kernel.cu"]
            driver.teach_source(compiled(here, source, 90)[0], source)
        for name in ("LD_LIBRARY_PATH", "PYTHONPATH"):
            monkeypatch.setenv(name, driver.environ()[name])
        with running_engine(tmp_path / "state") as engine:
            asked = spec(tmp_path / "suite", tasks=["row_sums"], agents=["oracle"])
            (session,) = engine.client.create_run(asked)["sessions"]
            facts = engine.until_over(session).sessions[session]
            verdicts = engine.client.verdicts(session)
    final = verdicts[-1]
    if final["cause"] == "contention":
        pytest.skip(f"this machine is too busy to measure: {final['reason']}")
    assert final["status"] == "scored", final["reason"]
    assert [gate["name"] for gate in final["gates"]] == ["artifact", "builds", "runs", "correct"]
    assert "the device is a stub" in final["seal"]["why"]
    assert facts.gpu_time.closed > 0
    assert facts.lease == ()


def test_without_a_device_a_launch_is_refused_in_words(tmp_path: Path) -> None:
    from engine.client import EngineRefusedError

    folder = create(tmp_path / "suite/row_sums", "cuda")
    pins.write(folder)
    with running_engine(tmp_path / "state") as engine:
        asked = spec(tmp_path / "suite", tasks=["row_sums"], agents=["oracle"])
        with pytest.raises(EngineRefusedError, match=r"it needs 1 GPU|nvcc"):
            engine.client.create_run(asked)
