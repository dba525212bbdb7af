"""Xid errors: what the driver reports of a device's troubles, heard as they happen.

NVML tells of them only to who waits, so a thread waits; whatever it waits for holds up nobody.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from typing import Any

from engine.gpu.reading import Xid

KEPT = 8  # of each device, the newest
_WAIT_MS = 1000
_REST = 5.0  # seconds after a driver that does not let anybody wait
_BREATH = 0.02  # between two errors, of which a broken device may have thousands
# NVIDIA's numbers in words; what is not here is told by its number.
_WORDS = {
    13: "a kernel did what the hardware refuses",
    31: "a kernel touched memory that is not its own",
    32: "a damaged command from the host",
    38: "the firmware of the driver failed",
    43: "a program's work was stopped",
    44: "a fault while switching contexts",
    45: "a program's work was cleared away",
    48: "a memory error that cannot be corrected",
    56: "the display engine failed",
    61: "an internal microcontroller stopped",
    62: "an internal microcontroller halted",
    63: "a bad memory row was taken out of use",
    64: "a bad memory row could not be taken out of use",
    68: "the video processor failed",
    69: "the graphics engine failed",
    74: "an NVLink failed",
    79: "it fell off the bus",
    92: "many corrected memory errors",
    94: "a memory error that hit one program",
    95: "a memory error that may have hit every program",
    119: "the GPU's system processor does not answer",
    120: "the GPU's system processor failed",
    121: "an error on the link to the CPU",
}


def in_words(code: int, instance: int | None = None) -> str:
    """What an Xid means, where that is known, and on which MIG slice (its instance) it was."""
    words = f"Xid {code}: {_WORDS[code]}" if code in _WORDS else f"Xid {code}"
    return words if instance is None else f"{words} (GPU instance {instance})"


class Xids:
    """Waits for the errors of the devices that `watch` names, from the first of them on."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._wanted: frozenset[str] = frozenset()
        self._heard: dict[str, deque[Xid]] = {}
        self._registered: frozenset[str] = frozenset()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, uuids: Collection[str]) -> None:
        """These devices answer now: one that is new or back is waited for anew."""
        self._wanted = frozenset(uuids)
        if self._wanted and self._thread is None:
            self._thread = threading.Thread(target=self._work, name="xids", daemon=True)
            self._thread.start()

    def recent(self, uuid: str) -> tuple[Xid, ...] | None:
        """The newest errors of a device, the oldest first; None where the driver tells of none."""
        heard = self._heard.get(uuid)
        if heard is not None:
            return tuple(heard.copy())
        return () if uuid in self._registered else None

    def close(self) -> None:
        """Wait no more; a thread that the driver holds is left to it."""
        self._stopping.set()

    def _work(self) -> None:
        import pynvml

        while not self._stopping.is_set():
            try:
                pynvml.nvmlInit()
                try:
                    self._listen(pynvml)
                finally:
                    pynvml.nvmlShutdown()
            except (pynvml.NVMLError, pynvml.NVMLLibraryMismatchError):
                self._registered = frozenset()
                self._stopping.wait(_REST)

    def _listen(self, nvml: Any) -> None:
        """Until a device is there that is not waited for yet. Raises `NVMLError`."""
        events = nvml.nvmlEventSetCreate()
        try:
            asked = self._wanted
            uuids = dict(pair for uuid in asked if (pair := _register(nvml, uuid, events)))
            self._registered = frozenset(uuids.values())
            while not self._stopping.is_set() and self._wanted <= asked:
                asked &= self._wanted
                before = time.monotonic()
                try:
                    event = nvml.nvmlEventSetWait_v2(events, _WAIT_MS)
                except nvml.NVMLError as error:
                    if error.value != nvml.NVML_ERROR_TIMEOUT:
                        raise
                    if time.monotonic() - before < _WAIT_MS / 2000:  # it does not wait
                        self._stopping.wait(_WAIT_MS / 1000)
                    continue
                self._hear(nvml, uuids.get(_address(event.device)), event)
        finally:
            nvml.nvmlEventSetFree(events)

    def _hear(self, nvml: Any, uuid: str | None, event: Any) -> None:
        if uuid is not None and event.eventType & nvml.nvmlEventTypeXidCriticalError:
            instance = event.gpuInstanceId if event.gpuInstanceId < 0xFFFF else None
            code = int(event.eventData)
            xid = Xid(code, in_words(code, instance), self._wall())
            self._heard.setdefault(uuid, deque(maxlen=KEPT)).append(xid)
        self._stopping.wait(_BREATH)


def _register(nvml: Any, uuid: str, events: Any) -> tuple[int | None, str] | None:
    try:
        handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
        nvml.nvmlDeviceRegisterEvents(handle, nvml.nvmlEventTypeXidCriticalError, events)
    except nvml.NVMLError:
        return None  # it is just gone, or does not tell
    return _address(handle), uuid


def _address(handle: Any) -> int | None:
    return ctypes.cast(handle, ctypes.c_void_p).value
