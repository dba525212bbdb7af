"""What the NVIDIA driver says of each GPU at one moment, and in which words."""

from __future__ import annotations

from typing import Literal

import msgspec

Standing = Literal["ok", "lost", "silent"]
# Bits of the reasons for lower clocks, as NVML numbers them; idling, wishes (of an operator, of the
# display, of clocks that go together) are no throttling.
_WISHES = 0x01 | 0x02 | 0x10 | 0x100
_THROTTLES = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "thermal (software)",
    0x40: "thermal (hardware)",
    0x80: "power brake",
}


class GpuProcess(msgspec.Struct, frozen=True):
    """A process on a device, by its host pid; bytes of the device's memory, null where not told.

    `session` is the one in whose sandbox it runs, if any; `name` is the program's own and may be
    anything, empty where it has ended.
    """

    pid: int
    memory: int | None
    session: str | None = None
    name: str = ""


class Xid(msgspec.Struct, frozen=True):
    """An error that the driver reported of a device, `at` wall time (seconds)."""

    code: int
    words: str
    at: float


class GpuReading(msgspec.Struct, frozen=True, kw_only=True):
    """One device at one moment; null is what the driver does not tell.

    Percent, bytes, watts, degrees Celsius, MHz. `throttle` are the reasons why clocks are held
    down, in words; `ecc` and `ecc_corrected` count memory errors since the driver was loaded;
    `xids` are the newest errors since the engine looks, null without an engine. `standing` is
    "lost" for a device that fell off the bus, and "silent" for one whose driver answers with an
    error, which `trouble` says. `parent` is the UUID of the GPU that a MIG slice is on; `slices`
    says into how many a GPU is cut. `processes` are those with the most memory, and
    `processes_more` counts the others. `leases` are the sessions that have it, and `idle_seconds`
    says how long it has been all but unused while nobody else got or gave it back. `leased_in_part`
    are those that have a slice of this GPU, or the whole GPU that this slice is on: neither can be
    leased meanwhile.
    """

    index: int
    uuid: str
    name: str
    standing: Standing = "ok"
    trouble: str = ""
    parent: str = ""
    slices: int | None = None
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
    ecc_corrected: int | None = None
    xids: tuple[Xid, ...] | None = None
    processes: tuple[GpuProcess, ...] | None = None
    processes_more: int = 0
    leases: tuple[str, ...] = ()
    leased_in_part: tuple[str, ...] = ()
    idle_seconds: float | None = None


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """Every device; `trouble` says in words why there is none, or why it is old."""

    driver: str = ""
    trouble: str = ""
    gpus: tuple[GpuReading, ...] = ()


def throttle_in_words(reasons: int | None) -> tuple[str, ...]:
    """Why clocks are held down, of NVML's bit mask."""
    if not reasons or reasons == 0xFFFFFFFFFFFFFFFF:
        return ()
    said = [words for bit, words in _THROTTLES.items() if reasons & bit]
    unknown = reasons & ~_WISHES & ~sum(_THROTTLES)
    return (*said, f"reason {unknown:#x}") if unknown else tuple(said)
