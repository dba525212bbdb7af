"""The terminal of a sandbox's shell, pressed and looked at through the keeper."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.inside.exec_keys import clients
from verifier.sandbox import places, uids
from verifier.sandbox.keeper import protocol
from verifier.sandbox.keeper.client import KeeperClient, KeeperLostError, SandboxFrozenError
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


async def shows(keeper: KeeperClient, sandbox: str, wanted: Callable[[str], bool]) -> str:
    deadline = time.monotonic() + 20
    while True:
        text = (await keeper.screen(sandbox)).decode()
        if wanted(text):
            return text
        assert time.monotonic() < deadline, text
        await asyncio.sleep(0.05)


async def test_text_is_typed_as_it_stands_and_newlines_are_enter(
    keeper: KeeperClient, sandbox: str
) -> None:
    typed = "cd /tmp; printf '<%s>\\n' 'a;' '-l' \"$((6 * 7))\" 'ü{}~';\necho done;"
    await keeper.press(sandbox, "k1", typed)
    text = await shows(keeper, sandbox, lambda text: text.rstrip().endswith("$ echo done;"))
    assert "<a;>\n<-l>\n<42>\n<ü{}~>\n" in text
    await keeper.press(sandbox, "k2", "\n")
    await shows(keeper, sandbox, lambda text: "\ndone\n" in text)
    await keeper.press(sandbox, "k3", "echo q\\;\necho r;;\necho $((40 + 2))\n")
    text = await shows(keeper, sandbox, lambda text: "\n42\n" in text)
    assert "\nq;\n" in text
    assert "unexpected token `;;'" in text


async def test_a_name_is_pressed_once(keeper: KeeperClient, sandbox: str) -> None:
    for _ in range(3):
        await keeper.press(sandbox, "k1", "echo one >> /app/count\n")
    await keeper.press(sandbox, "k2", "echo two >> /app/count; echo $((40 + 2))\n")
    await shows(keeper, sandbox, lambda text: "\n42\n" in text)
    assert await keeper.read_file(sandbox, "/app/count") == b"one\ntwo\n"


async def test_keys_reach_a_program_that_reads_them(keeper: KeeperClient, sandbox: str) -> None:
    # What says so has the terminal: a key that comes before that would meet the shell.
    await keeper.press(sandbox, "k1", "sh -c 'echo at $((40 + 0)); exec cat > /app/typed'\n")
    await shows(keeper, sandbox, lambda text: "\nat 40\n" in text)
    await keeper.press(sandbox, "k2", "hello\nworl\n")
    await keeper.press(sandbox, "k3", "C-d")
    await keeper.press(sandbox, "k4", "sh -c 'echo at $((40 + 1)); exec sleep 600'\n")
    await shows(keeper, sandbox, lambda text: "\nat 41\n" in text)
    await keeper.press(sandbox, "k5", "C-c")
    await keeper.press(sandbox, "k6", "echo $((40 + 2))\n")
    await shows(keeper, sandbox, lambda text: "\n42\n" in text)
    assert await keeper.read_file(sandbox, "/app/typed") == b"hello\nworl\n"


async def test_what_scrolled_away_is_shown_and_long_lines_are_whole(
    keeper: KeeperClient, sandbox: str
) -> None:
    await keeper.press(sandbox, "k1", "seq 1 300; printf 'q%.0s' {1..500}; echo; echo $((400+2))\n")
    text = await shows(keeper, sandbox, lambda text: "\n402\n" in text)
    assert "\n1\n2\n3\n" in text
    assert "\n" + "q" * 500 in text


async def test_long_keystrokes_arrive_whole(keeper: KeeperClient, sandbox: str) -> None:
    lines = [f"{number} " + "ä;" * 40 for number in range(150)]
    written = "\n".join(lines)
    await keeper.press(sandbox, "k1", f"cat > /app/long <<'END'\n{written}\nEND\necho $((40+2))\n")
    await shows(keeper, sandbox, lambda text: "\n42\n" in text)
    assert (await keeper.read_file(sandbox, "/app/long")).decode() == written + "\n"
    with pytest.raises(OSError, match="too large"):
        await keeper.press(sandbox, "k2", "x" * (protocol.KEYS_LIMIT + 1))


async def test_a_shell_that_ended_is_replaced(keeper: KeeperClient, sandbox: str) -> None:
    await keeper.press(sandbox, "k1", "exit 3\n")
    await asyncio.sleep(0.5)
    await keeper.press(sandbox, "k2", "echo $((40 + 2))\n")
    await shows(keeper, sandbox, lambda text: "\n42\n" in text)


async def test_a_frozen_terminal_takes_no_keys(keeper: KeeperClient, sandbox: str) -> None:
    await keeper.screen(sandbox)
    await keeper.freeze(sandbox)
    with pytest.raises(SandboxFrozenError):
        await keeper.press(sandbox, "k1", "echo no\n")
    await keeper.thaw(sandbox)
    await keeper.press(sandbox, "k1", "echo $((40 + 2))\n")
    await shows(keeper, sandbox, lambda text: "\n42\n" in text)


@given(st.text(max_size=3000))
def test_every_character_of_a_text_is_pressed(text: str) -> None:
    made = clients(text)
    if made == [[text]]:
        return  # the name of a key
    typed = ""
    for arguments in made:
        if arguments == ["Enter"]:
            typed += "\n"
        else:
            assert arguments[:2] == ["-l", "--"]
            typed += arguments[2].removesuffix("\\;") + ";" * arguments[2].endswith("\\;")
            assert len(arguments[2]) <= 1001
    assert typed == text.replace("\0", "")


@pytest.mark.parametrize("key", ["C-c", "C-d", "Escape", "Up", "M-x", "C-M-x", "F10", "Enter"])
def test_the_name_of_a_key_is_that_key(key: str) -> None:
    assert clients(key) == [[key]]
    assert clients(f"{key}\n") == [["-l", "--", key], ["Enter"]]
