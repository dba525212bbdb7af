"""Reads every GPU from the driver (NVML); imports what asks it only where its library is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from engine.gpu.reading import GpuProcess, GpuReading, Reading, throttle_in_words
from engine.gpu.xids import Xids
from verifier.gpus.asking import Asker, HangsError, Patience
from verifier.gpus.inventory import NAMELESS
from verifier.gpus.nvml import (
    MOST_DEVICES,
    in_words,
    processes,
    size,
    slices,
    text,
    told,
    why_absent,
    within,
)

T = TypeVar("T")
_LISTED = 32  # processes of a device
_MOST_MILLIWATTS, _MOST_DEGREES, _MOST_MHZ = 20_000_000, 200, 20_000
_MOST_ERRORS = 1 << 48
_FELL = "it fell off the bus; look into dmesg for an Xid, and reset or reboot"
_DEVICE_PATIENCE, _ALL_PATIENCE = 1.5, 3.0  # seconds for one device, and for all that hang
_NOT_LISTED, _NO_ANSWER = "it is no longer listed", "its driver does not answer"
_MISSED = 600.0  # seconds for which a device that is no longer listed is missed


class Reader:
    """Asks the driver; belongs to one thread, since a driver may hang. Remembers who was there.

    Each device is asked on a thread of its own, so that one that hangs is silent and no other.

    A device that was listed and no longer answers stays in the reading as lost. One that a driver
    in order no longer lists was taken out: it goes from the reading after ten minutes, unless
    somebody `held` it. `xids` hears what goes wrong between two looks.
    """

    def __init__(
        self,
        xids: Xids | None = None,
        held: Callable[[str], bool] = lambda _: False,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._nvml: Any = None
        self._known: dict[str, GpuReading] = {}
        self._asker = Asker()
        self._gone: dict[str, tuple[float, str]] = {}  # since when, for us and in words
        self._xids = xids
        self._held = held
        self._now = now

    def read(self) -> Reading:
        """All devices now. Never raises for anything that the driver does."""
        if self._nvml is None and (trouble := self._open()):
            return Reading(trouble=trouble, gpus=self._lost(set(), _NO_ANSWER))
        nvml = self._nvml
        try:
            count = int(nvml.nvmlDeviceGetCount())
        except (nvml.NVMLError, nvml.NVMLLibraryMismatchError) as error:
            trouble = in_words(nvml, error)
            self._close()  # a driver that was loaded anew wants to be opened anew
            return Reading(trouble=trouble, gpus=self._lost(set(), _NO_ANSWER))
        trouble = (
            f"the NVIDIA driver counts {count} GPUs, of which {MOST_DEVICES} are looked at"
            if count > MOST_DEVICES
            else ""
        )
        found: dict[str, GpuReading] = {}
        failed: list[tuple[int, Exception]] = []
        patience = Patience(_DEVICE_PATIENCE, _ALL_PATIENCE)
        for index in range(min(count, MOST_DEVICES)):
            try:
                asked = partial(self._listed, index)
                for gpu in patience.ask(self._asker, f"device {index}", asked):
                    if found.setdefault(gpu.uuid, gpu) is not gpu:
                        trouble = f"the NVIDIA driver lists {gpu.uuid} twice"
            except (nvml.NVMLError, UnicodeDecodeError, HangsError) as error:
                if getattr(error, "value", None) != nvml.NVML_ERROR_INVALID_ARGUMENT:
                    failed.append((index, error))  # else it went since they were counted
        for index, failure in failed:
            gpu = self._troubled(index, failure, found)
            found[gpu.uuid] = gpu
        listed = sorted(found.values(), key=lambda gpu: gpu.index)  # slices stay below theirs
        self._gone = {uuid: gone for uuid, gone in self._gone.items() if uuid not in found}
        if not failed and not trouble:  # else what is missing may be there
            self._forget(set(found))
        gone = self._lost(set(found))
        self._remember(found)
        if self._xids is not None:
            self._xids.watch(
                [g.uuid for g in found.values() if g.standing == "ok" and not g.parent]
            )
        driver = told(nvml, lambda: text(nvml.nvmlSystemGetDriverVersion())) or ""
        return Reading(driver=driver, trouble=trouble, gpus=(*listed, *gone))

    def close(self) -> None:
        """Let go of the driver for good."""
        self._close()
        if self._xids is not None:
            self._xids.close()

    def _close(self) -> None:
        nvml, self._nvml = self._nvml, None
        # Who waits within the library may hold what letting go of it would wait for.
        if nvml is not None and not self._asker.hangs:
            with suppress(nvml.NVMLError):
                nvml.nvmlShutdown()

    def _open(self) -> str:
        if absent := why_absent():
            return absent
        import pynvml

        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            return in_words(pynvml, error)
        self._nvml = pynvml
        return ""

    def _remember(self, found: dict[str, GpuReading]) -> None:
        """Slices come and go as an operator cuts; a GPU that is not there is missed."""
        for uuid, gpu in found.items():
            if gpu.standing == "ok" and not gpu.parent:
                self._known.pop(uuid, None)  # the newest stand last
                self._known[uuid] = gpu
        while len(self._known) > MOST_DEVICES:
            del self._known[next(iter(self._known))]

    def _forget(self, seen: set[str]) -> None:
        """A driver that answers for all it has does not list these: after a while they are gone."""
        now = self._now()
        for uuid in [uuid for uuid in self._known if uuid not in seen]:
            since, _ = self._gone.setdefault(uuid, (now, time.strftime("%H:%M")))
            if now - since >= _MISSED and not self._held(uuid):
                del self._known[uuid], self._gone[uuid]

    def _lost(self, seen: set[str], why: str = _NOT_LISTED) -> tuple[GpuReading, ...]:
        missing = {uuid: gpu for uuid, gpu in self._known.items() if uuid not in seen}
        since = {uuid: f"{_NOT_LISTED}, since {at}" for uuid, (_, at) in self._gone.items()}
        return tuple(_lost(gpu, since.get(uuid, why)) for uuid, gpu in missing.items())

    def _listed(self, index: int) -> tuple[GpuReading, ...]:
        return tuple(self._device(index))

    def _device(self, index: int) -> Iterator[GpuReading]:
        """A device and the slices that it is cut into. Raises `NVMLError`, `UnicodeDecodeError`."""
        nvml = self._nvml
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        uuid = text(nvml.nvmlDeviceGetUUID(handle)) or f"GPU {index}"
        lost: list[Exception] = []

        def ask(question: Callable[[], T]) -> T | None:
            """What the device tells; that it is lost counts as much as what it does not tell."""

            def asked() -> T:
                try:
                    return question()
                except nvml.NVMLError as error:
                    if error.value == nvml.NVML_ERROR_GPU_IS_LOST:
                        lost.append(error)
                    raise

            return told(nvml, asked)

        cut = slices(nvml, handle)
        parts = list(cut) if cut is not None else None
        whole = self._figures(handle, index, uuid, ask, cut=None if parts is None else len(parts))
        # A handle may be had of a device that is gone: only a question to the device itself tells.
        if lost:
            yield _lost(whole, _FELL)
            return
        yield whole
        for part in parts or ():
            with suppress(nvml.NVMLError, UnicodeDecodeError):  # one that is just made or unmade
                name = text(nvml.nvmlDeviceGetUUID(part))
                yield self._figures(part, index, name, lambda q: told(nvml, q), parent=uuid)

    def _figures(
        self,
        handle: Any,
        index: int,
        uuid: str,
        ask: Callable[[Callable[[], Any]], Any],
        *,
        cut: int | None = None,
        parent: str = "",
    ) -> GpuReading:
        nvml = self._nvml
        memory = ask(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
        total = None if memory is None else size(memory.total)
        used = None if memory is None else size(memory.used)
        rates = ask(lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
        power = within(ask(lambda: nvml.nvmlDeviceGetPowerUsage(handle)), _MOST_MILLIWATTS)
        limit = within(
            ask(lambda: nvml.nvmlDeviceGetPowerManagementLimit(handle)), _MOST_MILLIWATTS
        )
        reasons = ask(lambda: int(nvml.nvmlDeviceGetCurrentClocksEventReasons(handle)))
        if reasons is None:  # as drivers before 535 call it
            reasons = ask(lambda: int(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)))
        named = ask(lambda: text(nvml.nvmlDeviceGetName(handle)))
        listed, more = _listed(ask(lambda: processes(nvml, handle)))
        return GpuReading(
            index=index,
            uuid=uuid,
            name=named or NAMELESS,
            parent=parent,
            slices=cut,
            utilization=None if rates is None else within(rates.gpu, 100),
            memory_used=None if used is None or (total is not None and used > total) else used,
            memory_total=total,
            power=None if power is None else power / 1000,
            power_limit=limit / 1000 if limit else None,
            temperature=within(
                ask(lambda: nvml.nvmlDeviceGetTemperature(handle, 0)), _MOST_DEGREES
            ),
            sm_clock=within(ask(lambda: nvml.nvmlDeviceGetClockInfo(handle, 1)), _MOST_MHZ),
            memory_clock=within(ask(lambda: nvml.nvmlDeviceGetClockInfo(handle, 2)), _MOST_MHZ),
            throttle=throttle_in_words(reasons),
            ecc=within(ask(lambda: nvml.nvmlDeviceGetTotalEccErrors(handle, 1, 0)), _MOST_ERRORS),
            ecc_corrected=within(
                ask(lambda: nvml.nvmlDeviceGetTotalEccErrors(handle, 0, 0)), _MOST_ERRORS
            ),
            xids=None if self._xids is None else self._xids.recent(parent or uuid),
            processes=listed,
            processes_more=more,
        )

    def _troubled(self, index: int, error: Exception, found: dict[str, GpuReading]) -> GpuReading:
        """A device that says not even who it is: the one that was there and is nowhere else."""
        nvml = self._nvml
        missing = [gpu for gpu in self._known.values() if gpu.uuid not in found]
        missing = [gpu for gpu in missing if gpu.uuid not in self._gone] or missing
        same = [gpu for gpu in missing if gpu.index == index] or missing
        known = (
            same[0]
            if len(same) == 1  # else nobody can tell which it is
            else GpuReading(index=index, uuid=f"GPU {index}", name="a GPU that does not answer")
        )
        if getattr(error, "value", None) == nvml.NVML_ERROR_GPU_IS_LOST:
            return _lost(known, _FELL)
        return GpuReading(
            index=index,
            uuid=known.uuid,
            name=known.name,
            standing="silent",
            trouble="its UUID is no text" if isinstance(error, UnicodeDecodeError) else str(error),
        )


def _lost(gpu: GpuReading, why: str) -> GpuReading:
    return GpuReading(
        index=gpu.index,
        uuid=gpu.uuid,
        name=gpu.name,
        standing="lost",
        trouble=why,
        memory_total=gpu.memory_total,
        xids=gpu.xids,
    )


def _listed(found: dict[int, int | None] | None) -> tuple[tuple[GpuProcess, ...] | None, int]:
    """Those with the most memory, by pid, and how many others there are."""
    if found is None:
        return None, 0
    most = sorted(found, key=lambda pid: (-(found[pid] or 0), pid))[:_LISTED]
    listed = tuple(GpuProcess(pid, found[pid], None, _program(pid)) for pid in sorted(most))
    return listed, len(found) - len(listed)


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return ""  # it has ended, or is of a namespace that is not seen from here
