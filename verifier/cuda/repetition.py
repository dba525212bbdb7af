"""One repetition of a launch plan on a device: poison, flush, time, and look at what was touched.

The judge owns memory, launches, events and both clocks; of the artifact there is device code only.
Nothing here says whether an output is right: that is for the judge, with the bytes returned.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from verifier.cuda.device import Device
from verifier.cuda.memory import Layout, guard_content, lay_out, overruns
from verifier.cuda.shapes import ShapedPlan

# How far the host's clock may be from the events': a share, and what flushing and launching cost.
# Not measured.
DISAGREEMENT = 0.1
SLACK_SECONDS = 200e-6
LAUNCH_SECONDS = 20e-6


class ViolationError(Exception):
    """The kernels did what they may not; the message is a verdict's evidence."""


class ClocksDisagreeError(Exception):
    """The host's clock and the device's events tell times too far apart to believe either.

    `ran` is the repetition, whose outputs hold all the same.
    """

    def __init__(self, ran: Ran) -> None:
        self.ran = ran
        super().__init__(
            f"{ran.seconds:.6f} s by the device's events, {ran.host_seconds:.6f} s by the "
            "host's clock"
        )


@dataclass(frozen=True)
class Ran:
    """Seconds by the events and by the host's clock, and the outputs as they were at the end."""

    seconds: float
    host_seconds: float
    outputs: Mapping[str, bytes]


def repeat(
    device: Device,
    plan: ShapedPlan,
    inputs: Mapping[str, bytes],
    outputs: Mapping[str, int],
    seed: bytes,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> Ran:
    """Run `plan` once on `inputs`; `outputs` are sizes in bytes. `seed` is new each time.

    Raises `ViolationError` for writes outside of the outputs and scratch, for an output that was
    not written at all, and for work that goes on after the end; `ClocksDisagreeError` where the
    two clocks differ.
    """
    sizes = {name: len(data) for name, data in inputs.items()}
    layout = lay_out({**sizes, **outputs, **plan.scratch})
    base = device.allocate(layout.size)
    try:
        poison = _fill(device, base, layout, inputs, seed)
        seconds, host = _timed(device, plan, base, layout, clock)
        busy = not device.idle()
        first = _contents(device, base, layout, outputs)
        device.synchronise()
        second = _contents(device, base, layout, outputs)
        if busy or first != second:
            raise ViolationError("work went on after the end of the last launch")
        _untouched(device, base, layout, inputs, seed)
    finally:
        device.free(base)
    for name, content in second.items():
        if content == poison[name]:
            raise ViolationError(f"nothing was written to `{name}`")
    allowed = max(DISAGREEMENT * host, SLACK_SECONDS + LAUNCH_SECONDS * len(plan.launches))
    ran = Ran(seconds, host, second)
    if abs(host - seconds) > allowed:
        raise ClocksDisagreeError(ran)
    return ran


def _poison(seed: bytes, name: str, size: int) -> bytes:
    return hashlib.shake_128(b"poison" + seed + name.encode()).digest(size)


def _fill(
    device: Device, base: int, layout: Layout, inputs: Mapping[str, bytes], seed: bytes
) -> dict[str, bytes]:
    poison: dict[str, bytes] = {}
    for index, span in enumerate(layout.guards):
        device.write(base + span.start, guard_content(seed, index, span))
    for name, span in layout.buffers.items():
        if name not in inputs:
            poison[name] = _poison(seed, name, span.end - span.start)
        device.write(base + span.start, inputs[name] if name in inputs else poison[name])
    return poison


def _timed(
    device: Device, plan: ShapedPlan, base: int, layout: Layout, clock: Callable[[], float]
) -> tuple[float, float]:
    addresses = {name: base + span.start for name, span in layout.buffers.items()}
    # Between the marks there is nothing but queueing: what a host does there a short kernel waits
    # for.
    queueing = [device.prepared(launch, addresses) for launch in plan.launches]
    device.synchronise()
    began = clock()
    # While the flush is still at work the first launches are queued, so that the time between the
    # events is the kernels' and not the host's.
    device.flush()
    first = device.mark()
    for queue in queueing:
        queue()
    last = device.mark()
    device.synchronise()
    host = clock() - began
    return device.between(first, last), host


def _contents(
    device: Device, base: int, layout: Layout, names: Sequence[str] | Mapping[str, int]
) -> dict[str, bytes]:
    spans = {name: layout.buffers[name] for name in names}
    return {name: device.read(base + s.start, s.end - s.start) for name, s in spans.items()}


def _untouched(
    device: Device, base: int, layout: Layout, inputs: Mapping[str, bytes], seed: bytes
) -> None:
    for name, content in _contents(device, base, layout, list(inputs)).items():
        if content != inputs[name]:
            raise ViolationError(f"the input `{name}` was written to")
    spans = enumerate(layout.guards)
    found = {n: device.read(base + span.start, span.end - span.start) for n, span in spans}
    wrong = overruns(layout, seed, found)
    if wrong:
        raise ViolationError("; ".join(overrun.words() for overrun in wrong))
