"""The GPUs of this machine, asked of the driver without an engine."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from engine.gpu.reader import Reader
from engine.gpu.reading import Reading
from verifier.gpus import inventory
from verifier.gpus.access import NodeMissingError, access_to
from verifier.gpus.inventory import PATIENCE, patiently
from verifier.gpus.nvml import NO_DRIVER, NOT_LOADED, is_there

_LIBCUDA = "libcuda.so.1"


def reading(patience: float = PATIENCE) -> Reading:
    """What the driver says within `patience` seconds, or that it is silent; raises nothing."""
    silent = f"the NVIDIA driver has not answered for {patience:.0f} s; look into dmesg"
    return patiently(_read, patience, Reading(trouble=silent))


def cuda_version(patience: float = PATIENCE) -> tuple[int, int] | None:
    """The newest CUDA that the driver loads programs of, as major and minor; None: not told."""
    return patiently(_cuda_version, patience, None)


def missing_nodes() -> str:
    """What of the nodes of the devices here a sandbox would lack, in words; empty for nothing."""
    found = inventory.present()
    try:
        access = access_to(found.gpus)
    except NodeMissingError as error:
        return str(error).partition(";")[0]
    closed = [node for node, _ in access.nodes if not _opens(Path(node))]
    return f"sandboxes may not read and write {', '.join(closed)}" if closed else ""


def _opens(node: Path) -> bool:
    """Root's sandboxes run as users of their own, and anybody else's as that user."""
    if os.geteuid() == 0:
        return node.stat().st_mode & 0o006 == 0o006
    return os.access(node, os.R_OK | os.W_OK)


def missing_libcuda() -> str:
    """Why CUDA's own library of the driver cannot be loaded, in words; empty where it can."""
    try:
        ctypes.CDLL(_LIBCUDA)
    except OSError as error:
        return f"{_LIBCUDA} cannot be loaded: {error}"
    return ""


def is_sound(found: Reading) -> bool:
    """Whether the driver answers, or is not there at all, which is no fault of the machine's."""
    return found.trouble in ("", NO_DRIVER, NOT_LOADED)


def _cuda_version() -> tuple[int, int] | None:
    if not is_there():
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
        number = int(pynvml.nvmlSystemGetCudaDriverVersion_v2())
    except pynvml.NVMLError:
        return None
    return number // 1000, number % 1000 // 10


def _read() -> Reading:
    reader = Reader()
    try:
        return reader.read()
    finally:
        reader.close()
