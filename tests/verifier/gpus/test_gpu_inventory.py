"""What is made of a driver's answers, those of a broken or an odd one too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from verifier.gpus import inventory
from verifier.gpus.device import Gpu
from verifier.gpus.inventory import Inventory


class Driver:
    """Answers like pynvml; whatever it has no attribute for is a function that is not found."""

    NVMLError = pynvml.NVMLError
    NVMLLibraryMismatchError = pynvml.NVMLLibraryMismatchError

    def __init__(self, **answers: Any) -> None:
        self.answers = {"Init": None, "Shutdown": None, **answers}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("NVML_"):
            return getattr(pynvml, name)
        key = name.removeprefix("nvmlDevice").removeprefix("nvml")

        def call(*given: Any) -> Any:
            if key not in self.answers:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
            answer = self.answers[key]
            if isinstance(answer, Exception):
                raise answer
            return answer(*given) if callable(answer) else answer

        return call


def present(monkeypatch: pytest.MonkeyPatch, **answers: Any) -> Inventory:
    monkeypatch.setitem(sys.modules, "pynvml", Driver(**answers))
    monkeypatch.setattr(inventory, "why_absent", lambda: "")
    return inventory.present()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "no NVIDIA driver"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "is not loaded"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "may not ask"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "reload it or reboot"),
        (pynvml.NVML_ERROR_UNKNOWN, "does not answer"),
    ],
)
def test_a_driver_that_does_not_start_is_put_into_words(monkeypatch, error, words):
    found = present(monkeypatch, Init=pynvml.NVMLError(error))
    assert found.gpus == ()
    assert words in found.trouble
    assert found.silent == (words not in ("no NVIDIA driver", "is not loaded"))


def test_a_device_that_is_lost_leaves_the_others(monkeypatch):
    def handle(index: int) -> int:
        if index == 1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return index

    found = present(
        monkeypatch, GetCount=3, GetHandleByIndex=handle, GetUUID=lambda h: f"GPU-{h}".encode(),
        GetName="NVIDIA A100", GetMinorNumber=lambda h: h + 4,
        GetMemoryInfo=SimpleNamespace(total=7),
    )  # fmt: skip
    assert found.gpus == (
        Gpu("GPU-0", "NVIDIA A100", 4, 7),
        Gpu("GPU-2", "NVIDIA A100", 6, 7),
    )
    assert found.trouble == "GPU 1 does not answer: GPU is lost"


def test_slices_stand_in_for_the_gpu_that_is_cut_into_them(monkeypatch, tmp_path: Path):
    for path, minor in (("gi7/access", 66), ("gi7/ci0/access", 67)):
        file = tmp_path / "gpu0" / "mig" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"DeviceFileMinor: {minor}\nDeviceFileMode: 292\n")
    monkeypatch.setattr(inventory, "_CAPABILITIES", tmp_path)

    def slice_of(handle: str, number: int) -> str:
        if number:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return f"{handle}-slice"

    found = present(
        monkeypatch, GetCount=1, GetHandleByIndex="gpu", GetUUID=lambda h: f"UUID-{h}",
        GetName=lambda h: "NVIDIA A100" if h == "gpu" else "NVIDIA A100 MIG 1g.5gb",
        GetMinorNumber=0, GetMigMode=(pynvml.NVML_DEVICE_MIG_ENABLE, 1),
        GetMaxMigDeviceCount=7, GetMigDeviceHandleByIndex=slice_of,
        GetGpuInstanceId=7, GetComputeInstanceId=0,
    )  # fmt: skip
    name = "NVIDIA A100 MIG 1g.5gb"
    assert found.gpus == (Gpu("UUID-gpu-slice", name, 0, 0, (66, 67), "UUID-gpu"),)


def test_without_a_driver_its_binding_is_not_even_imported():
    if inventory.is_there():
        pytest.skip("this machine has a driver's library")
    code = (
        "import sys\nfrom verifier.gpus import inventory\n"
        "print(inventory.present().trouble, inventory.memory('GPU-0'), 'pynvml' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("(no libnvidia-ml.so.1) None False\n")


def test_nonsense_from_a_driver_is_no_crash(monkeypatch):
    found = present(monkeypatch, GetCount="many")
    assert found == Inventory((), "the NVIDIA driver does not answer", True)
    monkeypatch.setitem(sys.modules, "pynvml", Driver(GetHandleByUUID="h"))
    monkeypatch.setattr(inventory, "is_there", lambda: True)
    assert inventory.processes("GPU-0") == ()
    monkeypatch.setitem(
        sys.modules,
        "pynvml",
        Driver(
            GetHandleByUUID="h",
            GetComputeRunningProcesses=[SimpleNamespace(pid=1, usedGpuMemory=None)],
        ),
    )
    assert inventory.memory("GPU-0") == {1: None}


def test_only_what_its_uuid_names_can_be_leased(monkeypatch):
    names = ["GPU-a", "", " ", "../../etc", "GPU-a", "a\nb", "MIG-GPU-b/1/0", "x" * 300]
    found = present(
        monkeypatch, GetCount=len(names), GetHandleByIndex=lambda n: n, GetName="NVIDIA A100",
        GetUUID=lambda n: names[n], GetMinorNumber=lambda n: n,
        GetMemoryInfo=SimpleNamespace(total=7),
    )  # fmt: skip
    assert [gpu.uuid for gpu in found.gpus] == ["GPU-a", "MIG-GPU-b/1/0"]
    assert "NVIDIA A100 has the UUID '', by which nobody can name it" in found.trouble
    assert found.trouble.endswith("; and 2 more")


def test_a_library_that_is_broken_is_no_machine_without_a_driver(tmp_path: Path):
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"half of it")
    code = "from verifier.gpus import inventory\nprint(inventory.present())"
    env = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    assert "the NVIDIA driver's library cannot be loaded" in done.stdout
    assert "silent=True" in done.stdout
