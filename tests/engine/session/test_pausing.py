"""Pauses, orders and budgets while real sessions run: real engine, keeper, sandbox, HTTP."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from engine.client import EngineRefusedError
from engine.state import SessionState
from tests.engine.session.test_sessions import kill_keeper, spec
from tests.engine.support import (
    ChatServer,
    EngineProcess,
    Reply,
    sse,
    text_turn,
    tool_turn,
    usage_chunk,
    wait_for,
)
from verifier.sandbox import places

pytestmark = pytest.mark.usefixtures("sandboxes")
BUSY = "while :; do :; done"


def launch(engine: EngineProcess, suite: Path, server: ChatServer, **more: Any) -> str:
    asked = {"models": ["local/m"], "providers": {"local": {"base_url": server.url}}, **more}
    (session,) = engine.client.create_run(spec(suite, **asked))["sessions"]
    return str(session)


def order(engine: EngineProcess, name: str, session: str, **more: Any) -> list[str]:
    return engine.client.order(name, {"globs": [session], "by": "ann", **more})


def until(engine: EngineProcess, session: str, state: str) -> SessionState:
    wait_for(lambda: engine.session(session).state == state)
    return engine.session(session)


def processes(pattern: str) -> list[int]:
    """The processes whose command line holds this."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if pattern in line:
                found.append(int(folder.name))
    return found


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def by_answers(turns: list[Any]) -> Any:
    """A script that chooses the turn by how much was answered, so that a repeat gets the same."""

    def script(body: dict[str, Any], _: int) -> Reply:
        answered = sum(m["role"] == "assistant" for m in body["messages"])
        return Reply(sse(turns[min(answered, len(turns) - 1)]))

    return script


def test_a_busy_loop_in_a_paused_session_gains_no_time_and_goes_on_afterwards(
    engine: EngineProcess, suite: Path
) -> None:
    mark = f"busy-{time.monotonic_ns()}"
    turns = [
        tool_turn("bash", {"command": f"bash -c '{BUSY}' {mark} & sleep 2; kill $!; echo done"}),
        tool_turn("submit", {}),
    ]
    with ChatServer(by_answers(turns)) as server:
        session = launch(engine, suite, server)
        (pid,) = wait_for(lambda: [p for p in processes(mark) if cpu_ticks(p) > 5][:1])
        assert order(engine, "pause", session, why="lunch") == [session]
        facts = until(engine, session, "paused")
        assert str(facts.pause) == "operator: lunch (by ann)"
        assert engine.client.engine()["sessions_running"] == 0  # its slot is free
        before = cpu_ticks(pid)
        active = facts.clocks.active(facts.clocks.boot, time.clock_gettime(7))
        time.sleep(1.0)
        assert cpu_ticks(pid) == before
        facts = engine.session(session)
        assert facts.clocks.active(facts.clocks.boot, time.clock_gettime(7)) == active
        assert order(engine, "pause", session) == []
        assert order(engine, "resume", session) == [session]
        facts = engine.until_over(session).sessions[session]
        result = server.requests[1]["messages"][-1]["content"]
    assert "done\n[exit code 0" in result
    assert facts.clocks.causes["operator"] >= 1.0
    assert facts.clocks.active("", 0.0) < 10.0
    assert not facts.assisted


def test_a_pause_lets_a_turn_in_flight_finish_and_now_gives_it_up(
    engine: EngineProcess, suite: Path
) -> None:
    gates = [threading.Event(), threading.Event()]
    turns = [tool_turn("bash", {"command": "true"}), tool_turn("submit", {})]

    def script(body: dict[str, Any], number: int) -> Reply:
        if number < len(gates):
            gates[number].wait(20)
        answered = sum(m["role"] == "assistant" for m in body["messages"])
        return Reply(sse(turns[answered]))

    with ChatServer(script) as server:
        session = launch(engine, suite, server)
        wait_for(lambda: len(server.requests) == 1)
        order(engine, "pause", session)
        time.sleep(0.3)
        facts = engine.session(session)
        assert facts.state == "running"  # the turn is in flight, and charged
        assert facts.pause is not None
        assert facts.clocks.state == "working"
        gates[0].set()
        facts = until(engine, session, "paused")
        assert facts.usage.turns == 1
        order(engine, "resume", session)
        wait_for(lambda: len(server.requests) == 2)
        order(engine, "pause", session, now=True)
        facts = until(engine, session, "paused")  # at once: nobody has opened the second gate
        assert facts.turns_abandoned == 1
        gates[1].set()
        order(engine, "resume", session)
        facts = engine.until_over(session).sessions[session]
        assert len(server.requests) == 3
    assert facts.usage.turns == 2
    kinds = [e["kind"] for e in engine.client.transcript(session)["entries"]]
    assert kinds == ["system", "user", *["assistant", "tool"] * 2]


