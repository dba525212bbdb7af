"""Whole sessions: a real engine, keeper, sandbox and verifier, and a scripted chat server."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from engine.client import EngineRefusedError, Heartbeat
from engine.events import ClockMoved, SessionMoved, VerdictGiven
from engine.journal import read
from engine.paths import journal_file
from engine.state import State, reduce
from tests.engine.support import (
    ChatServer,
    EngineProcess,
    Reply,
    kill_keeper,
    sse,
    text_turn,
    tool_turn,
    wait_for,
)
from verifier import pins

pytestmark = pytest.mark.usefixtures("sandboxes")


def spec(suite: Path, **more: Any) -> dict[str, Any]:
    return {"suite": str(suite), "size": "quick", "concurrency": 3, **more}


def test_nop_scores_nothing_and_oracle_the_reference(engine: EngineProcess, suite: Path) -> None:
    made = engine.client.create_run(spec(suite, agents=["nop", "oracle"]))
    nop, oracle = made["sessions"]
    state = engine.until_over(nop, oracle)

    assert state.sessions[nop].final_reward == 0.0
    assert state.sessions[nop].outcome == "no_valid_result"
    assert state.sessions[oracle].final_reward == pytest.approx(0.8)
    assert state.sessions[oracle].state == "finished"
    assert state.sessions[oracle].clocks.state == "stopped"
    best = engine.state_dir / "sessions" / oracle / "best" / "answer.txt"
    wait_for(best.exists)
    assert best.read_text() == "20\n"


def test_ladder_rises_by_at_least_three_verdicts(engine: EngineProcess, suite: Path) -> None:
    (session,) = engine.client.create_run(spec(suite, agents=["ladder"]))["sessions"]
    state = engine.until_over(session)

    rewards = [p.reward for p in state.sessions[session].points if p.stage == "checkpoint"]
    assert rewards[:1] == [pytest.approx(0.4)]
    assert rewards == sorted(set(rewards), key=lambda r: r or 0.0)
    assert len(state.sessions[session].points) >= 3
    assert state.sessions[session].final_reward == pytest.approx(0.8)
    whole = engine.client.verdicts(session)
    assert [v["id"] for v in whole] == [p.verdict for p in state.sessions[session].points]


def test_model_works_through_tools_and_submits(engine: EngineProcess, suite: Path) -> None:
    turns = [
        tool_turn("bash", {"command": "cat answer.txt; cd /tmp; export N=30"}, "Looking."),
        tool_turn("bash", {"command": "pwd; echo $N > /app/answer.txt; false"}),
        tool_turn("edit", {"path": "answer.txt", "old_text": "3", "new_text": "1"}),
        tool_turn("submit", {}, "Done."),
    ]

    def script(body: dict[str, Any], number: int) -> Reply:
        return Reply(sse(turns[number]))

    with ChatServer(script) as server:
        made = engine.client.create_run(
            spec(suite, models=["local/tiny"], providers={"local": {"base_url": server.url}})
        )
        (session,) = made["sessions"]
        state = engine.until_over(session)
        first, last = server.requests[0], server.requests[-1]

    facts = state.sessions[session]
    assert facts.final_reward == pytest.approx(0.9)
    assert facts.usage.turns == 4
    assert facts.usage.input == 4 * 60
    assert facts.usage.cached == 4 * 40
    assert facts.usage.cost is None
    assert first["path"] == "/v1/chat/completions"
    assert first["model"] == "tiny"
    assert [m["role"] for m in first["messages"]] == ["system", "user"]
    assert "answer.txt" in first["messages"][0]["content"]
    results = [m["content"] for m in last["messages"] if m["role"] == "tool"]
    assert results[0].startswith("100\n[exit code 0")
    assert results[1].startswith("/tmp\n[exit code 1")
    assert results[2] == "edited answer.txt"

    shown = engine.client.transcript(session)
    kinds = [entry["kind"] for entry in shown["entries"]]
    assert kinds == ["system", "user", *["assistant", "tool"] * 4]
    assert shown["next"] == len(kinds)
    assert shown["live"] is None
    assert engine.client.transcript(session, after=9)["entries"][0]["name"] == "submit"


def test_budget_ends_a_long_command_promptly(engine: EngineProcess, suite: Path) -> None:
    turns = [
        tool_turn("edit", {"path": "answer.txt", "content": "70\n"}),
        tool_turn("bash", {"command": "sleep 300"}),
    ]
    with ChatServer(lambda _, n: Reply(sse(turns[min(n, 1)]))) as server:
        made = engine.client.create_run(
            spec(
                suite,
                models=["local/tiny"],
                providers={"local": {"base_url": server.url}},
                budget={"active": {"hard": 3.0}},
            )
        )
        (session,) = made["sessions"]
        facts = engine.until_over(session).sessions[session]

    assert facts.outcome == "budget_exhausted"
    final = facts.points[-1]
    assert final.stage == "final"
    assert final.active <= final.wall < 2.5  # where it stood when the files last changed
    assert "active limit reached" in facts.outcome_evidence
    assert facts.final_reward == pytest.approx(0.3)
    assert 3.0 <= facts.clocks.working < 8.0


def test_a_session_that_fills_the_disk_is_ended_and_scored(
    engine: EngineProcess, suite: Path
) -> None:
    toml = suite / "count_down" / "task.toml"
    toml.write_text(toml.read_text().replace("[environment]", "[environment]\nstorage_mb = 20"))
    pins.write(suite / "count_down")
    turns = [
        tool_turn("edit", {"path": "answer.txt", "content": "70\n"}),
        tool_turn("bash", {"command": "head -c 50M /dev/urandom > /app/big; sleep 300"}),
    ]
    with ChatServer(lambda _, n: Reply(sse(turns[min(n, 1)]))) as server:
        made = engine.client.create_run(
            spec(
                suite,
                models=["local/tiny"],
                providers={"local": {"base_url": server.url}},
                budget={"active": {"hard": 120.0}},
            )
        )
        (session,) = made["sessions"]
        facts = engine.until_over(session).sessions[session]
    assert "exceeds 20 MiB" in facts.outcome_evidence
    assert facts.final_reward == pytest.approx(0.3)
    assert facts.clocks.working < 60.0


def test_operator_stops_sessions_and_they_are_scored(engine: EngineProcess, suite: Path) -> None:
    turns = [
        tool_turn("edit", {"path": "answer.txt", "content": "50\n"}),
        tool_turn("bash", {"command": "sleep 300"}),
    ]
    with ChatServer(lambda _, n: Reply(sse(turns[min(n, 1)]))) as server:
        made = engine.client.create_run(
            spec(
                suite,
                models=["local/tiny"],
                attempts=2,
                concurrency=1,
                providers={"local": {"base_url": server.url}},
            )
        )
        running, queued = made["sessions"]
        wait_for(lambda: engine.session(running).activity.startswith("bash sleep"))
        assert engine.client.stop([made["run"]], dry_run=True) == [running, queued]
        assert engine.session(queued).state == "queued"
        assert engine.client.stop([made["run"]]) == [running, queued]
        state = engine.until_over(running, queued)

    assert state.sessions[running].outcome == "stopped_by_operator"
    assert state.sessions[running].final_reward == pytest.approx(0.5)
    assert state.sessions[queued].outcome == "stopped_by_operator"
    assert state.sessions[queued].final_reward is None
    assert engine.client.stop([running]) == []
    with pytest.raises(EngineRefusedError, match="no session matches 'nothing'"):
        engine.client.stop(["nothing"])


def test_retries_are_visible_and_a_bad_key_pauses_the_session_until_it_is_mended(
    engine: EngineProcess, suite: Path
) -> None:
    turn = sse(tool_turn("submit", {}))
    mended: list[bool] = []

    def script(body: dict[str, Any], number: int) -> Reply:
        if body["model"] == "forbidden" and not mended:
            return Reply(b'{"error": {"message": "Incorrect API key"}}', status=401)
        if number == 0:
            return Reply(turn, cut_at=len(turn) // 3)
        if number == 1:
            return Reply(b"slow down", status=429, headers={"Retry-After": "0.2"})
        if number == 2:
            return Reply(b"oops", status=500, headers={"Retry-After": "0.2"})
        return Reply(turn)

    with ChatServer(script) as server:
        providers = {"local": {"base_url": server.url}}
        made = engine.client.create_run(spec(suite, models=["local/ok"], providers=providers))
        (patient,) = made["sessions"]
        state = engine.until_over(patient)
        made = engine.client.create_run(
            spec(suite, models=["local/forbidden"], providers=providers)
        )
        (barred,) = made["sessions"]
        wait_for(lambda: engine.session(barred).state == "paused")
        stopped = engine.session(barred)
        mended.append(True)
        assert engine.client.order("resume", {"globs": [barred]}) == [barred]
        state = engine.until_over(barred)

    retries = [f for f in state.feed if f.session == patient and f.kind == "retry"]
    assert "429 rate limit" in retries[1].text
    assert len(retries) == 3
    alarms = [f.text for f in state.feed if f.session == patient and f.kind == "alert"]
    assert alarms == ["the model has failed 3 times: 500 server error: oops"]
    assert state.sessions[patient].alerts == []
    assert state.sessions[patient].clocks.waiting > 0.1
    assert state.sessions[patient].outcome == "no_valid_result"
    assert stopped.pause is not None
    assert stopped.pause.cause == "missing key"
    assert "Incorrect API key" in stopped.pause.why
    assert "mend the key, then resume" in stopped.alerts[0].text
    assert state.sessions[barred].outcome == "no_valid_result"
    assert state.sessions[barred].usage.turns == 1
    assert state.sessions[barred].alerts == []


def test_a_model_that_calls_no_tool_is_nudged_then_ended(
    engine: EngineProcess, suite: Path
) -> None:
    with ChatServer(lambda _, n: Reply(sse(text_turn(f"Thought {n}.")))) as server:
        made = engine.client.create_run(
            spec(suite, models=["local/talker"], providers={"local": {"base_url": server.url}})
        )
        (session,) = made["sessions"]
        facts = engine.until_over(session).sessions[session]
        assert len(server.requests) == 3
    assert facts.outcome == "no_valid_result"


def test_the_key_is_nowhere_on_disk(
    tmp_path: Path, suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.engine.support import running_engine

    key = "sk-canary-0123456789"
    monkeypatch.setenv("CANARY_KEY", key)
    said = f'{{"error": {{"message": "key {key} has no access"}}}}'.encode()

    def script(body: dict[str, Any], number: int) -> Reply:
        if number == 0:
            return Reply(sse(tool_turn("bash", {"command": "env; cat /proc/*/environ"})))
        return Reply(said, status=403)

    with ChatServer(script) as server, running_engine(tmp_path / "state") as engine:
        providers = {"local": {"base_url": server.url, "key_env": "CANARY_KEY"}}
        made = engine.client.create_run(spec(suite, models=["local/m"], providers=providers))
        (session,) = made["sessions"]
        wait_for(lambda: engine.session(session).state == "paused")
        assert server.headers[0]["Authorization"] == f"Bearer {key}"
        assert "[key] has no access" in engine.session(session).state_reason
        kept = [p for p in (tmp_path / "state").rglob("*") if p.is_file()]
        assert len(kept) > 5
        for path in kept:
            assert key.encode() not in path.read_bytes(), path


def test_events_stream_is_gapless_and_ends_cleanly(engine: EngineProcess, suite: Path) -> None:
    (session,) = engine.client.create_run(spec(suite, agents=["oracle"]))["sessions"]
    numbers, beats = [], 0
    with engine.client.events(after=0) as stream:
        for item in stream:
            if isinstance(item, Heartbeat):
                beats += 1
                continue
            numbers.append(item.seq)
            ended = isinstance(item.body, SessionMoved) and item.body.state == "finished"
            if ended and item.session == session:
                stream.close()
    assert numbers == list(range(1, len(numbers) + 1))
    assert beats >= 1


def test_engine_killed_in_the_middle_shows_the_same_verdicts_and_goes_on(
    engine: EngineProcess, suite: Path
) -> None:
    turns = [
        tool_turn("edit", {"path": "answer.txt", "content": "80\n"}),
        tool_turn("bash", {"command": "echo begun; sleep 6; echo 40 > /app/answer.txt; echo end"}),
        tool_turn("submit", {}),
    ]

    def script(body: dict[str, Any], number: int) -> Reply:
        answered = sum(m["role"] == "assistant" for m in body["messages"])
        return Reply(sse(turns[answered]))

    with ChatServer(script) as server:
        made = engine.client.create_run(
            spec(suite, models=["local/m"], providers={"local": {"base_url": server.url}})
        )
        (session,) = made["sessions"]
        wait_for(
            lambda: (
                engine.session(session).points
                and engine.session(session).activity.startswith("bash echo begun")
            )
        )
        shown = engine.client.verdicts(session)
        seq = engine.client.state().seq
        engine.kill()
        engine.restart()
        state = engine.client.state()
        assert engine.client.verdicts(session)[: len(shown)] == shown
        assert state.seq >= seq
        facts = engine.until_over(session).sessions[session]
        asked = len(server.requests)

    assert facts.outcome == "premature_stop"
    assert facts.final_reward == pytest.approx(0.6)
    assert asked == 3  # no turn was asked twice
    entries = engine.client.transcript(session)["entries"]
    outputs = [e["output"] for e in entries if e["kind"] == "tool"]
    assert outputs[1].startswith("begun\nend\n[exit code 0")
    clock_of = facts.clocks
    assert clock_of.paused > 0.0
    assert clock_of.state == "stopped"


def test_a_command_that_ran_on_while_the_engine_was_away_for_a_moment_is_charged(
    engine: EngineProcess, suite: Path
) -> None:
    turns = [tool_turn("bash", {"command": "sleep 300"})]
    with ChatServer(lambda _, n: Reply(sse(turns[0]))) as server:
        made = engine.client.create_run(
            spec(suite, models=["local/m"], providers={"local": {"base_url": server.url}})
        )
        (session,) = made["sessions"]
        wait_for(lambda: engine.session(session).activity.startswith("bash sleep"))
        time.sleep(1.5)  # during which nothing is recorded
        killed = time.clock_gettime(time.CLOCK_BOOTTIME)
        engine.kill()
        engine.restart()
        (moment,) = wait_for(lambda: pauses(engine.state_dir))
        engine.client.stop([session])
        engine.until_over(session)
    assert moment >= killed


def pauses(state: Path) -> list[float]:
    """From when on clocks stood because no engine ran."""
    moved = [e.body for e in read(journal_file(state)) if isinstance(e.body, ClockMoved)]
    return [body.moment for body in moved if body.cause == "engine down"]


def test_a_session_whose_sandbox_is_gone_goes_on_in_a_new_one_and_its_model_is_told(
    engine: EngineProcess, suite: Path
) -> None:
    turns = [
        tool_turn("edit", {"path": "answer.txt", "content": "80\n"}),
        tool_turn("bash", {"command": "echo one >> notes.txt; echo begun; sleep 300"}),
        tool_turn("bash", {"command": "cat answer.txt notes.txt; echo 40 > answer.txt"}),
        tool_turn("submit", {}),
    ]
    with ChatServer(lambda _, n: Reply(sse(turns[n]))) as server:
        made = engine.client.create_run(
            spec(suite, models=["local/m"], providers={"local": {"base_url": server.url}})
        )
        (session,) = made["sessions"]
        wait_for(lambda: engine.session(session).activity.startswith("bash echo one"))
        output = engine.state_dir / "keeper" / session
        wait_for(lambda: any(b"begun" in f.read_bytes() for f in output.glob("*.out")))
        engine.kill()
        kill_keeper(engine.state_dir)
        engine.restart()
        facts = engine.until_over(session).sessions[session]
        asked = server.requests

    assert facts.rebuilds == 1
    assert facts.final_reward == pytest.approx(0.6)
    assert len(asked) == 4
    results = [m["content"] for m in asked[2]["messages"] if m["role"] == "tool"]
    assert results[1].startswith("begun\n[cut off")
    assert "may have been carried out in part" in results[1]
    assert "[engine] The engine was away" in asked[2]["messages"][-1]["content"]
    assert "files in the working directory are as they were" in asked[2]["messages"][-1]["content"]
    assert "80\nThe number counts.\none\n" in asked[3]["messages"][-1]["content"]  # once, not twice


@pytest.mark.parametrize("keep", [False, True])
def test_stopping_the_engine_leaves_its_sessions_to_the_next_one(
    engine: EngineProcess, suite: Path, keep: bool
) -> None:
    turns = [
        tool_turn("edit", {"path": "answer.txt", "content": "80\n"}),
        tool_turn("bash", {"command": "echo begun; sleep 3; echo end"}),
        tool_turn("submit", {}),
    ]
    with ChatServer(lambda _, n: Reply(sse(turns[n]))) as server:
        made = engine.client.create_run(
            spec(suite, models=["local/m"], providers={"local": {"base_url": server.url}})
        )
        (session,) = made["sessions"]
        wait_for(lambda: engine.session(session).activity.startswith("bash echo"))
        engine.client.shutdown(keep=keep)
        left = offline_state(engine.state_dir).sessions[session]
        time.sleep(0.5)
        engine.restart()
        facts = engine.until_over(session).sessions[session]
        asked = server.requests

    assert (left.state, left.clocks.state, left.clocks.cause) == (
        "running",
        "paused",
        "engine down",
    )
    assert facts.final_reward == pytest.approx(0.2)
    assert facts.rebuilds == (0 if keep else 1)
    assert facts.clocks.causes["engine down"] > 0.4
    result = asked[2]["messages"][-1 if keep else -2]["content"]
    assert ("end\n[exit code 0" in result) == keep
    assert ("cut off" in result) != keep


def offline_state(state: Path) -> State:
    """What a journal says that no engine has open."""
    found = State()
    for event in read(journal_file(state)):
        reduce(found, event)
    return found


def test_verdict_events_carry_where_the_session_stood(engine: EngineProcess, suite: Path) -> None:
    (session,) = engine.client.create_run(spec(suite, agents=["oracle"]))["sessions"]
    engine.until_over(session)
    with engine.client.events() as stream:
        for item in stream:
            if not isinstance(item, Heartbeat) and isinstance(item.body, VerdictGiven):
                given = item.body
                break
    assert given.active <= given.wall
    assert given.verdict.session == session


def test_an_engine_that_was_stopped_for_a_while_thaws_its_sandboxes_and_counts_no_time(
    engine: EngineProcess, suite: Path
) -> None:
    turns = [
        tool_turn("bash", {"command": "for i in 1 2 3 4 5 6; do sleep 0.5; echo $i; done"}),
        tool_turn("submit", {}),
    ]
    with ChatServer(lambda _, n: Reply(sse(turns[n]))) as server:
        made = engine.client.create_run(
            spec(suite, models=["local/m"], providers={"local": {"base_url": server.url}})
        )
        (session,) = made["sessions"]
        wait_for(lambda: engine.session(session).activity.startswith("bash"))
        pid = engine.pid
        os.kill(pid, signal.SIGSTOP)
        time.sleep(4.0)
        os.kill(pid, signal.SIGCONT)
        facts = engine.until_over(session).sessions[session]
    output = engine.client.transcript(session)["entries"][3]["output"]
    assert output.startswith("1\n2\n3\n4\n5\n6\n[exit code 0")
    assert facts.clocks.paused > 0.5
    assert facts.outcome == "no_valid_result"


def test_while_nothing_can_be_recorded_nobody_works_and_nothing_is_lost(
    engine: EngineProcess, suite: Path
) -> None:
    turns = [
        tool_turn("edit", {"path": "answer.txt", "content": "30\n"}),
        tool_turn("bash", {"command": "sleep 2; echo done"}),
        tool_turn("submit", {}),
    ]
    with ChatServer(lambda _, n: Reply(sse(turns[n]))) as server:
        made = engine.client.create_run(
            spec(suite, models=["local/m"], providers={"local": {"base_url": server.url}})
        )
        (session,) = made["sessions"]
        wait_for(lambda: engine.session(session).activity.startswith("bash"))
        blocker = sqlite3.connect(engine.state_dir / "journal.sqlite3", isolation_level=None)
        wait_for(lambda: _begin(blocker))
        with engine.client.events(10**6) as stream:
            trouble = next(b.trouble for b in stream if isinstance(b, Heartbeat) and b.trouble)
        assert "cannot be written" in trouble
        with pytest.raises(EngineRefusedError, match="cannot be written"):
            engine.client.create_run(spec(suite, agents=["nop"]))
        assert engine.client.status()["sessions"][0]["state"] == "running"
        time.sleep(1.0)
        blocker.execute("ROLLBACK")
        blocker.close()
        facts = engine.until_over(session).sessions[session]
    assert facts.final_reward == pytest.approx(0.7)
    assert facts.clocks.paused > 0.5
    kinds = [e["kind"] for e in engine.client.transcript(session)["entries"]]
    assert kinds == ["system", "user", *["assistant", "tool"] * 3]


def _begin(db: sqlite3.Connection) -> bool:
    try:
        db.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    return True


def test_an_artifact_that_is_refused_is_a_verdict_of_its_own(
    engine: EngineProcess, suite: Path
) -> None:
    turns = [
        tool_turn("edit", {"path": "answer.txt", "content": "30\n"}),
        tool_turn("bash", {"command": "rm answer.txt; ln -s /etc/passwd answer.txt"}),
        tool_turn("submit", {}),
    ]
    with ChatServer(lambda _, n: Reply(sse(turns[n]))) as server:
        made = engine.client.create_run(
            spec(suite, models=["local/m"], providers={"local": {"base_url": server.url}})
        )
        (session,) = made["sessions"]
        facts = engine.until_over(session).sessions[session]
    last = facts.points[-1]
    assert (last.stage, last.status) == ("final", "rejected")
    assert "symbolic link" in last.reason
    assert facts.final_reward == 0.0
    kept = engine.state_dir / "snapshots" / "files"
    assert not any(b"root:" in p.read_bytes() for p in kept.iterdir())


def test_model_works_at_a_terminal_and_an_engine_that_comes_back_types_nothing_twice(
    engine: EngineProcess, suite: Path
) -> None:
    def turn(*keystrokes: str, done: bool = False, wait: float = 1.0) -> bytes:
        commands = [{"keystrokes": keys, "duration": wait} for keys in keystrokes]
        reply = {"analysis": "", "plan": "", "commands": commands, "task_complete": done}
        return sse(text_turn(f"Here it is:\n{json.dumps(reply)}"))

    count = "echo x >> /tmp/times; wc -l < /tmp/times; sleep 2; echo 30 > answer.txt\n"
    turns = [turn("cd /app; cat notes.txt\n"), turn(count, wait=4), turn("cat answer.txt\n")]
    turns += [turn(done=True), turn(done=True)]

    with ChatServer(lambda _, n: Reply(turns[n])) as server:
        made = engine.client.create_run(
            spec(
                suite,
                models=["local/tiny"],
                harnesses=["autolab"],
                providers={"local": {"base_url": server.url}},
            )
        )
        (session,) = made["sessions"]
        wait_for(lambda: "sleep 2" in engine.session(session).activity)
        engine.kill()
        engine.restart()
        facts = engine.until_over(session).sessions[session]
        requests = server.requests

    assert (facts.agent, facts.harness) == ("terminal", "autolab")
    assert facts.outcome_evidence
    assert facts.final_reward == pytest.approx(0.7)
    assert len(requests) == len(turns)
    shown = [r["messages"][-1]["content"] for r in requests]
    assert "Current terminal screen:\n/app $" in shown[0]
    assert "The number counts." in "".join(shown)
    assert "\n1\n" in "".join(shown)
    assert "\n2\n" not in "".join(shown)
    assert "please confirm" in shown[-1]
    kinds = {entry["kind"] for entry in engine.client.transcript(session)["entries"]}
    assert kinds == {"system", "user", "assistant", "tool"}
