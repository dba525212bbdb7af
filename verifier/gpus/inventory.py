"""Which GPUs this machine has, asked of the NVIDIA driver (NVML).

Nothing is loaded before somebody asks. A driver may hang, so it is asked on a thread that is given
up after a while; whatever it answers, nothing here raises.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from verifier.gpus.asking import Asker, HangsError, Patience
from verifier.gpus.device import Gpu
from verifier.gpus.nvml import (
    MOST_DEVICES,
    NO_DRIVER,
    in_words,
    is_there,
    size,
    slices,
    text,
    told,
    why_absent,
    within,
)
from verifier.gpus.nvml import processes as processes_on

T = TypeVar("T")
_log = logging.getLogger(__name__)
PATIENCE = 5.0  # seconds for the driver to answer
_DEVICE_PATIENCE = 1.5  # for one device, and
_ALL_PATIENCE = 3.0  # for all that hang together, within PATIENCE
_HANG = 60.0  # seconds for which a device that hangs may still be there
_asker = Asker()
_seen: dict[int, tuple[Gpu, ...]] = {}  # by index, at the last answer
_TOLD = 4  # of the devices that do not answer
_CAPABILITIES = Path("/proc/driver/nvidia/capabilities")
NAMELESS = "a GPU without a name"
_UUID = re.compile(
    r"(?=.{1,80}$)[\w.:-]+(/\d+)*", re.ASCII
)  # GPU-..., MIG-..., MIG-GPU-.../1/0 of old drivers
_MINOR = re.compile(r"DeviceFileMinor:\s*(\d+)")


class Inventory(NamedTuple):
    """The devices that answer, and in words what kept others from it ("" for nothing).

    One that hangs is counted among them for a minute if it had answered before.
    `silent` is a driver that tells of none of them: what there is may still be there.
    """

    gpus: tuple[Gpu, ...]
    trouble: str = ""
    silent: bool = False


def present(patience: float = PATIENCE) -> Inventory:
    """The devices that can be leased now; a GPU that is cut into MIG slices is its slices."""
    return patiently(_inventory, patience, Inventory((), "the NVIDIA driver does not answer", True))


def processes(uuid: str, patience: float = PATIENCE) -> tuple[int, ...]:
    """Host pids of the processes that have this device open for computing or drawing.

    Empty too where the driver does not tell.
    """
    return tuple(sorted(memory(uuid, patience) or ()))


def memory(uuid: str, patience: float = PATIENCE) -> dict[int, int | None] | None:
    """Bytes of this device's memory by the host pid that holds them; None where it is not told."""
    return patiently(lambda: _memory_of_processes(uuid), patience, None, uuid)


def memory_of(uuids: Iterable[str], namespace: int) -> int | None:
    """Bytes that the processes of a pid namespace (its inode) hold on these devices together.

    None where the driver does not tell of one of them.
    """
    total = 0
    for uuid in uuids:
        listed = memory(uuid)
        if listed is None:
            return None
        for pid, held in listed.items():
            with suppress(OSError):
                if os.stat(f"/proc/{pid}/ns/pid").st_ino == namespace:  # noqa: PTH116
                    if held is None:
                        return None
                    total += held
    return total


def patiently(ask: Callable[[], T], patience: float, otherwise: T, key: str = "driver") -> T:
    """What `ask` answers within `patience` seconds; else, or where it raises, `otherwise`.

    `key` is what it is about: while an earlier question about the same hangs, that is the answer.
    """
    try:
        return _asker.ask(key, ask, patience)
    except HangsError:
        pass
    except Exception:  # a driver that answers what no driver should
        _log.exception("the NVIDIA driver's answer cannot be used")
    return otherwise


