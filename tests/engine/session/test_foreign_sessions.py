"""Whole sessions on a task that is judged by its own test.sh."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.analysis.leaderboard import leaderboard
from tasks import Task
from tests.engine.support import ChatServer, EngineProcess, Reply, sse, tool_turn
from tests.verifier.foreign import making
from verifier.foreign import image

pytestmark = pytest.mark.usefixtures("sandboxes")


@pytest.fixture
def task(tmp_path: Path) -> Iterator[Task]:
    """A tiny foreign task in a suite of its own."""
    made = making.make(tmp_path / "foreign" / "count_letters")
    yield made
    image.forget(made)


def test_sessions_on_a_foreign_task_are_judged_and_marked(
    engine: EngineProcess, task: Task
) -> None:
    spec = {"suite": str(task.path.parent), "agents": ["nop", "oracle"], "concurrency": 2}
    nop, oracle = engine.client.create_run(spec)["sessions"]
    state = engine.until_over(nop, oracle)
    assert state.sessions[nop].final_reward == 0.0, state.sessions[nop].outcome_evidence
    assert state.sessions[oracle].final_reward == pytest.approx(0.8)
    assert {s.timed_by for s in state.sessions.values()} == {"task"}
    assert not any(s.official for s in state.sessions.values())
    made = leaderboard(state, state.sessions.values(), replicates=10)
    assert made.tally.timed_by_task == 2
    assert made.rows[0].cells[0].task == "count_letters (timed_by: task)"
    assert any("timed_by: task" in remark for remark in made.remarks)


def test_a_model_sees_the_workspace_and_neither_tests_nor_answers(
    engine: EngineProcess, task: Task
) -> None:
    """What it forges for a verifier stays behind; its text and the image's program count."""
    look = (
        "ls -d /orig /tests /solution /logs 2>/dev/null; ./count; printf abc > text.txt;"
        " printf '#!/bin/sh\\necho letters=1' > count; touch -d 2035-01-01 count"
    )
    turns = [tool_turn("bash", {"command": look}), tool_turn("submit", {}, "Done.")]
    with ChatServer(lambda _, number: Reply(sse(turns[number]))) as server:
        made = engine.client.create_run(
            {
                "suite": str(task.path.parent),
                "models": ["local/tiny"],
                "providers": {"local": {"base_url": server.url}},
            }
        )
        (session,) = made["sessions"]
        state = engine.until_over(session)
        first, last = server.requests[0], server.requests[-1]
    assert "count.c, text.txt, new files" in first["messages"][0]["content"]
    (seen,) = [m["content"] for m in last["messages"] if m["role"] == "tool"]
    assert seen.startswith("letters=18\n[exit code 0")
    assert state.sessions[session].final_reward == pytest.approx(0.85)
