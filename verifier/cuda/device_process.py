"""The verifier's end of a device process.

One process serves one artifact: baseline and candidate have contexts of their own, which cannot
reach into one another. A process that is ended or lost is replaced at the next repetition.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from importlib import resources
from typing import Any, Self

import msgspec

from verifier import memfd
from verifier.cpus import Machine
from verifier.cuda.python import SITE, Inside
from verifier.cuda.shapes import ShapedPlan
from verifier.outcomes import FailedError, NotJudgedError
from verifier.sandbox.descriptors import refuse_descriptors
from verifier.sandbox.spec import Limits, SandboxProcess, SandboxSpec

GATE = "runs"
CODE = "/autolab/code"
_MODULES = ("device", "device_main", "memory", "pycuda_device", "repetition", "shapes")
_START = (
    f"import sys; sys.path[:0] = ['{CODE}', '{SITE}']; "
    "from verifier.cuda.device_main import main; main()"
)
_MESSAGE = 1 << 16
_START_SEC = 90.0  # a driver with many devices takes tens of seconds
_ASIDE_SEC = 60.0  # for copying before and checking after, which is on no clock


class Facts(msgspec.Struct, frozen=True):
    """What the device says of itself. `capability` is 90 for 9.0, sizes are bytes."""

    name: str
    capability: int
    driver: int
    memory: int
    cache: int
    shared: int
    processors: int


class Timed(msgspec.Struct, frozen=True):
    """One repetition: seconds by the events and by the host's clock. `clocks` says in words where
    they disagree."""

    seconds: float
    host: float
    clocks: str = ""


class _Answer(msgspec.Struct, frozen=True):
    kind: str
    error: str = ""
    facts: Facts | None = None
    seconds: float = 0.0
    host: float = 0.0
    clocks: str = ""


class DeviceProcess:
    """A device process, started when it is first asked; `close` it. `slot` tells two apart."""

    def __init__(self, machine: Machine, inside: Inside, slot: int) -> None:
        self._machine = machine
        self._inside = inside
        self._slot = slot
        self._process: SandboxProcess | None = None
        self._socket: socket.socket | None = None
        self._facts: Facts | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it, and with it whatever runs on the device for it."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            with contextlib.suppress(TimeoutError):
                process.wait(20.0)

    def facts(self) -> Facts:
        """What the device says of itself; starts the process.

        Raises `NotJudgedError` where there is no device to be had.
        """
        if self._socket is None:
            self._start()
        if self._facts is None:
            raise NotJudgedError("the device process said nothing of its device")
        return self._facts

    def repeat(
        self,
        image: int,
        plan: ShapedPlan,
        inputs: Mapping[str, int],
        outputs: Mapping[str, int],
        *,
        given: int,
        output: int,
        timeout_sec: float,
    ) -> Timed:
        """Run the cubin in the memfd `image` once on the inputs in `given`; sizes are bytes.

        The outputs are in `output` afterwards. Raises `FailedError` (gate "runs") for what the
        kernels did or did not do.
        """
        self.facts()
        order = {
            "launches": [_said(launch) for launch in plan.launches],
            "scratch": list(plan.scratch.items()),
            "inputs": list(inputs.items()),
            "outputs": list(outputs.items()),
            "seed": os.urandom(16).hex(),
        }
        sealed = memfd.holding(msgspec.json.encode(order))
        try:
            answer = self._ask([sealed, image, given, output], timeout_sec)
        finally:
            os.close(sealed)
        match answer.kind:
            case "ran" if answer.seconds > 0:
                return Timed(answer.seconds, answer.host, answer.clocks)
            case "violation":
                raise FailedError(GATE, "gate", answer.error)
            case "memory":
                raise FailedError(GATE, "out_of_memory", f"the device's memory: {answer.error}")
            case "crashed":
                self.close()
                raise FailedError(GATE, "crashed", answer.error)
            case "unusable":
                self.close()
                raise NotJudgedError(f"the device cannot be used: {answer.error}")
        self.close()
        raise NotJudgedError(f"the device process answered what cannot be: {answer}")

    def _ask(self, fds: list[int], timeout_sec: float) -> _Answer:
        if self._socket is None:
            raise NotJudgedError("the device process is gone")
        try:
            socket.send_fds(self._socket, [b"r"], fds)
        except OSError as error:
            self.close()
            raise NotJudgedError(f"the device process is gone: {error.strerror}") from error
        answer = self._aside()
        if answer.kind == "begun":
            heard = self._hear(timeout_sec)
            if heard is None:
                self.close()
                raise FailedError(GATE, "timeout", f"not done within {timeout_sec:g} s")
            answer = heard
        return self._aside() if answer.kind == "ended" else answer

    def _aside(self) -> _Answer:
        """What comes of work that no kernel can hold up."""
        answer = self._hear(_ASIDE_SEC)
        if answer is None:
            self.close()
            raise NotJudgedError(f"the device process did nothing for {_ASIDE_SEC:g} s")
        return answer

    def _hear(self, patience: float) -> _Answer | None:
        """The next answer; None where none comes in time."""
        if self._socket is None:
            raise NotJudgedError("the device process is gone")
        self._socket.settimeout(patience)
        try:
            text = self._socket.recv(_MESSAGE)
        except TimeoutError:
            return None
        except OSError:
            text = b""
        if not text:
            how = self._how_ended()
            self.close()
            return _Answer("crashed", f"the process that drives the device ended{how}")
        try:
            return msgspec.json.decode(text, type=_Answer)
        except msgspec.DecodeError as error:
            raise NotJudgedError(f"the device process cannot be understood: {error}") from error

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        refuse_descriptors(ours)
        with theirs:
            argv = [self._inside.program, "-I", "-B", "-c", _START]
            self._process = self._machine.backend.launch(
                self._machine.gpus.grant(self._spec()), argv, fds={3: theirs.fileno()}
            )
        answer = self._hear(_START_SEC)
        if answer is None:
            self.close()
            raise NotJudgedError(f"the NVIDIA driver gave no context within {_START_SEC:g} s")
        if answer.facts is None:
            self.close()
            raise NotJudgedError(f"the device cannot be used: {answer.error}")
        self._facts = answer.facts

    def _spec(self) -> SandboxSpec:
        files: dict[str, tuple[bytes, int]] = {}
        for package in ("verifier", "verifier/cuda"):
            files[f"{CODE}/{package}/__init__.py"] = (b"", 0o444)
        folder = resources.files("verifier.cuda")
        for name in _MODULES:
            code = folder.joinpath(f"{name}.py").read_bytes()
            files[f"{CODE}/verifier/cuda/{name}.py"] = (code, 0o444)
        return SandboxSpec(
            label="device",
            role="judge",
            slot=self._slot,
            files=files,
            mounts=self._inside.mounts,
            env=self._inside.env,
            workdir="/tmp",
            # The driver reserves addresses for all of the device's memory and more.
            limits=Limits(
                memory_mb=None, pids=128, cpu_set=self._machine.cpus.measuring, tmp_mb=64
            ),
        )

    def _how_ended(self) -> str:
        if self._process is None:
            return ""
        try:
            ended = self._process.wait(5.0)
        except TimeoutError:
            return ""
        self._process = None
        if ended.out_of_memory:
            return " (out of memory)"
        return f" (signal {-ended.code})" if ended.code < 0 else f" (status {ended.code})"


def _said(launch: Any) -> dict[str, Any]:
    return {
        "entry": launch.entry,
        "grid": launch.grid,
        "block": launch.block,
        "shared_bytes": launch.shared_bytes,
        "arguments": launch.arguments,
    }
