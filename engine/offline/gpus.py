"""The GPUs of this machine, asked of the driver without an engine."""

from __future__ import annotations

from engine.gpu.reader import Reader
from engine.gpu.reading import Reading
from verifier.gpus.inventory import PATIENCE, patiently
from verifier.gpus.nvml import NO_DRIVER, NOT_LOADED


def reading(patience: float = PATIENCE) -> Reading:
    """What the driver says within `patience` seconds, or that it is silent; raises nothing."""
    silent = f"the NVIDIA driver has not answered for {patience:.0f} s; look into dmesg"
    return patiently(_read, patience, Reading(trouble=silent))


def is_sound(found: Reading) -> bool:
    """Whether the driver answers, or is not there at all, which is no fault of the machine's."""
    return found.trouble in ("", NO_DRIVER, NOT_LOADED)


def _read() -> Reading:
    reader = Reader()
    try:
        return reader.read()
    finally:
        reader.close()
