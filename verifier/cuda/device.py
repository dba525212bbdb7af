"""What a repetition needs of a device.

Whoever implements it owns the context, the stream and the events: `verifier.cuda.pycuda_device`
for real devices; the one in the tests shows the logic of a repetition, and nothing of a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from verifier.cuda.shapes import ShapedLaunch


class Device(Protocol):
    """One device with one stream. Addresses are numbers of the device's own; sizes are bytes."""

    def allocate(self, size: int) -> int:
        """The address of `size` new bytes, a multiple of 256."""
        ...

    def free(self, address: int) -> None:
        """Give back what `allocate` gave."""
        ...

    def write(self, address: int, data: bytes) -> None:
        """Copy to the device, and return when it is done."""
        ...

    def read(self, address: int, size: int) -> bytes:
        """Copy from the device, and return when it is done."""
        ...

    def flush(self) -> None:
        """Leave nothing of earlier work in the caches that the device shares (L2)."""
        ...

    def prepared(self, launch: ShapedLaunch, addresses: Mapping[str, int]) -> Callable[[], object]:
        """What queues a kernel when it is called; `addresses` has the address of each buffer."""
        ...

    def mark(self) -> int:
        """Queue an event behind all that was launched; its number."""
        ...

    def between(self, first: int, last: int) -> float:
        """Seconds from one event to another; both have happened."""
        ...

    def synchronise(self) -> None:
        """Return when the device as a whole has nothing left to do."""
        ...

    def idle(self) -> bool:
        """Whether nothing is running or queued, asked without waiting."""
        ...
