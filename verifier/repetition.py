"""One repetition: a new process in a new sandbox, one input, one output, the host's clock.

The candidate gets the input only when the clock starts, so nothing can be computed ahead. The host
seals the output before it stops the clock, so nothing can be computed afterwards: whatever still
had the output mapped makes sealing fail, and whatever was written until then was on the clock.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from verifier import memfd
from verifier.cpus import Cpus, Machine
from verifier.occupancy import occupancy
from verifier.outcomes import FailedError
from verifier.programs import Program
from verifier.runqueue import Delay, prompt, sample
from verifier.sandbox.descriptors import refuse_descriptors
from verifier.sandbox.spec import Limits, SandboxProcess, SandboxSpec
from verifier.screening.watch import Watch

_GATE = "runs"
_READY_SEC = 3.0  # at least; a sandbox starts in a few hundredths of it
_WAIT_SEC = 20.0


@dataclass(frozen=True, slots=True)
class Repetition:
    """What one repetition gave.

    `seconds` is the host's time from "go" to the sealed output. `output` is a memfd, final and
    owned by the caller. `delay` is how long others kept the process from its CPU; None where that
    cannot be told.
    """

    seconds: float
    output: int
    delay: Delay | None


def repeat(
    machine: Machine, program: Program, given: int, output_size: int, watch: Watch | None = None
) -> Repetition:
    """Run `program` once on the sealed memfd `given`; a `watch` notes what it does, on its clock.

    Raises `FailedError` (gate "runs") when it does not keep the protocol, crashes, or exceeds its
    time or memory.
    """
    output = memfd.poisoned(output_size)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    spec, argv = machine.gpus.grant(_spec(program, machine.cpus)), program.argv
    if watch is None:
        refuse_descriptors(ours)
    else:
        spec = replace(spec, files={**spec.files, **watch.files}, timed=False)
        argv = (*watch.argv, *argv)
    watched = True
    try:
        with ours:
            with theirs:
                process = machine.backend.launch(spec, argv, fds={3: theirs.fileno(), 4: output})
            try:
                watched = watch is None or watch.begin(ours, _READY_SEC)
                if watched:
                    with prompt():
                        seconds, delay = _drive(
                            process, ours, given, output, program=program, cpus=machine.cpus
                        )
                    if watch is not None:
                        watch.look(process.init_pid)
            finally:
                process.kill()
                with contextlib.suppress(TimeoutError):
                    process.wait(_WAIT_SEC)
                if watch is not None:
                    watch.end()
        if not watched:  # this kernel has no such thing, say: it is no fault of the program's
            os.close(output)
            return repeat(machine, program, given, output_size)
        return Repetition(seconds, output, delay)
    except BaseException:
        if watched:
            os.close(output)
        raise


def _spec(program: Program, cpus: Cpus) -> SandboxSpec:
    return SandboxSpec(
        label="run",
        role="run",
        timed=True,
        # No process of bwrap's beside it: its memory could be written, and it put to work.
        as_init=True,
        files=program.files,
        env=program.env,
        limits=Limits(
            memory_mb=program.memory_mb,
            pids=program.threads,
            cpu_set=cpus.measuring,
            tmp_mb=16,
            file_mb=1024,
            open_files=64,
            urgent=True,
        ),
    )


def _drive(
    process: SandboxProcess,
    control: socket.socket,
    given: int,
    output: int,
    *,
    program: Program,
    cpus: Cpus,
) -> tuple[float, Delay | None]:
    patience = max(_READY_SEC, program.timeout_sec)
    said = _hear(control, time.monotonic() + patience)
    if said is None:
        raise FailedError(_GATE, "timeout", f"not ready within {patience:g} s")
    if said != b"R":
        raise _gone(process, said, "before it was ready")
    watch = _watch(process, program, cpus)
    start = time.monotonic()
    try:
        socket.send_fds(control, [b"G"], [given])
    except OSError:
        raise _gone(process, b"", "before it was given an input") from None
    said = _hear(control, start + program.timeout_sec)
    if said is None:
        raise FailedError(_GATE, "timeout", f"not done within {program.timeout_sec:g} s")
    if said == b"D":
        try:
            memfd.seal_writes(output)
        except memfd.UnsealedError:
            raise FailedError(
                _GATE, "crashed", "it said that it was done while it could still write the output"
            ) from None
        seconds = time.monotonic() - start
        return seconds, watch()
    if said[:1] == b"F" and len(said) == 2:
        words = program.failures.get(said[1], f"autolab_solve returned {said[1]}")
        raise FailedError(_GATE, "crashed", words)
    raise _gone(process, said, "before it was done")


def _hear(control: socket.socket, deadline: float) -> bytes | None:
    """The next message; empty when the other end is closed; None at the deadline."""
    waiting = select.poll()
    waiting.register(control, select.POLLIN)
    left = deadline - time.monotonic()
    if left <= 0 or not waiting.poll(left * 1000):
        return None
    try:
        return control.recv(16)
    except OSError:
        return b""


def _watch(process: SandboxProcess, program: Program, cpus: Cpus) -> Callable[[], Delay | None]:
    """Begin to watch what others take; the answer, asked once, is what they took since."""
    if program.threads > 1:
        began = occupancy(process, cpus.measuring)

        def taken() -> Delay | None:
            ended = occupancy(process, cpus.measuring)
            return None if began is None or ended is None else ended.since(began)

        return taken
    before = sample(process.init_pid, cpus.measuring)

    def waited() -> Delay | None:
        after = sample(process.init_pid, cpus.measuring)
        return None if before is None or after is None else after.since(before)

    return waited


def _gone(process: SandboxProcess, said: bytes, when: str) -> FailedError:
    """The failure of a candidate that broke the protocol or ended, by how it ended."""
    if said:
        return FailedError(_GATE, "crashed", f"it broke the protocol {when}")
    try:
        ended = process.wait(1.0)
    except TimeoutError:
        return FailedError(_GATE, "crashed", f"it closed its control socket {when}")
    if ended.out_of_memory:
        return FailedError(_GATE, "out_of_memory", f"it ran out of memory {when}")
    if ended.pids_exhausted:
        return FailedError(
            _GATE, "crashed", f"it ended {when}, after it was denied another thread or process"
        )
    if ended.code < 0:
        return FailedError(_GATE, "crashed", f"signal {-ended.code} ended it {when}")
    return FailedError(_GATE, "crashed", f"it exited with status {ended.code} {when}")
