"""Sessions and states made by hand, for what is computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.clock import Clocks
from engine.events import Limit
from engine.state import Point, RunState, SessionState, State

BOOT = "boot"


def point(
    active: float,
    reward: float | None,
    *,
    gate: str | None = None,
    stage: Any = "checkpoint",
    status: Any = None,
    snapshot: str = "",
    reason: str = "",
    wall: float | None = None,
) -> Point:
    known = status or ("scored" if reward else "zero" if reward is not None else "not_judged")
    return Point(
        verdict=f"v{active}", snapshot=snapshot or f"s{active}", stage=stage, status=known,
        active=active, wall=active if wall is None else wall, tokens=0, turns=0, cost=None, at=0.0,
        reward=reward, best=0.0, value=None, speedup=None, failed_gate=gate, reason=reason,
    )  # fmt: skip


def session(
    name: str = "r-01",
    points: Sequence[Point] = (),
    *,
    used: float = 50.0,
    budget: float | None = 100.0,
    **more: Any,
) -> SessionState:
    counted = [p for p in points if p.reward is not None and p.status in ("scored", "zero")]
    best = max((p.reward or 0.0 for p in counted), default=None)
    fields: dict[str, Any] = {
        "id": name, "run": name.rpartition("-")[0], "task": "t", "task_path": "/t",
        "task_hash": "h" * 64, "domain": "d", "model": "m", "agent": "tools", "harness": "minimal",
        "harness_hash": "a" * 64, "attempt": 1, "metric_name": "x", "metric_unit": "s",
        "metric_direction": "lower", "reference_reward": 0.5, "created": 0.0, "begun": True,
        "budget": {} if budget is None else {"active": Limit(budget)},
        "clocks": Clocks(working=used), "state": "running", "points": list(points),
        "best_reward": best,
    }  # fmt: skip
    return SessionState(**{**fields, **more})


def over(name: str, reward: float | None, **more: Any) -> SessionState:
    """A session that ended with this reward."""
    final = () if reward is None else (point(50.0, reward, stage="final"),)
    outcome = more.pop("outcome", "infrastructure" if reward is None else "ended")
    points = more.pop("points", final)
    return session(
        name, points, state="finished", final_reward=reward, outcome=outcome,
        outcome_evidence=f"why {name}", **more,
    )  # fmt: skip


def state(*sessions: SessionState, size: str = "full") -> State:
    made = State(seq=1, sessions={s.id: s for s in sessions})
    for one in sessions:
        run = made.runs.setdefault(one.run, RunState(one.run, 0.0, {"size": size}, []))
        run.sessions.append(one.id)
    return made
