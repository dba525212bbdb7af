"""The relay between a program's HTTP and the engine's socket: bytes, both ways, to the end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from verifier.inside import relay

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """A relay to the socket `tmp_path / "s"`."""
    listener = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(relay.serve(listener, str(tmp_path / "s")))
    yield listener.getsockname()[1]
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


@asynccontextmanager
async def engine(path: Path, handle: Handle) -> AsyncIterator[None]:
    server = await asyncio.start_unix_server(handle, path)
    try:
        yield
    finally:
        server.close()


async def ask(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        return await reader.read()
    finally:
        writer.close()


async def upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write((await reader.readline()).upper())
    writer.close()


async def test_bytes_go_both_ways_for_many_at_once(tmp_path: Path, port: int) -> None:
    async with engine(tmp_path / "s", upper):
        answers = await asyncio.gather(*(ask(port, b"word %d\n" % n) for n in range(50)))
    assert answers == [b"WORD %d\n" % n for n in range(50)]


async def test_a_stream_comes_as_it_comes(tmp_path: Path, port: int) -> None:
    go = asyncio.Event()

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"first\n")
        await go.wait()
        writer.write(b"x" * 5_000_000)
        writer.close()

    async with engine(tmp_path / "s", slowly):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.readline() == b"first\n"
        go.set()
        assert len(await reader.read()) == 5_000_000
        writer.close()


async def test_an_engine_that_is_away_is_waited_for(tmp_path: Path, port: int) -> None:
    async with engine(tmp_path / "s", upper):
        assert await ask(port, b"a\n") == b"A\n"
    asking = asyncio.create_task(ask(port, b"b\n"))
    await asyncio.sleep(0.3)
    assert not asking.done()
    async with engine(tmp_path / "s", upper):  # the next one opens the same path again
        assert await asking == b"B\n"


async def test_an_engine_that_never_comes_is_not_waited_for_for_ever(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "PATIENCE", 0.1)
    assert await ask(port, b"a\n") == b""


async def test_the_engine_hears_that_a_client_has_gone(tmp_path: Path, port: int) -> None:
    gone = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        gone.set()
        writer.close()

    async with engine(tmp_path / "s", wait):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello")
        await writer.drain()
        writer.close()
        async with asyncio.timeout(20):
            await gone.wait()


async def test_an_answer_that_comes_before_the_question_ends_arrives(
    tmp_path: Path, port: int
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(10)
        writer.write(b"too large")
        writer.write_eof()
        await reader.read(1 << 20)
        writer.close()

    async with engine(tmp_path / "s", refuse):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * 3_000_000)
        assert await reader.read() == b"too large"
        writer.close()


def test_it_runs_with_the_standard_library_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    script = f"import runpy, sys; runpy.run_path({relay.__file__!r}); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded - set(sys.stdlib_module_names) - {"__main__"}
