"""Engines killed at random instants; afterwards journal, model server and files must agree."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.client import EngineDownError, EngineRefusedError, Heartbeat, find
from engine.events import (
    Event,
    SessionEnded,
    TurnAbandoned,
    TurnFinished,
    TurnStarted,
    VerdictGiven,
    encode,
)
from engine.journal import read
from engine.paths import journal_file
from engine.state import State, reduce
from tests.engine.session.test_pausing import processes
from tests.engine.session.test_sessions import spec
from tests.engine.support import ChatServer, EngineProcess, Reply, sse, tool_turn, wait_for

pytestmark = pytest.mark.usefixtures("sandboxes")
SESSIONS = 8
TURNS = 6
TOKENS = 110  # of one turn of `support.usage_chunk`
SLEEP = 0.15


class Ledger:
    """A model server's own book: what was asked by which model, and what was answered whole."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def script(self, body: dict[str, Any], _: int) -> Reply:
        with self._lock:
            self.asked[body["model"]] += 1
        done = sum(m["role"] == "assistant" for m in body["messages"])
        if done >= TURNS:
            return Reply(sse(tool_turn("submit", {})), piece=4096)
        command = f"echo {done} >> log.txt; sleep {SLEEP}; echo {90 - 10 * done} > answer.txt"
        if done == TURNS - 1:
            command = "cat log.txt"
        return Reply(sse(tool_turn("bash", {"command": command})), piece=4096)


class Follower:
    """A client that keeps every event that it was shown, across engines."""

    def __init__(self, engine: EngineProcess) -> None:
        self.seen: dict[int, Event] = {}
        self._engine = engine
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        while not self._over.is_set():
            client = find(self._engine.state_dir)
            if client is None:
                time.sleep(0.02)
                continue
            try:
                with client.events(max(self.seen, default=0)) as stream:
                    for item in stream:
                        if not isinstance(item, Heartbeat):
                            self.seen[item.seq] = item
                        if self._over.is_set():
                            return
            except (EngineDownError, EngineRefusedError, OSError):
                continue

    def close(self) -> None:
        self._over.set()
        self._thread.join(10)


def kill_at_random(engine: EngineProcess, kills: int, seed: int, over: Any) -> int:
    """kill -9 and start again, at random instants, until all is over or the kills are used up."""
    chance = random.Random(seed)
    for number in range(kills):
        time.sleep(chance.uniform(0.05, 1.2))
        if over():
            return number
        engine.kill()
        time.sleep(chance.choice((0.0, 0.0, 2.6)))  # at times long enough for the keeper to act
        engine.restart()
    return kills


def assert_all_agree(
    engine: EngineProcess, sessions: list[str], ledger: Ledger, seen: dict[int, Event]
) -> None:
    events = list(read(journal_file(engine.state_dir)))
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    stored = {e.seq: e for e in events}
    assert seen  # whatever was shown is there, as it was shown
    for seq, event in seen.items():
        assert encode(event) == encode(stored[seq])
    state = State()
    for event in events:
        reduce(state, event)
    for number, name in enumerate(sessions):
        mine = [e.body for e in events if e.session == name]
        facts = state.sessions[name]
        finished = sum(isinstance(b, TurnFinished) for b in mine)
        started = sum(isinstance(b, TurnStarted) for b in mine)
        abandoned = sum(isinstance(b, TurnAbandoned) for b in mine)
        asked = ledger.asked[f"m{number}"]
        assert facts.usage.turns == finished
        assert facts.usage.tokens == TOKENS * finished
        assert finished <= asked <= started  # what was sent is in the journal
        assert started == finished + abandoned  # and what became of it, too
        entries = engine.client.transcript(name)["entries"]
        assert [e["kind"] for e in entries if e["kind"] != "note"] == [
            *("system", "user"),
            *["assistant", "tool"] * (TURNS + 1),
        ]
        log = next(e for e in entries if e["kind"] == "tool" and e["n"] == 2 * TURNS + 1)
        assert log["output"].split("[")[0].split() == [str(n) for n in range(TURNS - 1)]
        verdicts = [b.verdict for b in mine if isinstance(b, VerdictGiven)]
        assert len({v.id for v in verdicts}) == len(verdicts)
        judged = Counter((v.snapshot, v.stage) for v in verdicts if v.status != "not_judged")
        assert max(judged.values()) == 1  # none was given twice
        assert sum(isinstance(b, SessionEnded) for b in mine) == 1
        assert facts.final_reward == pytest.approx(0.5)
        active, wall = facts.clocks.active("", 0.0), facts.clocks.wall("", 0.0)
        assert SLEEP * (TURNS - 1) <= active <= wall  # no work went uncounted


def chaos(engine: EngineProcess, suite: Path, kills: int, seed: int) -> int:
    ledger = Ledger()
    follower = Follower(engine)
    with ChatServer(ledger.script) as server:
        made = engine.client.create_run(
            spec(
                suite,
                models=[f"local/m{n}" for n in range(SESSIONS)],
                providers={"local": {"base_url": server.url}},
                concurrency=SESSIONS,
            )
        )
        sessions = made["sessions"]

        def over() -> bool:
            try:
                known = engine.client.state().sessions
            except (EngineDownError, EngineRefusedError):
                return False
            return all(known[s].over for s in sessions)

        killed = kill_at_random(engine, kills, seed, over)
        engine.until_over(*sessions, seconds=120.0)
        wait_for(lambda: not list((engine.state_dir / "sessions").glob("*/place.json")))
        follower.close()
        assert_all_agree(engine, sessions, ledger, follower.seen)
    return killed


def test_engines_killed_at_random_lose_and_double_nothing(
    engine: EngineProcess, suite: Path
) -> None:
    assert chaos(engine, suite, kills=5, seed=1) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_engines_killed_at_fifty_random_instants_lose_and_double_nothing(
    engine: EngineProcess, suite: Path, seed: int
) -> None:
    assert chaos(engine, suite, kills=5, seed=seed) >= 3


def test_nothing_is_orphaned_by_an_engine_and_a_keeper_that_were_killed(
    engine: EngineProcess, suite: Path
) -> None:
    from tests.engine.session.test_sessions import kill_keeper
    from verifier.sandbox import places

    mark = f"orphan-{time.monotonic_ns()}"
    command = {"command": f"bash -c 'sleep 300; :' {mark}"}
    with ChatServer(lambda *_: Reply(sse(tool_turn("bash", command)))) as server:
        made = engine.client.create_run(
            spec(suite, models=["local/m"], providers={"local": {"base_url": server.url}})
        )
        (session,) = made["sessions"]
        wait_for(lambda: processes(mark))
        stray = places.make_workspace(engine.state_dir, suite, os.geteuid())
        engine.kill()
        kill_keeper(engine.state_dir)
        wait_for(lambda: not processes(mark))  # no sandbox outlives its keeper
        engine.restart()
        wait_for(lambda: processes(mark) or engine.session(session).over)
        wait_for(lambda: not stray.exists())
        assert len(places.every(engine.state_dir)) == 1
        engine.client.stop([session])
        engine.until_over(session)
        wait_for(lambda: not places.every(engine.state_dir))
    assert not processes(mark)
