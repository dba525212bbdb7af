"""People attached to sessions' terminals, through a real engine, and beside a real keeper."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from engine.api.terminals import TerminalRoutes
from engine.client import EngineRefusedError
from engine.client.terminal import Over, Shown, Still, TerminalStream
from engine.clock import Clock
from engine.events import AnyBody, Intervened
from engine.session.laying_out import lay_out
from engine.session.meter import Meter
from engine.session.terminals import Look, TerminalRefusedError, Terminals
from engine.session.workspace import Workspace
from engine.state import Pause, SessionState
from tasks import load_task
from tests.engine.session.test_restore import Played, by_turns
from tests.engine.state.test_state_fold import created
from tests.engine.support import ChatServer, EngineProcess, tool_turn, wait_for
from verifier.sandbox import places
from verifier.sandbox.keeper.client import KeeperClient
from verifier.sandbox.keeper.connecting import ensure_keeper

pytestmark = pytest.mark.usefixtures("sandboxes")

PRINTING = "for i in $(seq 1 100000); do echo line-$i; sleep 0.02; done"


class Watching:
    """Reads a stream on a thread of its own."""

    def __init__(self, stream: TerminalStream) -> None:
        self.stream = stream
        self.shown = b""
        self.still: list[str] = []
        self.over: str | None = None
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        for told in self.stream:
            match told:
                case Shown(data):
                    self.shown += data
                case Still(why):
                    self.still.append(why)
                case Over(why):
                    self.over = why

    def close(self) -> None:
        self.stream.close()
        self.thread.join(10)
        assert not self.thread.is_alive()


def attach(engine: EngineProcess, session: str, write: bool = False, **more: Any) -> Watching:
    return Watching(engine.client.terminal(session, 80, 23, write=write, by="ann", **more))


def test_a_session_is_looked_at_and_nothing_changes(engine: EngineProcess, suite: Path) -> None:
    with ChatServer(by_turns(tool_turn("bash", {"command": PRINTING}))) as server:
        session = Played(engine, suite, server)
        session.until("bash for")
        assert engine.client.can_attach(session.id) == {"session": session.id, "still": ""}
        first, second = attach(engine, session.id), attach(engine, session.id)
        wait_for(lambda: b"line-" in first.shown and b"line-" in second.shown)
        with pytest.raises(EngineRefusedError, match="attach with --write"):
            first.stream.type(b"x")
        first.stream.resize(100, 30)
        first.stream.pan(100, 30, "D", 5)
        first.close()
        seen = len(second.shown)
        wait_for(lambda: len(second.shown) > seen)
        engine.client.stop([session.id])
        facts = engine.until_over(session.id).sessions[session.id]
        wait_for(lambda: second.over)
        second.close()
    assert not facts.assisted
    assert session.events(Intervened) == []


def test_typing_is_an_intervention_on_record_before_the_first_key(
    engine: EngineProcess, suite: Path
) -> None:
    with ChatServer(
        by_turns(tool_turn("bash", {"command": "cat > typed </dev/tty; sleep 300"}))
    ) as server:
        session = Played(engine, suite, server)
        session.until("bash cat")
        with pytest.raises(EngineRefusedError, match="by"):
            engine.client.terminal(session.id, 80, 23, write=True, by="")
        writing = attach(engine, session.id, write=True, why="it waits for input")
        [intervened] = session.events(Intervened)
        assert (intervened.what, intervened.by, intervened.why) == (
            *("attach", "ann", "it waits for input"),
        )
        wait_for(lambda: writing.shown)
        writing.stream.type(b"abcdefghi\r" * 2000 + b"\x04")  # more than any pty takes at once
        file = session.workspace / "typed"
        wait_for(lambda: file.exists() and file.read_bytes() == b"abcdefghi\n" * 2000)
        assert engine.session(session.id).assisted
        writing.close()
        engine.client.stop([session.id])
        engine.until_over(session.id)


def test_a_flood_grows_nobody_and_holds_nobody_up(engine: EngineProcess, suite: Path) -> None:
    flood = "while :; do printf '%s\\n' 0123456789012345678901234567890123456789{1..50}; done"
    with ChatServer(by_turns(tool_turn("bash", {"command": flood}))) as server:
        session = Played(engine, suite, server)
        session.until("bash while")
        # One who does not read at all, and one who does.
        deaf = engine.client.terminal(session.id, 200, 50, write=False, by="ann")
        reading = attach(engine, session.id)
        wait_for(lambda: len(reading.shown) > 100_000)
        before = memory(engine.pid)
        for _ in range(20):
            assert engine.client.engine()["sessions_running"] == 1
            time.sleep(0.05)
        seen = len(reading.shown)
        wait_for(lambda: len(reading.shown) > seen)
        assert memory(engine.pid) - before < 32 << 20
        deaf.close()
        reading.close()
        engine.client.stop([session.id])
        engine.until_over(session.id)


def memory(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def test_what_has_no_terminal_is_refused_with_the_remedy(
    engine: EngineProcess, suite: Path
) -> None:
    with ChatServer(by_turns(tool_turn("bash", {"command": "sleep 300"}))) as server:
        made = engine.client.create_run(
            {
                "suite": str(suite),
                "size": "quick",
                "models": ["local/m"],
                "attempts": 2,
                "concurrency": 1,
                "providers": {"local": {"base_url": server.url}},
            }
        )
        running, queued = made["sessions"]
        wait_for(lambda: engine.session(running).activity.startswith("bash sleep"))
        for name, status, said in (
            (queued, 409, f"{queued} has no terminal (queued); `autolab logs {queued}`"),
            ("nobody", 404, "no session 'nobody'"),
        ):
            with pytest.raises(EngineRefusedError) as caught:
                engine.client.terminal(name, 80, 23, write=False, by="ann")
            assert (caught.value.status, said in str(caught.value)) == (status, True)
        with pytest.raises(EngineRefusedError, match="does not fit"):
            engine.client.terminal(running, "wide", 23, write=False, by="ann")  # type: ignore[arg-type]
        wrong = Watching(engine.client.terminal(running, 5000, 23, write=False, by="ann"))
        wait_for(lambda: wrong.over)
        assert "Invalid argument" in (wrong.over or "")
        many = [attach(engine, running) for _ in range(9)]
        wait_for(lambda: [each.over for each in many if each.over])
        [full] = [each.over for each in many if each.over]
        assert "too many people" in (full or "")
        for each in (wrong, *many):
            each.close()
        engine.client.stop([made["run"]])
        engine.until_over(running, queued)
        with pytest.raises(EngineRefusedError, match="stopped_by_operator"):
            engine.client.terminal(running, 80, 23, write=False, by="ann")


def test_an_engine_that_ends_says_so(engine: EngineProcess, suite: Path) -> None:
    with ChatServer(by_turns(tool_turn("bash", {"command": PRINTING}))) as server:
        session = Played(engine, suite, server)
        session.until("bash for")
        watching = attach(engine, session.id)
        wait_for(lambda: b"line-" in watching.shown)
        engine.client.shutdown()
        wait_for(lambda: watching.over)
        watching.close()
        engine.restart()
        engine.client.stop([session.id])
        engine.until_over(session.id)


class Held:
    """A session of which only the sandbox is real."""

    def __init__(self, desk: Workspace) -> None:
        fields = msgspec.structs.asdict(created("s1"))
        self.facts = SessionState(id="s1", created=0.0, state="running", **fields)
        self.workspace: Workspace | None = desk
        self.recorded: list[AnyBody] = []

    async def record(self, body: AnyBody) -> object:
        self.recorded.append(body)
        return None


@pytest.fixture
async def held(suite: Path, tmp_path: Path) -> AsyncIterator[tuple[Held, KeeperClient]]:
    state = tmp_path / "state"
    keeper = await ensure_keeper(state, tmp_path / "k")
    task = load_task(suite / "count_down")
    desk = Workspace(keeper, "s1", lay_out(state, task, 0), task, Meter(lambda _: None, Clock()))
    await desk.create(())
    yield Held(desk), keeper
    await keeper.shutdown()
    places.remove_all(state)


async def looked(terminals: Terminals, number: int, wanted: str) -> Look:
    """Look until there is something of the wanted kind."""
    async with asyncio.timeout(20):
        while True:
            look = await terminals.look(number)
            if getattr(look, wanted):
                return look


async def shown(terminals: Terminals, number: int, wanted: bytes) -> None:
    """Look until this has been shown."""
    data = b""
    while wanted not in data:
        data += (await looked(terminals, number, "data")).data


async def test_who_attaches_to_what_stands_still_is_told_and_served_later(
    held: tuple[Held, KeeperClient],
) -> None:
    session, _ = held
    desk = session.workspace
    assert desk is not None
    terminals = Terminals({"s1": session}.get)
    async with desk.held():
        session.facts.pause = Pause("operator", "lunch", "ann", 0.0)
        assert await terminals.check(session.facts) == "paused, operator: lunch (by ann)"
        early = await terminals.open(session.facts, 80, 23, write=True, by="ann", why="")
        never = await terminals.open(session.facts, 80, 23, write=False, by="ann", why="")
        assert (await looked(terminals, early, "still")).still.startswith("paused, operator")
        with pytest.raises(TerminalRefusedError, match="shows nothing"):
            await terminals.type(early, b"x")
        await terminals.look(never)
        await terminals.close(never)
    session.facts.pause = None
    await shown(terminals, early, b"/app $")
    async with desk.held():
        assert (await looked(terminals, early, "still")).still == "held for a moment"
        with pytest.raises(TerminalRefusedError, match="1 bytes were not typed"):
            await terminals.type(early, b"x")
    await terminals.type(early, b"echo $((40 + 2))\r")
    await shown(terminals, early, b"42")
    assert await terminals.look(never) == Look(over="it was closed")
    session.facts.state, session.facts.outcome = "finished", "converged"
    assert (await looked(terminals, early, "over")).over == "the session is over: converged"
    await terminals.close(early)
    await terminals.close(early)


async def test_who_looks_hears_that_the_engine_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        def __init__(self) -> None:
            self.looks = iter([Look(data=b"x"), Look(over="it was closed")])
            self.closed: list[int] = []

        async def look(self, number: int) -> Look:
            await asyncio.sleep(0.2)
            return next(self.looks)

        async def close(self, number: int) -> None:
            self.closed.append(number)

    monkeypatch.setattr("engine.api.terminals._PATIENCE", 0.02)
    slow: Any = Slow()
    facts: Any = SimpleNamespace(id="s1")
    engine: Any = SimpleNamespace(terminals=slow)
    routes = TerminalRoutes(engine, lambda work: work, lambda _: facts, lambda: False)
    request: Any = None
    lines = [json.loads(line) async for line in routes._stream(7, False, request)]
    assert lines[0] == {"terminal": 7, "session": "s1", "write": False}
    assert lines[1:3] == [{"still": "the engine is busy"}, {}]
    assert [line for line in lines[3:] if line] == [
        *({"still": ""}, {"data": "eA=="}, {"still": "the engine is busy"}),
        {"over": "it was closed"},
    ]
    assert slow.closed == [7]