@pytest.mark.parametrize("reboot", [False, True])
def test_a_pause_holds_across_engines_and_a_reboot(
    engine: EngineProcess, suite: Path, reboot: bool
) -> None:
    turns = [
        tool_turn("bash", {"command": "echo 60 > answer.txt"}),
        tool_turn("bash", {"command": "sleep 1; echo slept; echo 30 > answer.txt"}),
        tool_turn("submit", {}),
    ]
    with ChatServer(by_answers(turns)) as server:
        session = launch(engine, suite, server)
        wait_for(lambda: engine.session(session).activity.startswith("bash sleep"))
        order(engine, "pause", session)
        until(engine, session, "paused")
        engine.kill()
        if reboot:  # what is left of a machine that was started anew: no process, the disk
            kill_keeper(engine.state_dir)
        engine.restart()
        time.sleep(1.0)
        facts = engine.session(session)
        assert facts.state == "paused"
        assert ("its processes are gone" in facts.state_reason) == reboot
        active = facts.clocks.active("", 0.0)
        assert len(server.requests) == 2
        order(engine, "resume", session)
        facts = engine.until_over(session).sessions[session]
        results = [m["content"] for m in server.requests[2]["messages"] if m["role"] == "tool"]
    assert facts.rebuilds == (1 if reboot else 0)
    assert results[1].startswith("[cut off" if reboot else "slept\n[exit code 0")
    assert facts.final_reward == pytest.approx(0.4 if reboot else 0.7)
    assert facts.clocks.active("", 0.0) >= active
    assert facts.clocks.causes["operator"] >= 1.0


def test_a_workspace_that_is_gone_is_laid_out_from_the_newest_snapshot(
    engine: EngineProcess, suite: Path
) -> None:
    turns = [
        tool_turn("bash", {"command": "echo 30 > answer.txt; echo mine > scratch.txt"}),
        tool_turn("bash", {"command": "sleep 60"}),
        tool_turn("bash", {"command": "cat answer.txt; ls"}),
        tool_turn("submit", {}),
    ]
    with ChatServer(by_answers(turns)) as server:
        session = launch(engine, suite, server)
        wait_for(lambda: engine.session(session).activity.startswith("bash sleep"))
        wait_for(lambda: engine.session(session).last_snapshot)
        engine.kill()
        kill_keeper(engine.state_dir)
        for place in places.every(engine.state_dir):
            places.remove(place)
        engine.restart()
        facts = engine.until_over(session).sessions[session]
        told = server.requests[2]["messages"][-1]["content"]
        listed = server.requests[3]["messages"][-1]["content"]
    assert facts.rebuilds == 1
    assert "put back as they were at the newest snapshot" in told
    assert listed.startswith("30\nanswer.txt\nnotes.txt\n")  # and no scratch.txt
    assert facts.final_reward == pytest.approx(0.7)


def test_a_paused_session_leaves_its_slot_to_others_and_waits_for_one(
    engine: EngineProcess, suite: Path
) -> None:
    turns = [tool_turn("bash", {"command": "sleep 1"}), tool_turn("submit", {})]
    with ChatServer(by_answers(turns)) as server:
        made = engine.client.create_run(
            spec(
                suite,
                models=["local/a"],
                providers={"local": {"base_url": server.url}},
                concurrency=1,
                attempts=3,
            )
        )
        first, second, third = made["sessions"]
        wait_for(lambda: engine.session(first).activity.startswith("bash"))
        order(engine, "pause", third)
        assert until(engine, third, "paused").begun is False
        order(engine, "pause", first)
        wait_for(lambda: engine.session(second).activity.startswith("bash"))
        order(engine, "resume", first)
        facts = until(engine, first, "queued")
        assert facts.clocks.cause == "slot"
        order(engine, "resume", third)
        state = engine.until_over(*made["sessions"])
    assert all(state.sessions[s].outcome == "no_valid_result" for s in made["sessions"])
    assert state.sessions[first].clocks.causes["slot"] > 0.0
    assert state.sessions[first].ended < state.sessions[third].ended  # it had begun before


def test_a_paused_session_can_be_stopped_and_is_scored(engine: EngineProcess, suite: Path) -> None:
    turns = [tool_turn("bash", {"command": "echo 70 > answer.txt; sleep 60"})]
    with ChatServer(by_answers(turns)) as server:
        session = launch(engine, suite, server)
        wait_for(lambda: engine.session(session).activity.startswith("bash"))
        time.sleep(0.3)
        order(engine, "pause", session)
        until(engine, session, "paused")
        assert order(engine, "stop", session, why="enough") == [session]
        facts = engine.until_over(session).sessions[session]
    assert facts.outcome == "stopped_by_operator"
    assert "stopped by ann: enough" in facts.outcome_evidence
    assert facts.final_reward == pytest.approx(0.3)


