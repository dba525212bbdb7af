"""At which clocks a device ran while it was timed, and what held them down, asked of the driver."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from verifier.gpus import inventory
from verifier.verdict import Finding, Severity

# Bits of nvmlClocksEventReasons (NVML API reference); what only says that nothing runs is left out.
_REASONS = {
    0x02: "application clocks",
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x10: "sync boost",
    0x20: "heat (software)",
    0x40: "heat (hardware)",
    0x80: "power brake",
    0x100: "display clocks",
}
_ILL = 0x08 | 0x20 | 0x40 | 0x80  # of these a machine should be relieved


class Reading(msgspec.Struct, frozen=True):
    """MHz of the multiprocessors and of the memory, and a bit mask of reasons; None: not told."""

    sm: int | None
    memory: int | None
    reasons: int | None


def read(uuid: str) -> Reading | None:
    """This moment's clocks; None where the driver does not answer."""
    return inventory.patiently(lambda: _read(uuid), inventory.PATIENCE, None, uuid)


def _read(uuid: str) -> Reading | None:
    import pynvml as nvml

    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    try:
        handle = nvml.nvmlDeviceGetHandleByUUID(uuid)

        def asked(ask: Callable[[], int]) -> int | None:
            try:
                return int(ask())
            except (nvml.NVMLError, nvml.NVMLLibraryMismatchError):
                return None

        return Reading(
            asked(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
            asked(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)),
            asked(lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)),
        )
    except nvml.NVMLError:
        return None
    finally:
        nvml.nvmlShutdown()


class Record:
    """What was read right after each timed repetition."""

    def __init__(self, uuids: Sequence[str], look: Callable[[str], Reading | None] = read) -> None:
        self._uuids = uuids
        self._look = look
        self._readings: list[Reading] = []

    def sample(self) -> None:
        """Look once at every device."""
        for uuid in self._uuids:
            reading = self._look(uuid)
            if reading is not None:
                self._readings.append(reading)

    def findings(self) -> tuple[Finding, ...]:
        """The range of clocks and every reason that was seen; nothing where nothing was told."""
        said = [
            f"{name} {_range(values)} MHz"
            for name, values in (
                ("multiprocessors", [r.sm for r in self._readings if r.sm is not None]),
                ("memory", [r.memory for r in self._readings if r.memory is not None]),
            )
            if values
        ]
        seen = 0
        for reading in self._readings:
            seen |= reading.reasons or 0
        held = [word for bit, word in _REASONS.items() if seen & bit]
        if not said and not held:
            return ()
        words = ", ".join(said) + (f"; held down by {', '.join(held)}" if held else "")
        severity: Severity = "warning" if seen & _ILL else "info"
        return (Finding(severity, "the GPU's clocks while it was timed", words),)


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
