"""Asking NVML: what an older driver lacks, what a smaller device does not tell, what is nonsense.

What takes the module `pynvml` is for those who have found a driver: others do not import it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
_LIBRARY = "libnvidia-ml.so.1"
NO_DRIVER = f"this machine has no NVIDIA driver (no {_LIBRARY})"
NOT_LOADED = "the NVIDIA driver is not loaded; modprobe nvidia, or look into dmesg"
MOST_DEVICES = 64  # looked at; a driver that counts more is not to be believed
_MOST_BYTES = 1 << 50


def is_there() -> bool:
    """Whether the driver's library is: a try that costs nothing, as `pynvml` would, without one."""
    return not why_absent()


def why_absent() -> str:
    """Why the driver's library cannot be loaded: `NO_DRIVER`, or what is wrong with it; "" if it
    can."""
    try:
        ctypes.CDLL(_LIBRARY)
    except OSError as error:
        if str(error).startswith(f"{_LIBRARY}: cannot open"):
            return NO_DRIVER
        return f"the NVIDIA driver's library cannot be loaded: {error}; install it again"
    return ""


def in_words(nvml: Any, error: Any) -> str:
    """Why the driver cannot be asked at all, of what it answered, with the remedy."""
    match getattr(error, "value", None):
        case nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
            return NO_DRIVER
        case nvml.NVML_ERROR_DRIVER_NOT_LOADED:
            return NOT_LOADED
        case nvml.NVML_ERROR_NO_PERMISSION:
            return "this user may not ask the NVIDIA driver; look at the rights of /dev/nvidiactl"
        case nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
            return (
                "the NVIDIA driver is loaded in another version than its library: reload it or "
                "reboot"
            )
        case _:
            return f"the NVIDIA driver does not answer: {error}"


def told(nvml: Any, *questions: Callable[[], T]) -> T | None:
    """The first answer that the driver gives; None where it gives none.

    The next question is for drivers that do not know the one before.
    """
    for question in questions:
        try:
            return question()
        except (nvml.NVMLError, nvml.NVMLLibraryMismatchError, UnicodeDecodeError):
            continue
    return None


def within(value: Any, most: int) -> int | None:
    """A number from 0 to `most`. NVML says "not known" by setting all bits, and drivers err."""
    return int(value) if value is not None and 0 <= value <= most else None


def size(value: Any) -> int | None:
    """Bytes of a device's memory."""
    return within(value, _MOST_BYTES)


def text(value: str | bytes) -> str:
    """What the driver calls something."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def processes(nvml: Any, handle: Any) -> dict[int, int | None] | None:
    """Bytes of the device's memory by the host pid that holds them; None where it is not told.

    Those that draw are with those that compute. Cards for computing alone have no list of the
    former, so only the latter need be told.
    """
    computing = told(
        nvml,
        lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle),
        lambda: nvml.nvmlDeviceGetComputeRunningProcesses_v2(handle),
    )
    if computing is None:
        return None
    drawing = told(
        nvml,
        lambda: nvml.nvmlDeviceGetGraphicsRunningProcesses(handle),
        lambda: nvml.nvmlDeviceGetGraphicsRunningProcesses_v2(handle),
    )
    return {int(p.pid): size(p.usedGpuMemory) for p in (*(drawing or ()), *computing)}


def slices(nvml: Any, handle: Any) -> Iterator[Any] | None:
    """Handles of the MIG slices that a GPU is cut into; None for one that is whole."""
    mode = told(nvml, lambda: nvml.nvmlDeviceGetMigMode(handle)[0])
    if mode != nvml.NVML_DEVICE_MIG_ENABLE:
        return None
    count = told(nvml, lambda: int(nvml.nvmlDeviceGetMaxMigDeviceCount(handle))) or 0
    return _slices(nvml, handle, min(count, MOST_DEVICES))


def _slices(nvml: Any, handle: Any, count: int) -> Iterator[Any]:
    for number in range(count):
        found = told(nvml, lambda: nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number))  # noqa: B023
        if found is not None:  # not an empty place
            yield found
