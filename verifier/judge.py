"""The task's judge, asked from the host.

judge.py is pinned code, but it may come from a stranger's suite: it runs in a sandbox of its own
and is handed inputs and outputs as sealed memory. Its word decides gates and metric, nothing else.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Self

import msgspec

from verifier import memfd
from verifier.build import inside_file
from verifier.cpus import Machine
from verifier.programs import thread_counts
from verifier.sandbox.descriptors import refuse_descriptors
from verifier.sandbox.spec import Limits, SandboxProcess, SandboxSpec
from verifier.verdict import Gate

_MESSAGE = 1 << 16
_MAIN = "/autolab/judge_main.py"
_LARGEST = 512 << 20
PATIENCE = 120.0
_CHEATS = "cheats/"


class JudgeError(Exception):
    """The judge gave no usable answer; the message says which request and why."""


class Case(msgspec.Struct, frozen=True):
    """One case: `timed` ones are measured, the others only test correctness."""

    name: str
    timed: bool
    params: dict[str, Any]


class _Answer(msgspec.Struct, frozen=True):
    ok: bool
    n: int = 0
    error: str = ""
    cases: tuple[Case, ...] = ()
    checks: bool = False
    input_size: int = -1
    output_size: int = 0
    gates: tuple[tuple[str, bool, str], ...] = ()
    metric: float | None = None


class Judge:
    """A running judge; use it as a context manager. Raises `JudgeError` when it misbehaves.

    `tests` are the files of the task's tests folder by their path in it; cheats stay outside. One
    answer may take `patience` seconds. Numeric libraries keep to one thread: what several make of a
    sum depends on how they share it.
    """

    def __init__(
        self,
        machine: Machine,
        tests: Mapping[str, bytes],
        patience: float = PATIENCE,
    ) -> None:
        self._backend = machine.backend
        self._patience = patience
        files = {f"/judge/{p}": (d, 0o444) for p, d in tests.items() if not p.startswith(_CHEATS)}
        self._spec = SandboxSpec(
            label="judge",
            role="judge",
            files={**files, _MAIN: (inside_file("judge_main.py"), 0o444)},
            workdir="/tmp",
            env=thread_counts(1),
            limits=Limits(memory_mb=2048, pids=32, cpu_set=machine.cpus.working, tmp_mb=64),
        )
        self._process: SandboxProcess | None = None
        self._socket: socket.socket | None = None
        self.checks = False
        self._asked = 0  # every answer says the number of its request

    def __enter__(self) -> Self:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        ours.settimeout(self._patience)
        refuse_descriptors(ours)
        with theirs:
            self._process = self._backend.launch(
                self._spec,
                ["/usr/bin/python3", "-I", "-B", _MAIN],
                fds={3: theirs.fileno()},
            )
        try:
            self._answer("starting")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def anew(self) -> None:
        """Start over: the one that ran may have ended, or be busy with what it was asked last."""
        self.close()
        self._asked = 0
        self.__enter__()

    def close(self) -> None:
        """End the sandbox."""
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            with contextlib.suppress(TimeoutError):
                process.wait(10.0)

    def cases(self, params: Mapping[str, Any]) -> tuple[Case, ...]:
        """The cases of a size; `checks` then tells whether the judge has a check of its own."""
        answer = self._ask("cases", {"params": params})
        if not answer.cases:
            raise JudgeError("cases(): there is none")
        self.checks = answer.checks
        return answer.cases

    def generate(self, case: Case, seed: int) -> tuple[int, int]:
        """A fresh input as a sealed memfd, which the caller closes, and the output's size."""
        what = f"generate() for case {case.name}"
        with _closing(memfd.empty()) as fd:
            answer = self._ask("generate", {"params": case.params, "seed": seed}, [fd])
            size = memfd.size_of(fd)
            if answer.input_size != size or size > _LARGEST:
                raise JudgeError(f"{what}: an input of {size} bytes, said {answer.input_size}")
            if not 1 <= answer.output_size <= _LARGEST:
                raise JudgeError(f"{what}: an output of {answer.output_size} bytes")
            try:
                return memfd.sealed_reader(fd), answer.output_size
            except memfd.UnsealedError as error:
                raise JudgeError(f"{what}: {error.strerror}") from error

    def check(self, case: Case, given: int, output: int, expected: int) -> tuple[Gate, ...]:
        """The judge's gates for one output; the three are sealed memfds."""
        answer = self._ask("check", {"params": case.params}, [given, output, expected])
        self._confirm()
        return tuple(Gate(*gate) for gate in answer.gates)

    def judge(
        self, files: Mapping[str, bytes], params: Mapping[str, Any], seed: int
    ) -> tuple[tuple[Gate, ...], float | None]:
        """The judge's gates for a data artifact, and its metric (None below the gates).

        `seed` reaches a judge that asks for one: what it draws is then new to every verification.
        """
        listed = [(name, len(files[name])) for name in sorted(files)]
        with _closing(memfd.holding(b"".join(files[name] for name, _ in listed))) as blob:
            request = {"files": listed, "params": params, "seed": seed}
            answer = self._ask("judge", request, [blob])
        self._confirm()
        return tuple(Gate(*gate) for gate in answer.gates), answer.metric

    def _confirm(self) -> None:
        """See that the last answer was the only one, before it counts."""
        self._ask("confirm", {})

    def _ask(self, op: str, request: Mapping[str, Any], fds: Sequence[int] = ()) -> _Answer:
        if self._socket is None:
            raise JudgeError(f"{op}: the judge has not been started")
        self._asked += 1
        message = msgspec.json.encode({"op": op, "n": self._asked, **request})
        if len(message) > _MESSAGE:
            raise JudgeError(f"{op}: a request of {len(message)} bytes is too long")
        try:
            socket.send_fds(self._socket, [message], list(fds))
        except OSError as error:
            raise JudgeError(f"{op}: the judge is gone: {error.strerror}") from error
        return self._answer(op)

    def _answer(self, op: str) -> _Answer:
        if self._socket is None:
            raise JudgeError(f"{op}: the judge has not been started")
        try:
            text = self._socket.recv(_MESSAGE)
        except TimeoutError:
            raise JudgeError(f"{op}: no answer within {self._patience:g} s") from None
        except OSError as error:
            raise JudgeError(f"{op}: the judge is gone: {error.strerror}") from error
        if not text:
            raise JudgeError(f"{op}: the judge ended without an answer{self._how_ended()}")
        try:
            answer = msgspec.json.decode(text, type=_Answer)
        except msgspec.DecodeError as error:
            raise JudgeError(f"{op}: an answer that cannot be read: {error}") from error
        if answer.n != self._asked:
            raise JudgeError(f"{op}: it answered twice, or late")
        if not answer.ok:
            raise JudgeError(f"{op}: {answer.error}")
        return answer

    def _how_ended(self) -> str:
        if self._process is None:
            return ""
        try:
            ended = self._process.wait(5.0)
        except TimeoutError:
            return ""
        self._process = None
        return " (out of memory)" if ended.out_of_memory else f" (status {ended.code})"


class _closing:  # noqa: N801 - reads as contextlib.closing does
    """A descriptor that is closed at the end of the block."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> int:
        return self._fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