def _inventory() -> Inventory:
    if absent := why_absent():
        return Inventory((), absent, absent != NO_DRIVER)
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return _none(pynvml, error)
    try:
        found: list[Gpu] = []
        troubles: list[str] = []
        hung: list[int] = []
        patience = Patience(_DEVICE_PATIENCE, _ALL_PATIENCE)
        for index in range(min(pynvml.nvmlDeviceGetCount(), MOST_DEVICES)):
            try:
                here = patience.ask(_asker, f"device {index}", partial(_listed, pynvml, index))
                _seen[index] = here
                found += _usable(here, found, troubles)
            except HangsError as error:
                troubles.append(f"GPU {index} does not answer: {error}")
                if time.time() - error.since < _HANG:
                    hung.append(index)
            except (pynvml.NVMLError, UnicodeDecodeError) as error:
                troubles.append(f"GPU {index} does not answer: {error}")
        here = tuple(gpu for index in hung for gpu in _seen.get(index, ()))
        found += [gpu for gpu in here if gpu.uuid not in {one.uuid for one in found}]
        more = f"; and {len(troubles) - _TOLD} more" if len(troubles) > _TOLD else ""
        return Inventory(tuple(found), "; ".join(troubles[:_TOLD]) + more)
    except pynvml.NVMLError as error:
        return _none(pynvml, error)
    finally:
        if not _asker.hangs:  # who waits within the library may hold what this would wait for
            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()


def _none(nvml: Any, error: Any) -> Inventory:
    """No device is told of. Only where no driver is loaded does that mean that none is there."""
    absent = (nvml.NVML_ERROR_LIBRARY_NOT_FOUND, nvml.NVML_ERROR_DRIVER_NOT_LOADED)
    return Inventory((), in_words(nvml, error), error.value not in absent)


def _usable(here: Iterable[Gpu], found: Collection[Gpu], troubles: list[str]) -> Iterator[Gpu]:
    """Those that a UUID names, and no other: leases and CUDA_VISIBLE_DEVICES know them by it."""
    known = {gpu.uuid for gpu in found}
    for gpu in here:
        if not _UUID.fullmatch(gpu.uuid):
            troubles.append(f"{gpu.name} has the UUID {gpu.uuid!r}, by which nobody can name it")
        elif gpu.uuid in known:
            troubles.append(f"the NVIDIA driver lists {gpu.uuid} twice")
        else:
            known.add(gpu.uuid)
            yield gpu


def _listed(nvml: Any, index: int) -> tuple[Gpu, ...]:
    return tuple(_devices(nvml, index))


def _devices(nvml: Any, index: int) -> Iterator[Gpu]:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    whole = Gpu(
        uuid=text(nvml.nvmlDeviceGetUUID(handle)),
        name=told(nvml, lambda: text(nvml.nvmlDeviceGetName(handle))) or NAMELESS,
        minor=_minor(nvml, handle, index),
        memory=_memory(nvml, handle),
    )
    cut = slices(nvml, handle)
    if cut is None:
        yield whole
        return
    for part in cut:
        with suppress(nvml.NVMLError, UnicodeDecodeError):  # one that is just made or unmade
            yield _slice(nvml, whole, part)


def _minor(nvml: Any, handle: Any, index: int) -> int:
    number = told(nvml, lambda: nvml.nvmlDeviceGetMinorNumber(handle))
    known = within(number, 1 << 20)
    return index if known is None else known


def _slice(nvml: Any, whole: Gpu, handle: Any) -> Gpu:
    instance = nvml.nvmlDeviceGetGpuInstanceId(handle)
    compute = nvml.nvmlDeviceGetComputeInstanceId(handle)
    folder = _CAPABILITIES / f"gpu{whole.minor}" / "mig" / f"gi{instance}"
    minors = (_capability(file) for file in (folder / "access", folder / f"ci{compute}" / "access"))
    return Gpu(
        uuid=text(nvml.nvmlDeviceGetUUID(handle)),
        name=told(nvml, lambda: text(nvml.nvmlDeviceGetName(handle))) or f"{whole.name} MIG",
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
    """Its bytes; 0 where they are not told. A handle may outlive its device: that raises."""
    try:
        return size(nvml.nvmlDeviceGetMemoryInfo(handle).total) or 0
    except nvml.NVMLError as error:
        if error.value == nvml.NVML_ERROR_GPU_IS_LOST:
            raise
        return 0


def _memory_of_processes(uuid: str) -> dict[int, int | None] | None:
    if not is_there():
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        return processes_on(pynvml, pynvml.nvmlDeviceGetHandleByUUID(uuid))
    except pynvml.NVMLError:
        return None
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()
