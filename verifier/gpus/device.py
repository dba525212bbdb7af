"""One GPU, and what a task wants of GPUs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tasks import Task

_WORD = re.compile(r"[a-z0-9.]+")


class Gpu(msgspec.Struct, frozen=True):
    """A device that can be leased: a whole GPU, or a MIG slice of one.

    `minor` is the number of its node, /dev/nvidiaN; `capabilities` are those of the nodes
    /dev/nvidia-caps/nvidia-capN that a slice needs beside it. `parent` is the UUID of the GPU that
    a slice is on, and empty for a whole one. `memory` in bytes.
    """

    uuid: str
    name: str
    minor: int
    memory: int = 0
    capabilities: tuple[int, ...] = ()
    parent: str = ""

    @property
    def words(self) -> str:
        """For a person."""
        return f"{self.name} ({self.uuid[:12]})"


class Want(msgspec.Struct, frozen=True):
    """How many GPUs, of which types (any of them; none: of any), and whether others may use them
    at the same time."""

    count: int = 0
    types: tuple[str, ...] = ()
    shared: bool = False

    def __str__(self) -> str:
        words = f"{self.count} {'GPU' if self.count == 1 else 'GPUs'}"
        return f"{words} of type {' or '.join(self.types)}" if self.types else words

    def fits(self, gpu: Gpu) -> bool:
        """Whether this device is one of those wanted."""
        return not self.types or any(is_of_type(gpu, kind) for kind in self.types)


NO_WANT = Want()


def is_of_type(gpu: Gpu, kind: str) -> bool:
    """Whether the words of `kind` ("H100", "a100-80gb") stand in the device's name, in order.

    A slice counts only for a type that says MIG: it is not the GPU that it is on.
    """
    wanted, has = _WORD.findall(kind.lower()), _WORD.findall(gpu.name.lower())
    if gpu.parent and "mig" not in wanted:
        return False
    rest = iter(has)
    return bool(wanted) and all(word in rest for word in wanted)


def want_of(task: Task) -> Want:
    """What a task's `[environment]` asks for; `count` is 0 for one that needs no GPU."""
    environment = task.config.environment
    shared = task.autolab is not None and task.autolab.gpu_shared
    return Want(environment.gpus or 0, tuple(environment.gpu_types or ()), shared)


def why_not_here(want: Want, gpus: Sequence[Gpu], trouble: str = "") -> str | None:
    """Why these devices cannot satisfy a want even when nobody uses them, or None.

    `trouble` is why none could be looked for.
    """
    if want.count == 0:
        return None
    if not gpus:
        return f"it needs {want}, and {trouble or 'this machine has no NVIDIA GPU'}"
    fitting = sum(map(want.fits, gpus))
    if fitting >= want.count:
        return None
    return f"it needs {want}, and this machine has {_listed(gpus)}"


def _listed(gpus: Iterable[Gpu]) -> str:
    counts: dict[str, int] = {}
    for gpu in gpus:
        counts[gpu.name] = counts.get(gpu.name, 0) + 1
    return ", ".join(f"{count} {name}" for name, count in counts.items())
