"""People who look at a sandbox's terminal: tmux clients inside, read on demand."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.verifier.sandbox.conftest import host_processes
from verifier.sandbox import places, uids
from verifier.sandbox.keeper import protocol
from verifier.sandbox.keeper.client import (
    KeeperClient,
    KeeperLostError,
    SandboxFrozenError,
    SandboxGoneError,
)
from verifier.sandbox.keeper.connecting import connect, ensure_keeper
from verifier.sandbox.spec import Limits, Mount, SandboxSpec


@pytest.fixture
async def keeper(sandbox_backend: object, state_dir: Path) -> AsyncIterator[KeeperClient]:
    client = await ensure_keeper(state_dir, state_dir / "keeper.sock")
    yield client
    with contextlib.suppress(KeeperLostError):
        if not client.connected:
            client = await connect(state_dir / "keeper.sock")
        await client.shutdown()


@pytest.fixture
async def sandbox(keeper: KeeperClient, state_dir: Path, source: Path) -> str:
    workspace = places.make_workspace(state_dir, source, uids.identity().host_uid("agent", 1))
    spec = SandboxSpec(
        label="ignored",
        role="agent",
        slot=1,
        mounts=(Mount(workspace, "/app", writable=True),),
        workdir="/app",
        limits=Limits(memory_mb=512, pids=64, tmp_mb=64),
    )
    await keeper.create("s1", spec)
    return "s1"


async def shown(
    keeper: KeeperClient, viewer: int, wanted: Callable[[bytes], bool], patience: float = 20.0
) -> bytes:
    """All that a viewer shows until it is as wanted."""
    data = b""
    deadline = time.monotonic() + patience
    while not wanted(data):
        assert time.monotonic() < deadline, data[-2000:]
        piece = await keeper.look(viewer, 0.5)
        assert piece is not None, data[-2000:]
        data += piece
    return data


async def clients(keeper: KeeperClient, sandbox: str, number: int) -> list[str]:
    """What tmux inside says of its clients."""
    what = "#{client_width}x#{client_height} #{client_flags}"
    command = f"/usr/bin/tmux -S /run/shell/tmux list-clients -F '{what}'"
    result = await keeper.run(sandbox, f"clients-{number}", command, 20)
    return result.output.decode().splitlines()


async def test_a_viewer_sees_the_shell_and_what_commands_print(
    keeper: KeeperClient, sandbox: str
) -> None:
    viewer = await keeper.attach(sandbox, 80, 23, write=False)
    await shown(keeper, viewer, lambda data: b"/app $" in data)
    result = await keeper.run(sandbox, "c1", "echo seen-$((40 + 2)); stty size </dev/tty", 20)
    assert result.output == b"seen-42\n50 200\n"  # whoever looks changes nothing
    await shown(keeper, viewer, lambda data: b"seen-42" in data)
    assert await keeper.look(viewer, 0.05) is not None
    [client] = await clients(keeper, sandbox, 1)
    assert client.startswith("80x23 ")
    assert "read-only" in client
    await keeper.leave(viewer)
    await keeper.leave(viewer)
    with pytest.raises(SandboxGoneError, match="nobody is attached"):
        await keeper.look(viewer, 0.1)
    deadline = time.monotonic() + 20
    number = 2
    while await clients(keeper, sandbox, number):
        assert time.monotonic() < deadline
        number += 1


async def test_who_only_looks_types_nothing_and_who_writes_does(
    keeper: KeeperClient, sandbox: str
) -> None:
    looking = await keeper.attach(sandbox, 80, 23, write=False)
    writing = await keeper.attach(sandbox, 80, 23, write=True)
    await shown(keeper, writing, lambda data: b"/app $" in data)
    await keeper.keys(looking, b"echo no > /app/no\r")
    typed = b"echo yes > /app/yes; echo $((40 + 2))\r"
    assert await keeper.keys(writing, typed) == len(typed)
    await shown(keeper, looking, lambda data: b"42" in data)
    assert await keeper.read_file(sandbox, "/app/yes") == b"yes\n"
    with pytest.raises(OSError):
        await keeper.read_file(sandbox, "/app/no")
    # The operator's own way out: tmux's detach key ends the client, and the look says so.
    await keeper.keys(writing, b"\x02d")
    while await keeper.look(writing, 5.0) is not None:
        pass


async def test_a_small_view_can_be_moved_and_resized(keeper: KeeperClient, sandbox: str) -> None:
    await keeper.run(sandbox, "c1", "printf '%s\\n' left; printf '%180s\\n' far-$((40 + 2))", 20)
    viewer = await keeper.attach(sandbox, 60, 20, write=False)
    before = await shown(keeper, viewer, lambda data: b"left" in data)
    assert b"far-42" not in before
    await keeper.view(viewer, 60, 20, "R", 130)
    await shown(keeper, viewer, lambda data: b"far-42" in data)
    await keeper.view(viewer, 60, 20, "c")
    await shown(keeper, viewer, lambda data: b"left" in data)
    await keeper.view(viewer, 200, 50)
    await shown(keeper, viewer, lambda data: b"far-42" in data)
    for size in ((0, 20), (80, 2000)):
        with pytest.raises(OSError) as caught:
            await keeper.view(viewer, *size)
        assert caught.value.errno == errno.EINVAL


async def test_a_flood_that_nobody_reads_is_kept_by_nobody(
    keeper: KeeperClient, sandbox: str, state_dir: Path
) -> None:
    viewer = await keeper.attach(sandbox, 200, 50, write=True)
    await shown(keeper, viewer, lambda data: b"/app $" in data)
    before = memory(state_dir)
    flood = "yes '0123456789012345678901234567890123456789' | head -c 60M"
    await keeper.keys(viewer, f"{flood}; echo over-$((40+2))\r".encode())
    result = await keeper.run(sandbox, "c1", "echo the keeper answers", 60)
    assert result.output == b"the keeper answers\n"
    most = 0
    while data := await keeper.look(viewer, 5.0):
        most = max(most, len(data))
        if b"over-42" in data:
            break
    assert 0 < most <= protocol.LOOK_LIMIT
    assert memory(state_dir) - before < 32 << 20


def memory(state_dir: Path) -> int:
    """The keeper's resident bytes."""
    [pid] = [
        pid
        for pid in host_processes(str(state_dir))
        if b"verifier.sandbox.keeper" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


async def test_a_frozen_terminal_is_silent_and_goes_on(keeper: KeeperClient, sandbox: str) -> None:
    viewer = await keeper.attach(sandbox, 80, 23, write=True)
    await shown(keeper, viewer, lambda data: b"/app $" in data)
    await keeper.freeze(sandbox)
    while await keeper.look(viewer, 0.2):
        pass
    with pytest.raises(SandboxFrozenError):
        await keeper.keys(viewer, b"x")
    with pytest.raises(SandboxFrozenError):
        await keeper.attach(sandbox, 80, 23, write=False)
    await keeper.thaw(sandbox)
    await keeper.keys(viewer, b"echo $((40 + 2))\r")
    await shown(keeper, viewer, lambda data: b"42" in data)


async def test_not_everybody_may_look_at_once_and_the_end_is_told(
    keeper: KeeperClient, sandbox: str
) -> None:
    viewers = [await keeper.attach(sandbox, 80, 23, write=False) for _ in range(8)]
    with pytest.raises(OSError) as caught:
        await keeper.attach(sandbox, 80, 23, write=False)
    assert caught.value.errno == errno.EUSERS
    await keeper.leave(viewers[0])
    viewers[0] = await keeper.attach(sandbox, 80, 23, write=False)
    await keeper.run(sandbox, "c1", "tmux -S /run/shell/tmux kill-server", 20)
    for viewer in viewers:
        while await keeper.look(viewer, 10.0) is not None:
            pass
    viewer = await keeper.attach(sandbox, 80, 23, write=False)
    await shown(keeper, viewer, lambda data: b"/app $" in data)
    waiting = asyncio.create_task(keeper.look(viewer, 30.0))
    await keeper.kill(sandbox)
    while (await waiting) is not None:
        waiting = asyncio.create_task(keeper.look(viewer, 30.0))


async def test_nobody_looks_when_the_engine_has_gone(
    keeper: KeeperClient, sandbox: str, state_dir: Path
) -> None:
    viewer = await keeper.attach(sandbox, 80, 23, write=False)
    await shown(keeper, viewer, lambda data: b"/app $" in data)
    await keeper.close()
    async with await connect(state_dir / "keeper.sock") as again:
        await again.thaw(sandbox)
        with pytest.raises(SandboxGoneError):
            await again.look(viewer, 0.1)
        number = 1
        deadline = time.monotonic() + 20
        while await clients(again, sandbox, number):
            assert time.monotonic() < deadline
            number += 1


async def test_a_client_that_is_made_to_run_a_command_runs_it_inside(
    keeper: KeeperClient, sandbox: str, tmp_path: Path
) -> None:
    viewer = await keeper.attach(sandbox, 80, 23, write=False)
    await shown(keeper, viewer, lambda data: b"/app $" in data)
    outside = tmp_path / "escaped"
    trap = f"echo $$ > {outside}; id -u > /app/who"
    await keeper.run(
        sandbox, "c1", f"tmux -S /run/shell/tmux detach-client -s agent -E '{trap}'", 20
    )
    while await keeper.look(viewer, 10.0) is not None:
        pass
    assert await keeper.read_file(sandbox, "/app/who") == b"1000\n"
    assert not outside.exists()
