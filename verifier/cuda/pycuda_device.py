"""A device of NVIDIA's through PyCUDA's driver interface.

Imported in the device process alone: nothing of PyCUDA's or CUDA's is loaded anywhere else.
"""

from __future__ import annotations

import ctypes
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from verifier.cuda.memory import ALIGNMENT
from verifier.cuda.shapes import ShapedLaunch

DRIVER = "libcuda.so.1"
_OPT_IN = 49_152  # bytes of shared memory that a block has without asking for more
_ARENAS = 2  # repetitions take turns on them
# What the driver maps at a time: kernels may touch all of it, whatever was asked for.
_PAGE = 2 << 20
_UNKNOWN_CACHE = 128 << 20  # bytes of L2 where the device does not say; none has more yet
_CLOCKS_UP_SECONDS = 0.005  # of work before a clock starts; a guess, since a device idles slowly
_SCRUB = 0xA5
_FORMATS = {"i32": "i", "u32": "I", "i64": "q", "u64": "Q"}


class UnusableError(Exception):
    """There is no device to be had here; the message says what is missing and the remedy."""


class TooLargeError(Exception):
    """The device has no memory left for what was asked."""


def pack(launch: ShapedLaunch, addresses: Mapping[str, int]) -> bytes:
    """A kernel's parameters as it finds them: in order, each at a multiple of its own size."""
    data = b""
    for item in launch.arguments:
        kind, value = (
            ("Q", addresses[item]) if isinstance(item, str) else (_FORMATS[item[0]], item[1])
        )
        data += b"\0" * (-len(data) % struct.calcsize(kind)) + struct.pack("<" + kind, value)
    return data


