"""A run in the formats of others, held against the rules of those formats."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import Outcome
from engine.offline.atif import trajectory
from engine.offline.harbor import job
from engine.state import RunState, SessionState
from engine.usage import Usage

_STEP = {
    *("step_id", "timestamp", "source", "model_name", "message", "reasoning_content"),
    *("tool_calls", "observation", "metrics", "extra"),
}
_AGENT_ONLY = {"model_name", "reasoning_content", "tool_calls", "metrics"}


def session(name: str = "r-01", **more: Any) -> SessionState:
    facts: dict[str, Any] = {
        "run": "r",
        "task": "t",
        "task_path": "/tasks/t",
        "task_hash": "h",
        "domain": "d",
        "model": "acme/big",
        "agent": "tools",
        "harness": "minimal",
        "harness_hash": "x",
        "attempt": 1,
        "budget": {},
        "metric_name": "",
        "metric_unit": "",
        "metric_direction": "lower",
        "reference_reward": 0.5,
        "created": 1e9,
    }
    return SessionState(id=name, **{**facts, **more})


def follows_the_rules(found: dict[str, Any]) -> None:
    """ATIF's own rules, as far as they concern what we write."""
    assert found["steps"]
    for number, step in enumerate(found["steps"], 1):
        assert step["step_id"] == number
        assert set(step) <= _STEP
        assert step["source"] in ("system", "user", "agent")
        assert isinstance(step["message"], str)
        if step["source"] != "agent":
            assert not set(step) & _AGENT_ONLY
        calls = {call["tool_call_id"] for call in step.get("tool_calls", ())}
        assert all(isinstance(call["arguments"], dict) for call in step.get("tool_calls", ()))
        for result in step.get("observation", {"results": []})["results"]:
            assert result.get("source_call_id") in {None, *calls}


def entry(kind: str, **more: Any) -> dict[str, Any]:
    return {"n": 0, "at": "2026-01-01T00:00:00.000Z", "kind": kind, **more}


def tool(call: str, output: str = "out") -> dict[str, Any]:
    return entry("tool", call=call, name="bash", output=output, code=0, seconds=0.5)


def test_a_conversation_becomes_steps_with_their_observations() -> None:
    usage = Usage(input=10, cached=5, output=7, reasoning=2, turns=1, cost=0.25)
    call = {"id": "c1", "name": "bash", "arguments": '{"command": "ls"}'}
    broken = {"id": "c2", "name": "bash", "arguments": '{"comm'}
    entries = [
        entry("system", text="be good"),
        entry("user", text="task"),
        entry("assistant", text="hm", reasoning="think", turn=1, tool_calls=[call, broken]),
        tool("c1"),
        tool("c2", "bad"),
        entry("summary", text="notes"),
        entry("note", text="a remark"),
    ]
    found = trajectory(session(usage=usage), entries, {1: usage}, "1.2")
    assert found is not None
    follows_the_rules(found)
    answer = found["steps"][2]
    assert [s["source"] for s in found["steps"]] == ["system", "user", "agent", "system", "system"]
    assert [c["arguments"] for c in answer["tool_calls"]] == [{"command": "ls"}, {}]
    assert answer["tool_calls"][1]["extra"] == {"text": '{"comm'}
    assert [r["source_call_id"] for r in answer["observation"]["results"]] == ["c1", "c2"]
    assert answer["metrics"]["prompt_tokens"] == 15  # with what came from the cache
    assert answer["metrics"]["cost_usd"] == 0.25
    assert answer["reasoning_content"] == "think"
    assert found["final_metrics"]["total_cost_usd"] == 0.25


def test_a_cost_that_is_not_whole_is_left_out() -> None:
    usage = Usage(input=10, output=7, turns=2, cost=0.25, unpriced=1)
    found = trajectory(session(usage=usage), [entry("user", text="x")], {}, "1")
    assert found is not None
    assert "total_cost_usd" not in found["final_metrics"]
    assert trajectory(session(), [], {}, "1") is None


_CALLS = st.lists(
    st.fixed_dictionaries(
        {"id": st.sampled_from("abc"), "name": st.text(), "arguments": st.text()}
    ),
    max_size=2,
)
_ENTRIES = st.lists(
    st.one_of(
        st.builds(entry, st.sampled_from(["system", "user", "note", "output"]), text=st.text()),
        st.builds(entry, st.just("assistant"), text=st.text(), tool_calls=_CALLS),
        st.builds(tool, st.sampled_from("abcd"), st.text()),
    ),
    min_size=1,
)


@given(_ENTRIES)
def test_whatever_is_said_follows_the_rules(entries: list[dict[str, Any]]) -> None:
    found = trajectory(session(), entries, {}, "1")
    assert found is not None
    follows_the_rules(found)


@pytest.mark.parametrize("outcome", ["converged", "infrastructure", "stopped_by_operator"])
def test_a_run_becomes_a_job_with_a_trial_for_each_session(outcome: Outcome) -> None:
    reward = 0.5 if outcome == "converged" else None
    state = "failed" if outcome == "infrastructure" else "finished"
    over = session(state=state, outcome=outcome, final_reward=reward, ended=1e9 + 5, begun=True)
    waiting = session("r-02")
    run = RunState("r", 1e9, {}, ["r-01", "r-02"])
    files = job(run, [over, waiting], {"r-01": '{"said": 1}\n', "r-02": None}, "1.2")
    assert files == job(run, [over, waiting], {"r-01": '{"said": 1}\n', "r-02": None}, "1.2")
    read = {name: json.loads(text) for name, text in files.items() if name.endswith(".json")}
    stats = read["result.json"]["stats"]
    assert (stats["n_completed_trials"], stats["n_pending_trials"]) == (1, 1)
    assert read["result.json"]["finished_at"] is None
    assert stats["n_errored_trials"] == (outcome == "infrastructure")
    assert stats["n_cancelled_trials"] == (outcome == "stopped_by_operator")
    trial = read["r-01/result.json"]
    assert trial["agent_info"]["model_info"] == {"name": "big", "provider": "acme"}
    assert (trial["exception_info"] is not None) is (outcome == "infrastructure")
    assert ("r-01/exception.txt" in files) is (outcome == "infrastructure")
    assert trial["verifier_result"] == (None if reward is None else {"rewards": {"reward": 0.5}})
    assert read.get("r-01/verifier/reward.json") == (None if reward is None else {"reward": 0.5})
    assert "r-02/result.json" not in files
    assert files["r-01/agent/trajectory.json"] == '{"said": 1}\n'
