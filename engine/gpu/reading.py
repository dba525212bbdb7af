"""What the NVIDIA driver says of each GPU now. Asks NVML; imports it only where it is there."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, TypeVar

import msgspec

T = TypeVar("T")
Standing = Literal["ok", "lost", "silent"]
_LIBRARY = "libnvidia-ml.so.1"
# Bits of the reasons for lower clocks, as NVML numbers them; idling and wishes are no throttling.
_THROTTLES = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "thermal (software)",
    0x40: "thermal (hardware)",
    0x80: "power brake",
}


class GpuProcess(msgspec.Struct, frozen=True):
    """A process on a device, by its host pid; bytes of the device's memory, null where not told.

    `session` is the one in whose sandbox it runs, if any.
    """

    pid: int
    memory: int | None
    session: str | None = None


class GpuReading(msgspec.Struct, frozen=True, kw_only=True):
    """One device at one moment; null is what the driver does not tell.

    Percent, bytes, watts, degrees Celsius, MHz. `throttle` are the reasons why clocks are held
    down, in words; `ecc` counts uncorrected memory errors since the driver was loaded. `standing`
    is "lost" for a device that fell off the bus, and "silent" for one whose driver answers with an
    error, which `trouble` says.
    """

    index: int
    uuid: str
    name: str
    standing: Standing = "ok"
    trouble: str = ""
    utilization: int | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    power: float | None = None
    power_limit: float | None = None
    temperature: int | None = None
    sm_clock: int | None = None
    memory_clock: int | None = None
    throttle: tuple[str, ...] = ()
    ecc: int | None = None
    processes: tuple[GpuProcess, ...] | None = None


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """Every device; `trouble` says in words why there is none, or why it is old."""

    driver: str = ""
    trouble: str = ""
    gpus: tuple[GpuReading, ...] = ()


class Reader:
    """Asks the driver; belongs to one thread, since a driver may hang. Remembers who was there.

    A device that was listed and no longer answers stays in the reading as lost.
    """

    def __init__(self) -> None:
        self._nvml: Any = None
        self._known: dict[str, GpuReading] = {}

    def read(self) -> Reading:
        """All devices now. Never raises for anything that the driver does."""
        if self._nvml is None and (trouble := self._open()):
            return Reading(trouble=trouble, gpus=self._lost(set()))
        nvml = self._nvml
        try:
            driver = self._version()
            count = nvml.nvmlDeviceGetCount()
        except nvml.NVMLError as error:
            trouble = _in_words(nvml, error)
            self.close()  # a driver that was loaded anew wants to be opened anew
            return Reading(trouble=trouble, gpus=self._lost(set()))
        gpus = [found for index in range(count) if (found := self._device(index)) is not None]
        self._known |= {gpu.uuid: gpu for gpu in gpus if gpu.standing == "ok"}
        return Reading(driver=driver, gpus=(*gpus, *self._lost({gpu.uuid for gpu in gpus})))

    def close(self) -> None:
        """Let go of the driver; the next reading opens it again."""
        nvml, self._nvml = self._nvml, None
        if nvml is not None:
            with suppress(nvml.NVMLError):
                nvml.nvmlShutdown()

    def _open(self) -> str:
        try:
            ctypes.CDLL(_LIBRARY)  # a try that costs nothing where there is no driver
        except OSError:
            return "this machine has no NVIDIA driver (no libnvidia-ml.so.1)"
        import pynvml

        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            return _in_words(pynvml, error)
        self._nvml = pynvml
        return ""

    def _version(self) -> str:
        """Of the driver; a driver that does not tell its version may still tell of its devices."""
        try:
            return _text(self._nvml.nvmlSystemGetDriverVersion())
        except (self._nvml.NVMLError, UnicodeDecodeError):
            return ""

    def _lost(self, seen: set[str]) -> tuple[GpuReading, ...]:
        return tuple(
            GpuReading(
                index=gpu.index,
                uuid=uuid,
                name=gpu.name,
                standing="lost",
                trouble="it was there and is no longer listed",
                memory_total=gpu.memory_total,
            )
            for uuid, gpu in self._known.items()
            if uuid not in seen
        )

    def _device(self, index: int) -> GpuReading | None:
        nvml = self._nvml
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            uuid = _text(nvml.nvmlDeviceGetUUID(handle))
        except (nvml.NVMLError, UnicodeDecodeError) as error:
            return self._troubled(index, error)
        lost: list[Exception] = []

        def ask(question: Callable[[], T]) -> T | None:
            try:
                return question()
            except nvml.NVMLError as error:
                if error.value == nvml.NVML_ERROR_GPU_IS_LOST:
                    lost.append(error)
            except (nvml.NVMLLibraryMismatchError, UnicodeDecodeError):
                pass
            return None  # not every device and driver tells everything

        name = ask(lambda: _text(nvml.nvmlDeviceGetName(handle))) or "a GPU without a name"

        memory = ask(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
        rates = ask(lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
        milliwatts = ask(lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        limit = ask(lambda: nvml.nvmlDeviceGetPowerManagementLimit(handle))
        reasons = ask(lambda: int(nvml.nvmlDeviceGetCurrentClocksEventReasons(handle))) or 0
        found = GpuReading(
            index=index,
            uuid=uuid,
            name=name,
            utilization=None if rates is None else int(rates.gpu),
            memory_used=None if memory is None else int(memory.used),
            memory_total=None if memory is None else int(memory.total),
            power=None if milliwatts is None else milliwatts / 1000,
            power_limit=None if limit is None else limit / 1000,
            temperature=ask(lambda: int(nvml.nvmlDeviceGetTemperature(handle, 0))),
            sm_clock=ask(lambda: int(nvml.nvmlDeviceGetClockInfo(handle, 1))),
            memory_clock=ask(lambda: int(nvml.nvmlDeviceGetClockInfo(handle, 2))),
            throttle=tuple(words for bit, words in _THROTTLES.items() if reasons & bit),
            ecc=ask(lambda: int(nvml.nvmlDeviceGetTotalEccErrors(handle, 1, 0))),
            processes=_processes(
                ask(lambda: nvml.nvmlDeviceGetGraphicsRunningProcesses(handle)),
                ask(lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle)),
            ),
        )
        # A handle may be had of a device that is gone: only a question to the device itself tells.
        return self._troubled(index, lost[0], found) if lost else found

    def _troubled(self, index: int, error: Exception, read: GpuReading | None = None) -> GpuReading:
        nvml = self._nvml
        known = [read] if read else [gpu for gpu in self._known.values() if gpu.index == index]
        lost = getattr(error, "value", None) == nvml.NVML_ERROR_GPU_IS_LOST
        return GpuReading(
            index=index,
            uuid=known[0].uuid if known else f"GPU {index}",
            name=known[0].name if known else "a GPU that does not answer",
            standing="lost" if lost else "silent",
            trouble="it fell off the bus; look into dmesg for an Xid, and reset or reboot"
            if lost
            else str(error),
        )


def _processes(drawing: Any, computing: Any) -> tuple[GpuProcess, ...] | None:
    """Both lists in one. Null without the second: cards for computing alone have no first."""
    if computing is None:
        return None
    found = {}
    for listed in (drawing or (), computing):
        for process in listed:
            memory = process.usedGpuMemory
            found[int(process.pid)] = None if memory is None else int(memory)
    return tuple(GpuProcess(pid, memory) for pid, memory in sorted(found.items()))


def _in_words(nvml: Any, error: Any) -> str:
    match error.value:
        case nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
            return "this machine has no NVIDIA driver (no libnvidia-ml.so.1)"
        case nvml.NVML_ERROR_DRIVER_NOT_LOADED:
            return "the NVIDIA driver is not loaded; modprobe nvidia, or look into dmesg"
        case nvml.NVML_ERROR_NO_PERMISSION:
            return "this user may not ask the NVIDIA driver; look at the rights of /dev/nvidiactl"
        case _:
            return f"the NVIDIA driver does not answer: {error}"


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
