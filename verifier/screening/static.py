"""What the text of an artifact, and the program that was made of it, contain.

Agents write the text, so it is read inside a sandbox (`verifier/inside/screen_main.py`), token by
token. Here its answer is held against the task's table; only words of that table decide.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from verifier import memfd
from verifier.artifact import printable
from verifier.build import inside_file, read_to_end
from verifier.cpus import Machine
from verifier.sandbox.spec import Limits, SandboxSpec
from verifier.verdict import Finding

if TYPE_CHECKING:
    from tasks.autolab import Screen

_PARTS = ("screen_main.py", "screen_c.py", "screen_rust.py", "screen_python.py", "screen_elf.py")
_PACKAGE = "/screen/verifier/inside"
_START = (
    "import sys; sys.path.insert(0, '/screen'); "
    "from verifier.inside.screen_main import main; main()"
)
_KINDS = {
    "includes": "includes a header that the task forbids",
    "calls": "uses a function that the task forbids",
    "imports": "imports a module that the task forbids",
    "sentinels": "contains a word that the task forbids",
}
_PATIENCE = 60.0
_SHOWN = 8
_SLOT = 1  # the judge has slot 0 of this role


class Screened(msgspec.Struct, frozen=True):
    """What the reader inside says. A hit is (number of the rule, file, line, what)."""

    hits: tuple[tuple[int, str, int, str], ...] = ()
    unread: tuple[tuple[str, str], ...] = ()


def screen(
    machine: Machine,
    table: Screen,
    files: Mapping[str, bytes],
    programs: tuple[bytes, bytes] | None = None,
) -> tuple[Finding, ...]:
    """The findings about `files`, and about the (candidate, baseline) programs where there are any.

    A file that makes the reader fail is a severe finding: nothing honest does.
    """
    rules = [
        (severity, kind, pattern)
        for severity, words in (
            ("severe", table.severe),
            ("warning", table.warning),
            ("info", table.info),
        )
        for kind in _KINDS
        for pattern in getattr(words, kind)
    ]
    if not rules:
        return ()
    answer = _ask(machine, [(kind, pattern) for _, kind, pattern in rules], files, programs or ())
    if answer is None:
        return (Finding("severe", "the artifact makes screening fail", "no answer of the reader"),)
    found = [_unread(name, why) for name, why in answer.unread[:_SHOWN]]
    for number, (severity, kind, pattern) in enumerate(rules):
        places = [_place(hit) for hit in answer.hits if hit[0] == number]
        if places:
            found.append(Finding(severity, _KINDS[kind], _evidence(pattern, places)))  # type: ignore[arg-type]  # one of the three above
    return tuple(found)


def _unread(name: str, why: str) -> Finding:
    return Finding("warning", "a file cannot be screened", f"{printable(name)}: {printable(why)}")


def _place(hit: tuple[int, str, int, str]) -> str:
    _, name, line, what = hit
    where = f"{printable(name, 80)} line {line}" if name else "the built program"
    return f"{printable(what, 80)} ({where})"


def _evidence(pattern: str, places: Sequence[str]) -> str:
    more = len(places) - _SHOWN
    shown = ", ".join(places[:_SHOWN])
    return f"{pattern}: {shown} and {more} more" if more > 0 else f"{pattern}: {shown}"


def _ask(
    machine: Machine,
    rules: Sequence[tuple[str, str]],
    files: Mapping[str, bytes],
    programs: Sequence[bytes],
) -> Screened | None:
    names = sorted(files)
    head = {
        "rules": rules,
        "files": [(name, len(files[name])) for name in names],
        "programs": [len(program) for program in programs],
    }
    given = b"".join((msgspec.json.encode(head), b"\n", *(files[n] for n in names), *programs))
    spec = SandboxSpec(
        label="screen",
        role="judge",
        slot=_SLOT,
        files={f"{_PACKAGE}/{part}": (inside_file(part), 0o444) for part in _PARTS},
        workdir="/tmp",
        limits=Limits(memory_mb=2048, pids=8, cpu_set=machine.cpus.working, tmp_mb=16),
    )
    stdin = memfd.holding(given)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        process = machine.backend.launch(
            spec, ["/usr/bin/python3", "-I", "-B", "-c", _START], stdin=stdin,
            stdout=writer,
        )  # fmt: skip
        os.close(writer)
        writer = -1
        try:
            text = read_to_end(reader, time.monotonic() + _PATIENCE)
        finally:
            process.kill()
            with contextlib.suppress(TimeoutError):
                process.wait(10.0)
    finally:
        for fd in (stdin, reader, writer):
            if fd >= 0:
                os.close(fd)
    try:
        return msgspec.json.decode(text or b"", type=Screened)
    except msgspec.DecodeError:
        return None
