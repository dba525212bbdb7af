"""Making a candidate program in a sandbox that holds its sources and nothing else.

No directory of the host, no test and no network is inside. What comes out is bytes.
"""

from __future__ import annotations

import io
import os
import select
import tarfile
import time
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING

import msgspec

from verifier import memfd
from verifier.cpus import Machine
from verifier.sandbox.spec import Limits, SandboxSpec

if TYPE_CHECKING:
    from tasks.autolab import Build

PROGRAM_CAP = 64 << 20
_REPORT_CAP = 1 << 20
_SHIM = "/autolab/driver.c"
_BUILDER = "/autolab/build_main.py"


class BuildError(Exception):
    """The program could not be made: `why` in a line, `log` what the commands printed."""

    def __init__(self, why: str, log: str = "", *, out_of_memory: bool = False) -> None:
        self.why = why
        self.log = log
        self.out_of_memory = out_of_memory
        super().__init__(f"{why}\n{log}".strip())


class _Report(msgspec.Struct):
    ok: bool
    log: str
    command: str = ""
    code: int | None = None
    size: int = 0


def inside_file(name: str) -> bytes:
    """The bytes of a file of `verifier/inside`."""
    return resources.files("verifier.inside").joinpath(name).read_bytes()


def build(
    machine: Machine,
    recipe: Build,
    sources: Mapping[str, bytes],
    flags: Sequence[str],
) -> bytes:
    """Build `recipe` from `sources` (path below /app: content) and return the program.

    Raises `BuildError`, and `SandboxUnavailableError` where nothing can be built at all.
    """
    commands = [_words(command, flags) for command in recipe.commands]
    order = msgspec.json.encode({"commands": commands, "output": recipe.output}).decode()
    spec = SandboxSpec(
        label="build",
        role="build",
        files={
            _SHIM: (inside_file("driver.c"), 0o444),
            _BUILDER: (inside_file("build_main.py"), 0o444),
        },
        scratch=("/app",),
        workdir="/app",
        limits=Limits(
            memory_mb=2048, pids=256, cpu_set=machine.cpus.working, tmp_mb=512, file_mb=256
        ),
    )
    program = memfd.capped(PROGRAM_CAP)
    tar = memfd.holding(_tar(sources))
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        process = machine.backend.launch(
            spec,
            ["/usr/bin/python3", "-I", _BUILDER, order],
            stdin=tar,
            stdout=writer,
            fds={3: program},
        )
        os.close(writer)
        writer = -1
        try:
            text = read_to_end(reader, time.monotonic() + recipe.timeout_sec)
        finally:
            process.kill()
            ended = process.wait(10.0)
        if text is None:
            raise BuildError(f"the build took longer than {recipe.timeout_sec:g} s")
        report = _decode(text)
        if report is None:
            what = "ran out of memory" if ended.out_of_memory else "was ended from within"
            raise BuildError(f"the build {what}", out_of_memory=ended.out_of_memory)
        if not report.ok:
            raise BuildError(_why(report), report.log, out_of_memory=ended.out_of_memory)
        return memfd.read(program, min(report.size, PROGRAM_CAP))
    finally:
        for fd in (program, tar, reader, writer):
            if fd >= 0:
                os.close(fd)


def _words(command: Sequence[str], flags: Sequence[str]) -> list[str]:
    words: list[str] = []
    for word in command:
        if word == "{flags}":
            words += flags
        else:
            words.append(word.replace("{shim}", _SHIM))
    return words


def _tar(sources: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(sources):
            entry = tarfile.TarInfo(name)
            entry.size = len(sources[name])
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(sources[name]))
    return buffer.getvalue()


def read_to_end(fd: int, deadline: float) -> bytes | None:
    """What a sandbox says, to its end (1 MiB at most); None when `deadline` comes first."""
    text = b""
    waiting = select.poll()
    waiting.register(fd, select.POLLIN)
    while len(text) < _REPORT_CAP:
        left = deadline - time.monotonic()
        if left <= 0 or not waiting.poll(left * 1000):
            return None
        piece = os.read(fd, 65536)
        if not piece:
            break
        text += piece
    return text


def _decode(text: bytes) -> _Report | None:
    try:
        return msgspec.json.decode(text, type=_Report)
    except msgspec.DecodeError:
        return None


def _why(report: _Report) -> str:
    if report.command:
        return f"`{report.command}` ended with status {report.code}"
    return "the build made no program"