def driver() -> Any:
    """PyCUDA's driver module, made ready.

    Raises `UnusableError`.
    """
    try:
        # PyCUDA may have been linked without naming the library; then its symbols are found here.
        ctypes.CDLL(DRIVER, mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise UnusableError(
            f"{DRIVER} cannot be loaded ({error}); install the NVIDIA driver, or in a container "
            "have its libraries passed through"
        ) from error
    try:
        import pycuda.driver as cuda
    except ImportError as error:
        raise UnusableError(
            f"PyCUDA cannot be imported ({error}); an undefined symbol means that it was built "
            "with newer headers than this driver: build it with those of the driver's version"
        ) from error
    try:
        cuda.init()
        count = cuda.Device.count()
    except cuda.Error as error:
        raise UnusableError(
            f"CUDA does not start: {error}; `nvidia-smi` and dmesg say more, and a mismatch of "
            "versions is mended by loading the kernel module of the installed libraries"
        ) from error
    if count == 0:
        raise UnusableError("CUDA sees no device, though one was granted; see CUDA_VISIBLE_DEVICES")
    return cuda


def _whole_pages(size: int) -> int:
    return -(-size // _PAGE) * _PAGE


class PyCudaDevice:
    """The first visible device: one context, one stream. See `verifier.cuda.device.Device`."""

    def __init__(self, cuda: Any) -> None:
        self._cuda = cuda
        device = cuda.Device(0)
        try:
            self._context = device.make_context(cuda.ctx_flags.SCHED_SPIN)
            self._stream = cuda.Stream()
            attribute = cuda.device_attribute
            cache = device.get_attribute(attribute.L2_CACHE_SIZE)
            self._flush_bytes = _whole_pages(2 * (cache or _UNKNOWN_CACHE))
            self._flush = cuda.mem_alloc(self._flush_bytes)
        except cuda.Error as error:
            raise UnusableError(
                f"no context on {device.name()}: {error}; another process may hold its memory, or "
                "have it for itself alone (`nvidia-smi -q -d COMPUTE,MEMORY`)"
            ) from error
        major, minor = device.compute_capability()
        self.facts: Mapping[str, Any] = {
            "name": device.name(),
            "capability": 10 * major + minor,
            "driver": cuda.get_driver_version(),
            "memory": device.total_memory(),
            "cache": cache,
            "shared": device.get_attribute(attribute.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN),
            "processors": device.get_attribute(attribute.MULTIPROCESSOR_COUNT),
        }
        self._arenas: list[tuple[Any, int] | None] = [None] * _ARENAS
        self._turn = 0
        self._module: Any = None
        self._functions: dict[str, Any] = {}
        self._events: list[Any] = []
        self._marked = 0

    def load(self, image: bytes, launches: Sequence[ShapedLaunch]) -> None:
        """Take a cubin in place of the one before, its globals as they were written, and make its
        kernels ready for these launches."""
        self.unload()
        self._module = self._cuda.module_from_buffer(image)
        for launch in launches:
            function = self._module.get_function(launch.entry)
            self._functions[launch.entry] = function
        most: dict[str, int] = {}
        for launch in launches:
            most[launch.entry] = max(most.get(launch.entry, 0), launch.shared_bytes)
        attribute = self._cuda.function_attribute
        for entry, shared in most.items():
            function = self._functions[entry]
            if shared + function.get_attribute(attribute.SHARED_SIZE_BYTES) > _OPT_IN:
                function.set_attribute(attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, shared)
        while len(self._events) < 2:
            self._events.append(self._cuda.Event())
        self._marked = 0

    def unload(self) -> None:
        """Forget the cubin."""
        self._functions.clear()
        self._module = None

    def allocate(self, size: int) -> int:
        """Of the arena whose turn it is, made anew where it is too small.

        An arena ends with a page of the driver's: behind it a kernel could keep what it worked out
        for the next repetition, where nothing is scrubbed.
        """
        size = _whole_pages(size)
        self._turn = (self._turn + 1) % _ARENAS
        arena = self._arenas[self._turn]
        if arena is None or arena[1] < size:
            if arena is not None:
                self._arenas[self._turn] = None
                arena[0].free()
            try:
                arena = (self._cuda.mem_alloc(size), size)
            except self._cuda.MemoryError as error:
                raise TooLargeError(f"{size} bytes: {error}") from error
            self._arenas[self._turn] = arena
        address = int(arena[0])
        if address % ALIGNMENT:
            raise UnusableError(
                f"the driver gave the address {address}, no multiple of {ALIGNMENT}"
            )
        return address

    def free(self, address: int) -> None:
        """The arena stays, and nothing of what was in it."""
        for arena in self._arenas:
            if arena is not None and int(arena[0]) == address:
                self._cuda.memset_d8_async(address, _SCRUB, arena[1], self._stream)
        self.synchronise()

    def write(self, address: int, data: bytes) -> None:
        """Copy to the device."""
        self._cuda.memcpy_htod(address, data)

    def read(self, address: int, size: int) -> bytes:
        """Copy from the device."""
        data = bytearray(size)
        self._cuda.memcpy_dtoh(data, address)
        return bytes(data)

    def warm(self) -> None:
        """Keep the device at work for a few milliseconds, so that its clocks come up."""
        until = time.perf_counter() + _CLOCKS_UP_SECONDS
        while time.perf_counter() < until:
            self.flush()
            self.synchronise()

    def flush(self) -> None:
        """Write twice as much as the L2 cache holds."""
        self._cuda.memset_d8_async(int(self._flush), 0, self._flush_bytes, self._stream)

    def prepared(self, launch: ShapedLaunch, addresses: Mapping[str, int]) -> Callable[[], object]:
        """What queues a kernel of the cubin that was loaded."""
        arguments, shared = pack(launch, addresses), launch.shared_bytes
        queue = self._functions[launch.entry]._launch_kernel
        return partial(queue, launch.grid, launch.block, arguments, shared, self._stream)

    def mark(self) -> int:
        """Queue an event."""
        number = self._marked
        self._marked += 1
        if number == len(self._events):
            self._events.append(self._cuda.Event())
        self._events[number].record(self._stream)
        return number

    def between(self, first: int, last: int) -> float:
        """Seconds; the driver counts in half microseconds."""
        return float(self._events[first].time_till(self._events[last])) / 1e3

    def synchronise(self) -> None:
        """Wait for the whole context."""
        self._context.synchronize()

    def idle(self) -> bool:
        """Whether the stream is done."""
        return bool(self._stream.is_done())
