"""Frames, clocks and results: the parts of the keeper that need no process."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import io
import struct
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.sandbox.keeper import inside, protocol
from verifier.sandbox.keeper.commands import (
    BadNameError,
    Command,
    CommandLog,
    Stopwatch,
    check_name,
)
from verifier.sandbox.spec import Limits, Mount, SandboxSpec

specs = st.builds(
    SandboxSpec,
    label=st.text(max_size=20),
    role=st.sampled_from(["agent", "build", "run", "judge"]),
    slot=st.integers(0, 999),
    mounts=st.lists(
        st.builds(Mount, st.just(Path("/some/where")), st.just("/app"), st.booleans()), max_size=2
    ).map(tuple),
    files=st.dictionaries(
        st.text(max_size=10), st.tuples(st.binary(max_size=50), st.integers(0, 0o777)), max_size=3
    ),
    env=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    limits=st.builds(Limits, cpu_set=st.none() | st.tuples(st.integers(0, 7))),
)


@given(st.integers(0, 2**31), specs)
def test_a_request_survives_the_wire(number, spec):
    request = protocol.Request(number, protocol.Create(sandbox="s", spec=spec))
    assert protocol.decode_request(protocol.encode(request)[4:]) == request


def fed(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


@given(st.lists(st.binary(max_size=100), max_size=5), st.integers(0, 3))
def test_frames_come_whole_or_not_at_all(contents, cut):
    data = b"".join(struct.pack(">I", len(c)) + c for c in contents)
    whole = data[: len(data) - cut]

    async def read():
        reader, found = fed(whole), []
        while (frame := await protocol.read_frame(reader)) is not None:
            found.append(frame)
        return found

    found = asyncio.run(read())
    assert found == contents[: len(found)]
    assert cut > 0 or found == contents


async def test_a_frame_beyond_the_limit_is_refused():
    with pytest.raises(protocol.FrameError, match="exceeds the limit"):
        await protocol.read_frame(fed(struct.pack(">I", protocol.MAX_FRAME + 1)))


@given(st.binary(max_size=200))
def test_whatever_a_sandbox_sends_is_a_frame_an_error_or_the_end(data):
    async def receive():
        reader = fed(data)
        channel = inside.Channel(reader, None)
        while await channel.receive() is not None:
            pass

    with contextlib.suppress(inside.InsideError):
        asyncio.run(receive())


@pytest.mark.parametrize(
    "header", [b"[]", b"{}", b'{"event": 3}', b'{"event": "done", "code": "x"}', b"\xff"]
)
async def test_a_malformed_header_is_refused(header):
    channel = inside.Channel(fed(struct.pack(">II", len(header), 0) + header), None)
    with pytest.raises(inside.InsideError, match="malformed"):
        await channel.receive()


async def test_a_flood_is_refused_before_it_is_read():
    channel = inside.Channel(fed(struct.pack(">II", 10, 2**31)), None)
    with pytest.raises(inside.InsideError, match="came out of a sandbox"):
        await channel.receive()


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 100)), max_size=20))
def test_a_stopwatch_counts_exactly_what_ran(steps):
    now, running, expected = [0.0], False, 0.0
    watch = Stopwatch(lambda: now[0])
    for run, seconds in steps:
        (watch.start if run else watch.stop)()
        running = run
        now[0] += seconds
        expected += seconds if running else 0.0
    assert watch.seconds() == pytest.approx(expected)


@given(st.lists(st.binary(max_size=30), max_size=10), st.integers(2, 60))
def test_the_head_never_exceeds_its_share(chunks, limit):
    async def scenario():
        command = Command("c", "", None, limit, rate=0)
        for chunk in chunks:
            command.take(chunk)
        return command.finish(0, b"t" * 100, 0, "")

    result = asyncio.run(scenario())
    assert result.output.startswith(b"".join(chunks)[: limit // 2])
    assert len(result.output) <= limit


async def test_the_middle_is_counted():
    command = Command("c", "", 5.0, 10, rate=0)
    command.take(b"headX")
    result = command.finish(0, b"tail!", 1234, "noted")
    assert result.output == b"headX\n[... 1234 bytes left out ...]\ntail!"
    assert result.truncated and result.note == "noted" and command.ended.is_set()


async def test_an_interrupted_command_has_no_code_and_says_why():
    command = Command("c", "", 5.0, 10, rate=0)
    command.interrupted = True
    result = command.finish(130, b"", 0, "")
    assert result.code is None and result.timed_out
    assert result.note == "the time limit of 5 s was reached"


async def test_results_can_be_asked_for_again(tmp_path):
    log = CommandLog(tmp_path / "s1")
    assert log.find("c1") is None and log.names() == ()
    log.begin("c1")
    log.append("c1", b"partial")
    assert log.find("c1") is None
    assert (tmp_path / "s1" / "c1.out").read_bytes() == b"partial"
    command = Command("c1", "", None, 100, rate=0)
    command.take(b"\xff\x00out")
    result = command.finish(3, b"", 0, "n")
    log.end("c1", result)
    assert CommandLog(tmp_path / "s1").find("c1") == result
    assert log.names() == ("c1",)


async def test_a_log_that_cannot_be_written_costs_no_result(tmp_path, capsys):
    log = CommandLog(tmp_path / "s1")
    log.begin("c1")
    (tmp_path / "s1" / "c1.out").unlink()
    (tmp_path / "s1" / "c1.out").mkdir()
    log.append("c1", b"x")
    log.end("c1", Command("c1", "", None, 100, rate=0).finish(0, b"", 0, ""))
    assert "cannot write below" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "a\nb", "-x", "x" * 101, "é"])
def test_a_name_that_is_no_file_name_is_refused(name):
    with pytest.raises(BadNameError, match="use letters"):
        check_name("command", name)


def test_the_exec_server_needs_only_the_standard_library():
    (archive,) = (c for path, (c, _) in inside.Files.read().content.items() if path.endswith("pyz"))
    with zipfile.ZipFile(io.BytesIO(archive)) as modules:
        own = {name.removesuffix(".py").replace("/", ".") for name in modules.namelist()}
        imported = set()
        for name in modules.namelist():
            for node in ast.walk(ast.parse(modules.read(name))):
                if isinstance(node, ast.Import):
                    imported |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    assert node.module is not None
                    nested = f"{node.module}.{node.names[0].name}"
                    imported.add(nested if nested in own else node.module)
    foreign = {name for name in imported if name.split(".")[0] not in sys.stdlib_module_names}
    assert foreign <= own
