"""Where the buffers of a launch plan lie on the device, and guards that show writes past one.

All buffers of a repetition lie in one allocation. Each begins at a multiple of 256 bytes, the
alignment that cudaMalloc promises and vector loads count on; all bytes between buffers, before the
first and after the last are guard. A guard follows its buffer at the very next byte. What it holds
is drawn for each repetition from a seed that the device never sees: whoever writes into a guard
without having read it leaves a trace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

ALIGNMENT = 256
GUARD_BYTES = 4096


@dataclass(frozen=True)
class Span:
    """Bytes of the allocation, from `start` to before `end`."""

    start: int
    end: int


@dataclass(frozen=True)
class Layout:
    """One allocation of `size` bytes: its buffers by name, and the guards around them in order."""

    size: int
    buffers: Mapping[str, Span]
    guards: tuple[Span, ...]


@dataclass(frozen=True)
class Overrun:
    """A guard that is not as it was.

    `after` and `before` are the buffers beside it. `distance` is in bytes: from the end of `after`
    to the first byte that differs or, where there is no such buffer, from that byte to the begin
    of `before`.
    """

    after: str | None
    before: str | None
    distance: int

    def words(self) -> str:
        """One line for a verdict's evidence."""
        if self.after is None:
            return f"wrote before the begin of `{self.before}`, from {self.distance} bytes on"
        where = f", before `{self.before}`" if self.before is not None else ""
        return f"wrote past the end of `{self.after}`{where}, from byte {self.distance} on"


def lay_out(sizes: Mapping[str, int], guard_bytes: int = GUARD_BYTES) -> Layout:
    """Buffers of `sizes` bytes in the order given, at least `guard_bytes` of guard around each.

    Raises `ValueError` for a size or a guard below one byte.
    """
    if guard_bytes < 1:
        raise ValueError(f"a guard of {guard_bytes} bytes guards nothing; take 1 or more")
    buffers: dict[str, Span] = {}
    guards: list[Span] = []
    free = 0
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"buffer `{name}` has {size} bytes; take 1 or more")
        start = -(-(free + guard_bytes) // ALIGNMENT) * ALIGNMENT
        guards.append(Span(free, start))
        buffers[name] = Span(start, start + size)
        free = start + size
    guards.append(Span(free, free + guard_bytes))
    return Layout(free + guard_bytes, buffers, tuple(guards))


def guard_content(seed: bytes, index: int, span: Span) -> bytes:
    """What the guard with this index holds in the repetition with this seed: SHAKE-128 of both."""
    key = seed + index.to_bytes(4, "little")
    return hashlib.shake_128(key).digest(span.end - span.start)


def overruns(layout: Layout, seed: bytes, found: Mapping[int, bytes]) -> tuple[Overrun, ...]:
    """The guards in `found` (content by index, read after the last launch) that were written to.

    Raises `ValueError` where a guard is missing or has another length: nothing is known of it.
    """
    names = list(layout.buffers)
    wrong = []
    for index, span in enumerate(layout.guards):
        content = found.get(index, b"")
        wanted = guard_content(seed, index, span)
        if len(content) != len(wanted):
            raise ValueError(
                f"guard {index} was read as {len(content)} bytes; it has {len(wanted)}"
            )
        if content == wanted:
            continue
        after = names[index - 1] if index else None
        before = names[index] if index < len(names) else None
        at = [i for i, (is_, was) in enumerate(zip(content, wanted, strict=True)) if is_ != was]
        distance = at[0] if after is not None else len(wanted) - at[0]
        wrong.append(Overrun(after, before, distance))
    return tuple(wrong)