def test_a_soft_limit_pauses_once_and_a_larger_budget_lets_it_go_on(
    engine: EngineProcess, suite: Path
) -> None:
    turns = [*[tool_turn("bash", {"command": "true"})] * 4, tool_turn("submit", {})]
    with ChatServer(by_answers(turns)) as server:
        session = launch(engine, suite, server, budget={"turns": {"hard": 4, "soft": 2}})
        facts = until(engine, session, "paused")
        assert facts.pause is not None
        assert facts.pause.cause == "soft limit"
        assert "turns limit reached: 2 of 2" in facts.pause.why
        with pytest.raises(EngineRefusedError, match="turns='many' is no number"):
            order(engine, "extend", session, changes={"turns": {"hard": "many"}})
        order(engine, "extend", session, changes={"turns": {"hard": "+6"}})
        order(engine, "resume", session)
        facts = engine.until_over(session).sessions[session]
    assert facts.usage.turns == 5
    assert facts.outcome == "no_valid_result"
    assert facts.budget["turns"].hard == 10
    assert facts.budget_changes == 1
    assert [f.kind for f in engine.client.state().feed if f.kind in ("paused", "budget")] == [
        "paused",
        "budget",
    ]


def test_a_run_has_a_budget_of_its_own(engine: EngineProcess, suite: Path) -> None:
    turns = [tool_turn("bash", {"command": "sleep 0.2"})]
    with ChatServer(by_answers(turns)) as server:
        made = engine.client.create_run(
            spec(
                suite,
                models=["local/a"],
                providers={"local": {"base_url": server.url}},
                attempts=2,
                run_budget={"tokens": {"hard": 700, "soft": 300}},
            )
        )
        run, (first, second) = made["run"], made["sessions"]
        for session in (first, second):
            facts = until(engine, session, "paused")
            assert facts.pause is not None
            assert "the run's soft tokens limit reached" in facts.pause.why
        assert engine.client.state().runs[run].soft_passed == ["tokens"]
        engine.client.order("resume", {"globs": [run]})
        state = engine.until_over(first, second)
    assert "the run's tokens limit reached" in state.sessions[first].outcome_evidence
    used = sum(state.sessions[s].usage.tokens for s in (first, second))
    assert used >= 700
    assert state.runs[run].span.closed > 0.0
    walls = [state.sessions[s].clocks.wall("", 0.0) for s in (first, second)]
    assert state.runs[run].span.closed <= sum(walls)


def test_what_an_operator_says_stands_in_the_next_request_once(
    engine: EngineProcess, suite: Path
) -> None:
    turns = [tool_turn("bash", {"command": "sleep 1"}), text_turn("hm"), tool_turn("submit", {})]
    with ChatServer(by_answers(turns)) as server:
        session = launch(engine, suite, server)
        wait_for(lambda: engine.session(session).activity.startswith("bash"))
        assert order(engine, "message", session, text="Try a smaller number.") == [session]
        with pytest.raises(EngineRefusedError, match="the message is empty"):
            order(engine, "message", session, text="  ")
        facts = engine.until_over(session).sessions[session]
        asked = [str(r["messages"]) for r in server.requests]
    assert facts.assisted
    assert facts.messages == []
    assert "[operator] Try a smaller number." not in asked[0]
    assert [text.count("[operator] Try a smaller number.") for text in asked[1:]] == [1, 1]


def test_the_wall_clock_may_be_the_one_that_counts(engine: EngineProcess, suite: Path) -> None:
    turns = [tool_turn("bash", {"command": "true"})]

    def script(body: dict[str, Any], number: int) -> Reply:
        if number == 0:
            return Reply(b"slow down", status=429, headers={"Retry-After": "30"})
        return Reply(sse(turns[0]))

    with ChatServer(script) as server:
        session = launch(engine, suite, server, clock="wall", budget={"wall": {"hard": 2.0}})
        facts = engine.until_over(session).sessions[session]
    assert facts.counts == "wall"
    assert "active" not in facts.budget
    assert facts.clocks.causes["rate limit"] > 1.0
    assert "wall limit reached" in facts.outcome_evidence


def test_an_outage_pauses_a_session_that_had_begun_to_work(
    engine: EngineProcess, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.engine.support import running_engine

    monkeypatch.setenv("AUTOLAB_RETRY_ATTEMPTS", "2")
    mended: list[bool] = []

    def script(body: dict[str, Any], number: int) -> Reply:
        if number == 0:
            return Reply(sse(tool_turn("bash", {"command": "true"})))
        if not mended:
            return Reply(b"oops", status=503)
        return Reply(sse([*tool_turn("submit", {})[:-1], usage_chunk()]))

    with ChatServer(script) as server, running_engine(tmp_path / "patient") as other:
        session = launch(other, suite, server)
        facts = until(other, session, "paused")
        assert facts.pause is not None
        assert facts.pause.cause == "unreachable"
        assert "see that the provider can be reached" in facts.pause.why
        mended.append(True)
        order(other, "resume", session)
        assert other.until_over(session).sessions[session].usage.turns == 2
