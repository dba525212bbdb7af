"""Harnesses in whole sessions: real verdicts reach the model; a run keeps the harness it had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.paths import config_dir
from tests.engine.support import (
    ChatServer,
    EngineProcess,
    Reply,
    sse,
    tool_turn,
    wait_for,
)

pytestmark = pytest.mark.usefixtures("sandboxes")


def write(name: str, text: str) -> None:
    folder = config_dir() / "harnesses"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.toml").write_text(text)


def spec(suite: Path, server: ChatServer, *harnesses: str) -> dict[str, Any]:
    return {
        "suite": str(suite),
        "size": "quick",
        "models": ["local/tiny"],
        "harnesses": list(harnesses),
        "concurrency": 1,
        "providers": {"local": {"base_url": server.url}},
    }


def test_a_real_verdict_reaches_the_model_when_its_harness_says_so(
    engine: EngineProcess, suite: Path
) -> None:
    def script(body: dict[str, Any], number: int) -> Reply:
        if number == 0:
            turn = tool_turn("edit", {"path": "answer.txt", "content": "70\n"})
        elif "[verifier]" in json.dumps(body["messages"]):
            turn = tool_turn("submit", {})
        else:
            turn = tool_turn("bash", {"command": "sleep 0.3"})
        return Reply(sse(turn))

    with ChatServer(script) as server:
        (session,) = engine.client.create_run(spec(suite, server, "scored"))["sessions"]
        facts = engine.until_over(session).sessions[session]
        told = [m["content"] for m in server.requests[-1]["messages"] if m["role"] == "user"][-1]
    assert facts.final_reward == pytest.approx(0.3)
    assert facts.outcome_evidence
    assert told.startswith("[verifier] The state of your files of ")
    assert told.endswith("passed all checks and earned 0.300; the best so far is 0.300.")


def test_a_harness_that_was_changed_ends_its_sessions_instead_of_mixing_two(
    engine: EngineProcess, suite: Path
) -> None:
    write("first", 'extends = "minimal"\n')
    write("second", 'extends = "minimal"\ntime = "every-turn"\n')
    with ChatServer(lambda *_: Reply(sse(tool_turn("bash", {"command": "sleep 300"})))) as server:
        made = engine.client.create_run(spec(suite, server, "first", "second"))
        first, second = made["sessions"]
        assert engine.session(first).harness_hash != engine.session(second).harness_hash
        wait_for(lambda: engine.session(first).activity.startswith("bash sleep"))
        write("second", 'extends = "minimal"\ntime = "none"\n')
        engine.client.stop([first])
        state = engine.until_over(first, second)
    assert state.sessions[first].outcome == "stopped_by_operator"
    assert state.sessions[second].outcome == "infrastructure"
    assert "harness second was changed" in state.sessions[second].outcome_evidence
    assert state.sessions[second].usage.turns == 0
