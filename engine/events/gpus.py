"""GPUs: whose they are, what they did, and what they suffered."""

from __future__ import annotations

import msgspec

from engine.events.body import Body
from verifier.gpus.device import Gpu


class LeaseGranted(Body, frozen=True, kw_only=True, tag="lease.granted"):
    """These GPUs are the session's, alone or `shared` with others that share, until returned."""

    gpus: tuple[Gpu, ...]
    shared: bool = False


class LeaseReturned(Body, frozen=True, kw_only=True, tag="lease.returned"):
    """The session has no GPU any more, because of `why`."""

    why: str = ""


class GpuMinute(msgspec.Struct, frozen=True):
    """One GPU over a minute: least, mean and most; null where the driver does not tell.

    Percent, bytes, watts, degrees Celsius. What it is called, what it has in all, and the UUID of
    the GPU that a slice is on, are for those who read it when the device is gone.
    """

    uuid: str
    utilization: tuple[float, float, float] | None = None
    memory: tuple[float, float, float] | None = None
    power: tuple[float, float, float] | None = None
    temperature: tuple[float, float, float] | None = None
    index: int = 0
    name: str = ""
    parent: str = ""
    memory_total: int | None = None
    power_limit: float | None = None


class GpusSampled(Body, frozen=True, kw_only=True, tag="gpu.sampled"):
    """What the GPUs did in the last `seconds`."""

    seconds: float
    gpus: tuple[GpuMinute, ...]


class GpusNoted(Body, frozen=True, kw_only=True, tag="gpu.state"):
    """A GPU, or the driver (`device` "driver"), is in another state; "ok" is as it should be."""

    device: str
    name: str
    state: str
