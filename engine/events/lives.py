"""What begins, changes phase and ends: engines, runs and sessions."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from engine.events.body import Body, Counts, EndedBy, Limit, Outcome, SessionPhase
from engine.money import Price
from verifier.gpus.device import Want
from verifier.verdict import Anchors, Direction


class EngineStarted(Body, frozen=True, kw_only=True, tag="engine.started"):
    """A daemon took the state directory."""

    version: str
    pid: int
    host: str = ""


class EngineStopped(Body, frozen=True, kw_only=True, tag="engine.stopped"):
    """The daemon ended in good order."""

    reason: str = ""


class RunCreated(Body, frozen=True, kw_only=True, tag="run.created"):
    """Tasks x models x attempts were launched together. `spec` is what the operator asked.

    `budget` is for all of its sessions together.
    """

    run: str
    sessions: tuple[str, ...]
    spec: dict[str, Any]
    budget: dict[str, Limit] = msgspec.field(default_factory=dict)


class SessionCreated(Body, frozen=True, kw_only=True, tag="session.created"):
    """One model (or scripted agent), one task, one sandbox to come.

    `reference_reward` is a horizontal line of its plot; `metric_*` name what the verifier measures.
    `counts` is the clock that the task's own time limit is held against. `price` is what its
    model's tokens cost for the session's whole life, null where that is unknown. `anchors` are what
    all its verdicts are scored by; null, in older journals, is the task's own. `timed_by` "task" is
    a foreign task, judged by its own test.sh. `want` are the GPUs that it needs.
    """

    run: str
    task: str
    task_path: str
    task_hash: str
    domain: str
    model: str | None
    agent: str
    harness: str
    harness_hash: str
    attempt: int
    budget: dict[str, Limit]
    metric_name: str = ""
    metric_unit: str = ""
    metric_direction: Direction = "lower"
    reference_reward: float = 0.5
    counts: Counts = "active"
    price: Price | None = None
    anchors: Anchors | None = None
    timed_by: Literal["driver", "task"] = "driver"
    want: Want = Want()


class RunRemoved(Body, frozen=True, kw_only=True, tag="run.removed"):
    """A run whose sessions are over was removed, `by` whom: its files are deleted, and the state
    forgets it. What was recorded of it stays in the journal, and its verdicts in the ledger."""

    run: str
    by: str


class SessionMoved(Body, frozen=True, kw_only=True, tag="session.moved"):
    """The session entered another phase."""

    state: SessionPhase
    reason: str = ""


class SessionRebuilt(Body, frozen=True, kw_only=True, tag="session.rebuilt"):
    """Its sandbox was gone and was built anew: around the `workspace` as it lay on disk, or from
    the newest `snapshot`, or from the `task` where there was none. No process lived on."""

    source: Literal["workspace", "snapshot", "task"]
    why: str = ""
    snapshot: str = ""


class SessionEnded(Body, frozen=True, kw_only=True, tag="session.ended"):
    """It is over: how, its class (see `engine.runs.outcomes`), and the evidence in words."""

    ended_by: EndedBy
    outcome: Outcome
    evidence: str
    final_reward: float | None


class Noted(Body, frozen=True, kw_only=True, tag="noted"):
    """A remark for the operator that changes nothing."""

    text: str
