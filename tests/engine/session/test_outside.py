"""An agent's output on its way into the transcript."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agents.launching import Exit, Launch
from engine.agents.toolbox import CommandOutput
from engine.clock import Clock
from engine.events import ActivityChanged
from engine.models.http import HttpClient
from engine.models.http_model import HttpModel
from engine.models.retry import RetryPolicy
from engine.models.types import Provider
from engine.oversight.trace import Trace
from engine.proxy.door import Door
from engine.session import outside as module
from engine.session.live import Live
from engine.session.meter import Meter
from engine.session.outside import Outside
from engine.storage.transcripts import Transcript
from tests.engine.proxy.booth import Session, until
from verifier.sandbox.keeper.client import SandboxGoneError
from verifier.sandbox.keeper.protocol import Printed

LAUNCH = Launch(1, ("my-agent",), "Do it.")


class Desk:
    """A sandbox whose command prints what the test says, a piece at a time."""

    def __init__(self) -> None:
        self.said = b""
        self.start = 0  # the first byte that is still kept
        self.over = asyncio.Event()
        self.news = asyncio.Event()
        self.known: set[str] = set()
        self.written: dict[str, bytes] = {}
        self.scripts: list[str] = []
        self.broken: Exception | None = None

    def print(self, data: bytes, *, end: bool = False) -> None:
        self.said += data
        self.news.set()
        if end:
            self.over.set()

    async def knows(self, name: str) -> bool:
        return name in self.known

    async def write(self, path: str, data: bytes) -> None:
        self.written[path] = data

    async def launch(self, name: str, script: str, rate: int) -> CommandOutput:
        self.known.add(name)
        self.scripts.append(script)
        await self.over.wait()
        if self.broken is not None:
            raise self.broken
        return CommandOutput(self.said, 0, 1.0)

    async def follow(self, name: str, after: int, patience: float) -> Printed:
        while len(self.said) <= after and not self.over.is_set():
            self.news.clear()
            await self.news.wait()
        start = max(after, self.start)
        return Printed(start, self.said[start:], self.over.is_set())

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        yield


class Scene:
    """What an `Outside` needs, and what came of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.session = Session({})
        self.desk = Desk()
        self.http = HttpClient()
        self.clock = Clock(lambda: "b", lambda: 0.0, lambda: 0.0)
        self.transcript = Transcript.open(folder / "t.jsonl", self.session.note, self.clock, 0)

    async def begin(self) -> None:
        await self.transcript.add(
            {"kind": "user", "about": "start", "start": 1, "command": [], "text": "Do it."}
        )

    def outside(self) -> Outside:
        door = self.folder / "door"
        door.mkdir(exist_ok=True)
        return Outside(
            desk=self.desk,  # type: ignore[arg-type]  # it has what is used of a workspace
            door=Door(door, os.geteuid()),
            model=HttpModel(self.http, Provider("lab", "http://127.0.0.1:9"), "tiny"),
            services=self.session,
            transcript=self.transcript,
            live=Live(),
            meter=Meter(self.session.note, self.clock),
            clock=self.clock,
            policy=RetryPolicy(1),
            doing=Trace(None).of("s"),
        )

    def printed(self) -> list[str]:
        return [e["text"] for e in self.transcript.entries if e["kind"] == "output"]


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    made = Scene(tmp_path)
    await made.begin()
    yield made
    await made.http.close()


async def test_what_it_prints_is_an_entry_and_its_newest_line_is_the_activity(
    scene: Scene,
) -> None:
    running = asyncio.create_task(scene.outside().run(LAUNCH, again=False))
    scene.desk.print(b"one\ntwo\n\n")
    await until(scene.printed)
    scene.desk.print(b"three", end=True)
    assert await running == Exit(0, "", 0, None)
    assert "".join(scene.printed()) == "one\ntwo\n\nthree"
    activities = [e.activity for e in scene.session.told(ActivityChanged)]
    assert activities[0] == "agent working"
    assert "agent: two" in activities
    assert scene.desk.written == {"/run/agent/instruction-1.md": b"Do it."}
    assert scene.desk.scripts == [
        "/usr/bin/python3 -I -S /run/autolab/relay.py && /usr/bin/env -- my-agent"
    ]


async def test_a_character_that_comes_in_two_pieces_is_one(scene: Scene) -> None:
    running = asyncio.create_task(scene.outside().run(LAUNCH, again=False))
    scene.desk.print("a€".encode()[:-1])
    await until(scene.printed)
    assert scene.printed() == ["a"]
    scene.desk.print("€".encode()[-1:] + b"\xff", end=True)
    await running
    assert "".join(scene.printed()) == "a€\ufffd"


async def test_what_was_too_much_is_counted(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OUTPUT", 60)
    running = asyncio.create_task(scene.outside().run(LAUNCH, again=False))
    scene.desk.start = 5
    scene.desk.print(b"12345six\n")
    await until(scene.printed)
    assert scene.printed() == ["[... 5 bytes left out ...]\nsix\n"]
    scene.desk.print(b"x" * 100)
    await until(lambda: len(scene.printed()) == 2)
    scene.desk.print(b"y" * 100, end=True)
    await running
    assert sum(map(len, scene.printed())) == 60
    assert scene.transcript.entries[-1]["text"] == "more than 60 characters of output"


async def test_one_that_is_joined_goes_on_at_the_byte_where_the_last_engine_stood(
    scene: Scene,
) -> None:
    first = asyncio.create_task(scene.outside().run(LAUNCH, again=False))
    scene.desk.print("zwölf\n".encode())
    await until(scene.printed)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    scene.desk.print(b"more\n", end=True)
    assert (await scene.outside().run(LAUNCH, again=True)).code == 0
    assert scene.printed() == ["zwölf\n", "more\n"]


async def test_one_that_its_sandbox_knows_nothing_of_is_lost(scene: Scene) -> None:
    ended = await scene.outside().run(LAUNCH, again=True)
    assert ended == Exit(None, "its sandbox was lost", 0, None, lost=True)
    assert scene.desk.scripts == []


async def test_a_sandbox_that_breaks_is_told_as_what_it_is(scene: Scene) -> None:
    scene.desk.broken = SandboxGoneError("the sandbox was killed")
    scene.desk.print(b"", end=True)
    with pytest.raises(SandboxGoneError, match="was killed"):
        await scene.outside().run(LAUNCH, again=False)


@given(st.text(), st.integers(0, 3))
def test_whole_characters_and_no_more_are_taken(text: str, cut: int) -> None:
    data = text.encode("utf-8", "replace")
    part = data[: len(data) - cut]
    found = module._whole_characters(part)
    assert part.startswith(found)
    assert len(part) - len(found) < 4
    assert text.startswith(found.decode()) or "?" in found.decode()


@given(st.binary(max_size=20))
def test_any_bytes_are_taken_in_the_end(data: bytes) -> None:
    assert len(module._whole_characters(data + b"abc")) == len(data) + 3


def test_a_start_knows_its_own_entries_only() -> None:
    entries: list[dict[str, Any]] = [
        {"n": 0, "kind": "user", "about": "start", "start": 1},
        {"n": 1, "kind": "output", "until": 90, "text": "a"},
        {"n": 2, "kind": "note", "about": "exit", "start": 1},
        {"n": 3, "kind": "user", "about": "start", "start": 2},
        {"n": 4, "kind": "output", "until": 7, "text": "b"},
    ]
    assert [e["n"] for e in module.since(Launch(2, (), ""), entries)] == [3, 4]
    assert list(module.since(Launch(3, (), ""), entries)) == []
