"""The device process: it owns the context, the memory, every launch and both clocks.

Trusted code in a sandbox of its own, which has the granted device's nodes and no other. It serves
one artifact, so that no kernel ever shares a context with the baseline it is compared with.
Descriptor 3 is a SOCK_SEQPACKET socket to the verifier. A request is one byte with four memfds:
the order as JSON, the cubin, the inputs one after another, and where the outputs go. The answer is
a JSON object, after one that says when the kernels' time began and one when it ended. After an
error of the device the process ends, since its context is lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from verifier.cuda.pycuda_device import PyCudaDevice, TooLargeError, UnusableError, driver
from verifier.cuda.repetition import ClocksDisagreeError, Ran, ViolationError, repeat
from verifier.cuda.shapes import ShapedLaunch, ShapedPlan

CONTROL = 3
_FDS = 4
_CHUNK = 1 << 20
_WORDS = 600  # characters of an error that are passed on


def main() -> None:
    """Serve until the verifier hangs up."""
    control = socket.socket(fileno=CONTROL)
    try:
        cuda = driver()
        device = PyCudaDevice(cuda)
    except UnusableError as error:
        _say(control, {"kind": "unusable", "error": f"{error}{_nodes()}"})
        return
    _say(control, {"kind": "ready", "facts": device.facts})
    while True:
        message, fds, _, _ = socket.recv_fds(control, 16, _FDS)
        if not message:
            os._exit(0)  # PyCUDA aborts at an end that finds a context current
        try:
            answer = _serve(cuda, device, fds, _Clock(control))
        finally:
            for fd in fds:
                os.close(fd)
        _say(control, answer)
        if answer["kind"] == "crashed":
            os._exit(0)  # its destructors would all fail in a context that is dead


class _Clock:
    """The host's clock, which tells the verifier when it is read, outside of what it measures."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._running = False

    def __call__(self) -> float:
        if not self._running:
            self._running = True
            _say(self._control, {"kind": "begun"})
            return time.perf_counter()
        now = time.perf_counter()
        _say(self._control, {"kind": "ended"})
        return now


def _serve(cuda: Any, device: PyCudaDevice, fds: list[int], clock: _Clock) -> dict[str, Any]:
    order, image, given, output = fds
    asked = json.loads(_read(order))
    inputs, outputs = dict(asked["inputs"]), dict(asked["outputs"])
    plan = ShapedPlan(dict(asked["scratch"]), tuple(map(_launch, asked["launches"])))
    content, at = {}, 0
    for name, size in inputs.items():
        content[name] = os.pread(given, size, at) if size < _CHUNK else _read(given, at, size)
        at += size
    try:
        device.load(_read(image), plan.launches)
        device.warm()
        seed = bytes.fromhex(asked["seed"])
        ran, words = repeat(device, plan, content, outputs, seed, clock=clock), ""
    except ClocksDisagreeError as error:
        ran, words = error.ran, str(error)
    except ViolationError as error:
        return {"kind": "violation", "error": str(error)[:_WORDS]}
    except TooLargeError as error:
        return {"kind": "memory", "error": str(error)[:_WORDS]}
    except UnusableError as error:
        return {"kind": "unusable", "error": str(error)[:_WORDS]}
    except cuda.Error as error:
        return {"kind": "crashed", "error": str(error)[:_WORDS]}
    device.unload()
    return _done(ran, outputs, output, words)


def _done(ran: Ran, outputs: dict[str, int], output: int, words: str) -> dict[str, Any]:
    at = 0
    for name, size in outputs.items():
        view = memoryview(ran.outputs[name])
        for begin in range(0, size, _CHUNK):
            os.pwrite(output, view[begin : begin + _CHUNK], at + begin)
        at += size
    return {"kind": "ran", "seconds": ran.seconds, "host": ran.host_seconds, "clocks": words}


def _launch(said: dict[str, Any]) -> ShapedLaunch:
    arguments = tuple(
        a if isinstance(a, str) else (str(a[0]), int(a[1])) for a in said["arguments"]
    )
    x, y, z = said["grid"]
    i, j, k = said["block"]
    return ShapedLaunch(said["entry"], (x, y, z), (i, j, k), said["shared_bytes"], arguments)


def _read(fd: int, at: int = 0, size: int | None = None) -> bytes:
    left = os.fstat(fd).st_size - at if size is None else size
    pieces = []
    while left > 0 and (piece := os.pread(fd, min(left, _CHUNK), at)):
        pieces.append(piece)
        at += len(piece)
        left -= len(piece)
    return b"".join(pieces)


def _say(control: socket.socket, answer: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # nobody is there any more
        control.send(json.dumps(answer).encode())


def _nodes() -> str:
    """What of the device's nodes is there, for whoever has to find out why it does not start."""
    found = []
    for path in sorted(Path("/dev").glob("nvidia*")):
        if path.is_dir():
            continue
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
            found.append(f"{path} opens")
        except OSError as error:
            found.append(f"{path}: {error.strerror}")
    return f" (inside: {', '.join(found) or 'no /dev/nvidia*'})"
