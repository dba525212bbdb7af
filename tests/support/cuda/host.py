"""A device in the host's memory that runs kernels built by `building`, and whole tasks on it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tasks import Task
from tasks.expressions import read
from tests.support.cuda.building import build
from verifier.cuda.plan import FILE, Limits, Plan, ShapedLaunch, parse, shape
from verifier.cuda.repetition import Ran, repeat

_CTYPES = {
    "i32": ctypes.c_int32,
    "u32": ctypes.c_uint32,
    "i64": ctypes.c_int64,
    "u64": ctypes.c_uint64,
}
_ALIGNMENT = 256
_STRAY = 2**20  # bytes behind an allocation that a wrong kernel may write to


class EmulationError(Exception):
    """A kernel did what has no meaning on a device either; the message says what."""


class HostDevice:
    """`verifier.cuda.device.Device` over a library of kernels."""

    def __init__(self, library: Path, order: int = 0) -> None:
        self._kernels = ctypes.CDLL(str(library))
        self._kernels.autolab_host_error.restype = ctypes.c_char_p
        self._kernels.autolab_host_order(ctypes.c_uint(order))
        self._memory: dict[int, ctypes.Array[ctypes.c_char]] = {}
        self._marks: list[float] = []
        self._now = 0.0

    def allocate(self, size: int) -> int:
        block = ctypes.create_string_buffer(size + _ALIGNMENT + _STRAY)
        address = -(-ctypes.addressof(block) // _ALIGNMENT) * _ALIGNMENT
        self._memory[address] = block
        return address

    def free(self, address: int) -> None:
        del self._memory[address]

    def write(self, address: int, data: bytes) -> None:
        ctypes.memmove(address, data, len(data))

    def read(self, address: int, size: int) -> bytes:
        return ctypes.string_at(address, size)

    def flush(self) -> None:
        pass

    def clock(self) -> float:
        """Seconds as it tells them: one a launch. What a kernel takes here means nothing."""
        return self._now

    def prepared(self, launch: ShapedLaunch, addresses: Mapping[str, int]) -> Callable[[], object]:
        return partial(self._launch, launch, addresses)

    def _launch(self, launch: ShapedLaunch, addresses: Mapping[str, int]) -> None:
        values = [
            ctypes.c_uint64(addresses[item]) if isinstance(item, str) else _CTYPES[item[0]](item[1])
            for item in launch.arguments
        ]
        arguments = (ctypes.c_void_p * max(1, len(values)))(*map(ctypes.addressof, values))
        sides = map(ctypes.c_uint, (*launch.grid, *launch.block))
        function = getattr(self._kernels, f"autolab_host_launch_{launch.entry}")
        function(*sides, ctypes.c_size_t(launch.shared_bytes), arguments)
        self._now += 1
        error = self._kernels.autolab_host_error()
        if error:
            raise EmulationError(f"{launch.entry}: {error.decode()}")

    def mark(self) -> int:
        self._marks.append(self._now)
        return len(self._marks) - 1

    def between(self, first: int, last: int) -> float:
        return self._marks[last] - self._marks[first]

    def synchronise(self) -> None:
        pass

    def idle(self) -> bool:
        return True


def artifact(task: Task, layers: Sequence[Path]) -> dict[str, str]:
    """kernel.cu and launch.toml of the baseline with the files of `layers` over it, in order."""
    files: dict[str, str] = {}
    for layer in (task.path / "environment" / "app", *layers):
        for name in ("kernel.cu", FILE):
            if (layer / name).is_file():
                files[name] = (layer / name).read_text()
    return files


@dataclass(frozen=True)
class Built:
    """An artifact of a task that can be run on the host."""

    task: Task
    plan: Plan
    library: Path

    def run(self, params: Mapping[str, object], given: bytes, order: int = 0) -> Ran:
        """One repetition on an input of judge.py, as the verifier goes about it."""
        assert self.task.autolab is not None
        driver = self.task.autolab.driver
        size = {name: value for name, value in params.items() if isinstance(value, int)}
        inputs, at = {}, 0
        for name, text in driver.inputs.items():
            end = at + read(str(text)).at(size)
            inputs[name] = given[at:end]
            at = end
        assert at == len(given)
        outputs = {name: read(str(text)).at(size) for name, text in driver.outputs.items()}
        limits = Limits(shared_bytes=driver.shared_bytes, scratch_bytes=driver.scratch_mb * 2**20)
        device = HostDevice(self.library, order)
        plan = shape(self.plan, size, limits)
        return repeat(device, plan, inputs, outputs, b"seed" + given[:16], clock=device.clock)


def built(
    task: Task, layers: Sequence[Path], folder: Path, name: str, hopper: bool = False
) -> Built:
    """The artifact of `layers` over the baseline, its library made in `folder`."""
    assert task.autolab is not None
    driver = task.autolab.driver
    files = artifact(task, layers)
    library = folder / f"{name}.so"
    build(files["kernel.cu"], library, hopper)
    plan = parse(files[FILE].encode(), [*driver.inputs, *driver.outputs])
    return Built(task, plan, library)
