"""Which GPUs this machine has, asked of the NVIDIA driver (NVML).

Nothing is loaded before somebody asks. A driver may hang, so it is asked on a thread that is given
up after a while; whatever it answers, nothing here raises.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from verifier.gpus.device import Gpu

T = TypeVar("T")
PATIENCE = 5.0  # seconds for the driver to answer
_CAPABILITIES = Path("/proc/driver/nvidia/capabilities")
_MINOR = re.compile(r"DeviceFileMinor:\s*(\d+)")


class Inventory(NamedTuple):
    """The devices that answer, and in words what kept others from it ("" for nothing)."""

    gpus: tuple[Gpu, ...]
    trouble: str = ""


def present(patience: float = PATIENCE) -> Inventory:
    """The devices that can be leased now; a GPU that is cut into MIG slices is its slices."""
    return patiently(_inventory, patience, Inventory((), "the NVIDIA driver does not answer"))


def processes(uuid: str, patience: float = PATIENCE) -> tuple[int, ...]:
    """Host pids of the processes that have this device open for computing or drawing.

    Empty too where the driver does not tell.
    """
    return patiently(lambda: _processes(uuid), patience, ())


def patiently(ask: Callable[[], T], patience: float, otherwise: T) -> T:
    """What `ask` answers within `patience` seconds; else `otherwise`. It must not raise."""
    answers: list[T] = []
    thread = threading.Thread(target=lambda: answers.append(ask()), daemon=True, name="nvml")
    thread.start()
    thread.join(patience)
    return answers[0] if answers else otherwise


def _inventory() -> Inventory:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return Inventory((), _in_words(pynvml, error))
    try:
        found, trouble = [], ""
        for index in range(pynvml.nvmlDeviceGetCount()):
            try:
                found += list(_devices(pynvml, index))
            except pynvml.NVMLError as error:
                trouble = f"GPU {index} does not answer: {error}"
        return Inventory(tuple(found), trouble)
    except pynvml.NVMLError as error:
        return Inventory((), f"the NVIDIA driver does not answer: {error}")
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _in_words(nvml: Any, error: Any) -> str:
    match error.value:
        case nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
            return "this machine has no NVIDIA driver (no libnvidia-ml.so.1)"
        case nvml.NVML_ERROR_DRIVER_NOT_LOADED:
            return "the NVIDIA driver is not loaded"
        case nvml.NVML_ERROR_NO_PERMISSION:
            return "this user may not ask the NVIDIA driver"
        case _:
            return f"the NVIDIA driver does not start: {error}"


def _devices(nvml: Any, index: int) -> Iterator[Gpu]:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    whole = Gpu(
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        name=_text(nvml.nvmlDeviceGetName(handle)),
        minor=int(_or(nvml, lambda: nvml.nvmlDeviceGetMinorNumber(handle), index)),
        memory=_memory(nvml, handle),
    )
    if _or(nvml, lambda: nvml.nvmlDeviceGetMigMode(handle)[0], 0) != nvml.NVML_DEVICE_MIG_ENABLE:
        yield whole
        return
    for number in range(_or(nvml, lambda: nvml.nvmlDeviceGetMaxMigDeviceCount(handle), 0)):
        with suppress(nvml.NVMLError):  # an empty place for a slice
            yield _slice(nvml, whole, nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number))


def _slice(nvml: Any, whole: Gpu, handle: Any) -> Gpu:
    instance = nvml.nvmlDeviceGetGpuInstanceId(handle)
    compute = nvml.nvmlDeviceGetComputeInstanceId(handle)
    folder = _CAPABILITIES / f"gpu{whole.minor}" / "mig" / f"gi{instance}"
    minors = (_capability(file) for file in (folder / "access", folder / f"ci{compute}" / "access"))
    return Gpu(
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        name=_text(_or(nvml, lambda: nvml.nvmlDeviceGetName(handle), f"{whole.name} MIG")),
        minor=whole.minor,
        memory=_memory(nvml, handle),
        capabilities=tuple(minor for minor in minors if minor is not None),
        parent=whole.uuid,
    )


def _capability(file: Path) -> int | None:
    with suppress(OSError):
        found = _MINOR.search(file.read_text())
        return int(found[1]) if found else None
    return None


def _memory(nvml: Any, handle: Any) -> int:
    return int(_or(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle).total, 0))


def _processes(uuid: str) -> tuple[int, ...]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        computing = partial(pynvml.nvmlDeviceGetComputeRunningProcesses, handle)
        drawing = partial(pynvml.nvmlDeviceGetGraphicsRunningProcesses, handle)
        found = {int(p.pid) for ask in (computing, drawing) for p in _or(pynvml, ask, ())}
        return tuple(sorted(found))
    except pynvml.NVMLError:
        return ()
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _or(nvml: Any, ask: Callable[[], Any], otherwise: Any) -> Any:
    """What an older or smaller driver may not know."""
    try:
        return ask()
    except nvml.NVMLError:
        return otherwise


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
