"""What a cubin says of its kernels: entry points, parameters, registers, shared memory.

A cubin is a 64-bit ELF file of NVIDIA's machine type. NVIDIA does not describe its sections; what
is read here was compared with what `ptxas -v` of CUDA 12.8 and 13.0 prints for sm_80 and sm_90, and
tests do so again wherever nvcc is. The compiler's own words are not read: `#warning` can forge
them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_MACHINE = 190  # EM_CUDA
# The CUDA of each ABI, and where in the flags the architecture stands. A driver loads those of its
# own CUDA and of older ones (CUDA Compatibility, minor version compatibility).
_ABIS = {7: (12, 0), 8: (13, 8)}
_SYMBOLS = 2  # SHT_SYMTAB
_FUNCTION = 2  # STT_FUNC; defined elsewhere where its section is 0
_ENTRY = 0x10  # in a symbol's `other`: a kernel, not a device function
_PARAMETER, _REGISTERS = 0x17, 0x2F
# What __launch_bounds__, __block_size__ and __cluster_dims__ leave: three sides each.
_MOST_THREADS, _BLOCK, _CLUSTER = 0x05, 0x10, 0x3D
_WITH_SIZE = 4  # the form of an attribute whose value follows a 16-bit length
_RESERVED = 1024  # bytes of shared memory that the system keeps for itself from 9.0 on
_STATIC = (".nv.global", ".nv.global.init")
_MOST_SECTIONS = 4096
_MOST_SYMBOLS = 65_536


Sides = tuple[int, int, int]


class CubinError(ValueError):
    """The bytes are no cubin that can be read; the message says why."""


@dataclass(frozen=True)
class Kernel:
    """An entry point: bytes of each parameter in order, registers a thread, static shared bytes.

    With more threads in a block than `most_threads`, another block than `block`, or a grid that is
    no multiple of `cluster`, a driver does not launch it; None is what the source leaves open.
    """

    parameters: tuple[int, ...]
    registers: int
    shared_bytes: int
    most_threads: int | None = None
    block: Sides | None = None
    cluster: Sides | None = None


@dataclass(frozen=True)
class Cubin:
    """The compute capability that it was made for (90 for 9.0), and its kernels by name.

    `calls` are the functions of the driver that it wants: `vprintf`, `malloc`, `__assertfail`.
    `cuda` is the major version that a driver needs to load it, `static_bytes` the device's memory
    that its own variables take.
    """

    capability: int
    kernels: Mapping[str, Kernel]
    calls: frozenset[str] = frozenset()
    cuda: int = 13
    static_bytes: int = 0


@dataclass(frozen=True)
class _Section:
    kind: int
    offset: int
    size: int
    link: int


def read(image: bytes) -> Cubin:
    """The kernels of a cubin of CUDA 12 or 13.

    Raises `CubinError` for bytes that are none or are cut off.
    """
    try:
        return _read(image)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise CubinError("the cubin is cut off or points outside of itself") from error


def _text(image: bytes, at: int) -> str:
    end = image.find(b"\0", at)
    if end < 0:
        raise IndexError(at)
    return image[at:end].decode("ascii")


def _sections(image: bytes) -> dict[str, tuple[int, _Section]]:
    (table,) = struct.unpack_from("<Q", image, 40)
    size, count, names = struct.unpack_from("<HHH", image, 58)
    if count > _MOST_SECTIONS:
        raise CubinError(f"the cubin has {count} sections; {_MOST_SECTIONS} are read")
    found: list[tuple[int, _Section]] = []
    for at in range(table, table + size * count, size or 1):
        name, kind, _, _, offset, length, link = struct.unpack_from("<IIQQQQI", image, at)
        found.append((name, _Section(kind, offset, length, link)))
    base = found[names][1].offset
    return {_text(image, base + name): (n, part) for n, (name, part) in enumerate(found)}


def _attributes(image: bytes, part: _Section) -> Iterator[tuple[int, bytes]]:
    at, end = part.offset, part.offset + part.size
    while at < end:
        form, attribute, length = struct.unpack_from("<BBH", image, at)
        at += 4
        if form == _WITH_SIZE:
            yield attribute, image[at : at + length]
            at += length


def _parameters(image: bytes, part: _Section) -> tuple[int, ...]:
    sizes: dict[int, int] = {}
    for attribute, value in _attributes(image, part):
        if attribute == _PARAMETER:
            _, ordinal, _, packed = struct.unpack("<IHHI", value)
            sizes[ordinal] = packed >> 18
    return tuple(sizes[n] for n in sorted(sizes))


def _sides(image: bytes, part: _Section) -> dict[int, Sides]:
    """What the source fixed of a kernel's shape, by attribute."""
    return {
        attribute: struct.unpack("<III", value)
        for attribute, value in _attributes(image, part)
        if attribute in (_MOST_THREADS, _BLOCK, _CLUSTER)
    }


def _registers(image: bytes, sections: Mapping[str, tuple[int, _Section]]) -> dict[int, int]:
    """Registers of a thread by the number of the kernel's symbol."""
    if ".nv.info" not in sections:
        return {}
    attributes = _attributes(image, sections[".nv.info"][1])
    return dict(struct.unpack("<II", value) for kind, value in attributes if kind == _REGISTERS)


def _read(image: bytes) -> Cubin:
    if image[:6] != b"\x7fELF\x02\x01":
        raise CubinError("the bytes are no 64-bit little-endian ELF file")
    (machine,) = struct.unpack_from("<H", image, 18)
    (flags,) = struct.unpack_from("<I", image, 48)
    if machine != _MACHINE or image[8] not in _ABIS:
        raise CubinError(f"machine {machine}, ABI {image[8]}: this is no cubin of CUDA 12 or 13")
    cuda, shift = _ABIS[image[8]]
    sections = _sections(image)
    strings = [part for _, part in sections.values()]
    table = next((part for part in strings if part.kind == _SYMBOLS), None)
    if table is None:
        raise CubinError("the cubin has no table of symbols")
    by_number = dict(sections.values())
    registers = _registers(image, sections)
    capability = flags >> shift & 0xFF
    kernels: dict[str, Kernel] = {}
    calls: set[str] = set()
    if table.link not in by_number:
        raise IndexError(table.link)
    if table.size // 24 > _MOST_SYMBOLS:  # a call of the driver could stand after those read
        raise CubinError(
            f"the cubin has {table.size // 24} symbols; {_MOST_SYMBOLS} are read: write fewer"
        )
    for number in range(table.size // 24):
        at = table.offset + 24 * number
        name, kind, other, section = struct.unpack_from("<IBBH", image, at)
        if kind & 0xF == _FUNCTION and section == 0:
            calls.add(_text(image, by_number[table.link].offset + name))
        if not other & _ENTRY:
            continue
        label = _text(image, by_number[table.link].offset + name)
        info = sections.get(f".nv.info.{label}")
        if f".text.{label}" not in sections or info is None or number not in registers:
            raise CubinError(f"the cubin says too little of its kernel `{label}`")
        shared = sections.get(f".nv.shared.{label}")
        taken = shared[1].size if shared else 0
        if capability >= 90:
            taken = max(0, taken - _RESERVED)
        fixed = _sides(image, info[1])
        most = fixed.get(_MOST_THREADS)
        kernels[label] = Kernel(
            _parameters(image, info[1]),
            registers[number],
            taken,
            None if most is None else math.prod(most),
            fixed.get(_BLOCK),
            fixed.get(_CLUSTER),
        )
    static = sum(sections[name][1].size for name in _STATIC if name in sections)
    return Cubin(capability, kernels, frozenset(calls), cuda, static)
