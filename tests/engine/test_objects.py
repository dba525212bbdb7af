"""The JSON objects: exactly the promised keys, and docs/json.md says the same."""

from __future__ import annotations

import re
import typing
from pathlib import Path

import msgspec
import pytest

from engine import events
from engine.clock import Clock, Clocks
from engine.events import Event, RunCreated, SessionCreated, SessionMoved
from engine.objects import (
    EngineObject,
    RunObject,
    SessionObject,
    StatusObject,
    session_object,
    status_object,
)
from engine.state import State, reduce
from tests.engine.state.test_state_fold import created
from verifier.verdict import Cause, Status, Verdict

DOC = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
PROMISED = {
    SessionObject: """id, run, task, domain, model, agent, harness, harness_hash, attempt, state,
        activity, activity_age, clocks, budget, usage, price, compactions, gpu_seconds, best_reward,
        final_reward, best_snapshot, last_improvement_active, verdict_count, outcome,
        outcome_evidence, assisted, official, alerts, counts, pause, stopping, idle, rebuilds,
        turns_abandoned, budget_changes, messages_waiting, warnings, regraded, timed_by, gpus""",
    RunObject: "id, created, state, sessions, clocks, usage, forecast, budget, span, gpu_seconds",
    EngineObject: """schema, pid, version, state_dir, uptime, loop_lag, sessions_running,
        loop_lag_worst, api_errors, trouble""",
    StatusObject: "schema, engine, runs, sessions",
    Verdict: """id, session, task, task_hash, snapshot, stage, gates, metric, speedup, reward,
        status, cause, anchors, seal, reason, findings, seconds, at, previous_hash, hash,
        signature, regrade_of""",
}


@pytest.mark.parametrize("model", PROMISED)
def test_keys_are_exactly_those_of_the_contract(model: type[msgspec.Struct]) -> None:
    assert set(model.__struct_fields__) == set(re.split(r",\s+", PROMISED[model]))


@pytest.mark.parametrize("model", PROMISED)
def test_every_key_is_documented(model: type[msgspec.Struct]) -> None:
    heading = model.__name__.removesuffix("Object").lower()
    section = re.split(rf"\n## {heading}\b", DOC)[1].split("\n## ")[0]
    named = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`]+)`", section))))
    assert set(model.__struct_fields__) <= named


def test_every_event_and_outcome_is_documented() -> None:
    section = DOC.split("\n## event")[1].split("\n## ")[0]
    for kind in events.KnownBody.__args__:
        row = re.search(rf"\| `{re.escape(kind.__struct_config__.tag)}` \|(.*)", section)
        assert row, kind
        named = set(re.findall(r"[a-z_]+", row[1]))
        assert set(kind.__struct_fields__) <= named, kind
    for word in (
        *typing.get_args(events.Outcome),
        *typing.get_args(events.SessionPhase),
        *typing.get_args(Status),
        *typing.get_args(Cause),
    ):
        assert f"`{word}`" in DOC, word


def test_a_status_reads_back_as_what_it_is() -> None:
    bodies = [
        (None, RunCreated(run="a", sessions=("a-01",), spec={})),
        ("a-01", created("a-01")),
    ]
    state = State()
    for seq, (session, body) in enumerate(bodies, 1):
        reduce(state, Event("e", seq, 1_700_000_000.0, "b", 1.0, session, body))
    clock = Clock(boot=lambda: "b", now=lambda: 11.0, wall=lambda: 0.0)
    found = msgspec.json.decode(
        msgspec.json.encode(status_object(state, None, clock)), type=StatusObject
    )
    assert found.engine is None
    assert found.runs[0].state == "queued"
    assert found.runs[0].created == "2023-11-14T22:13:20.000Z"
    assert found.sessions[0].activity_age is None
    assert found.sessions[0].budget["active"].hard == 60.0


def test_clocks_go_on_and_a_run_is_as_far_as_its_sessions() -> None:
    state = State()
    assert isinstance(created("a-01"), SessionCreated)
    for seq, (session, body) in enumerate(
        [
            (None, RunCreated(run="a", sessions=("a-01", "a-02"), spec={})),
            ("a-01", created("a-01")),
            ("a-02", created("a-02")),
            ("a-01", SessionMoved(state="running")),
        ],
        1,
    ):
        reduce(state, Event("e", seq, 0.0, "b", 1.0, session, body))
    state.sessions["a-01"].clocks = Clocks(working=3.0, waiting=2.0, state="working", boot="b")
    state.sessions["a-01"].activity = "bash make"
    state.sessions["a-01"].activity_boot = "b"
    state.sessions["a-01"].activity_stamp = 4.0
    clock = Clock(boot=lambda: "b", now=lambda: 5.0, wall=lambda: 0.0)
    shown = session_object(state.sessions["a-01"], clock)
    assert (shown.clocks.active, shown.clocks.wall, shown.clocks.waiting) == (8.0, 10.0, 2.0)
    assert shown.activity_age == 1.0
    run = status_object(state, None, clock).runs[0]
    assert (run.state, run.clocks.active) == ("running", 8.0)
    for session in state.sessions.values():
        session.state = "finished"
    assert status_object(state, None, clock).runs[0].state == "finished"
