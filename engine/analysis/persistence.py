"""How a session went on: the figures of persistence, from its verified snapshots."""

from __future__ import annotations

import msgspec

from engine.analysis.curve import counts, curve
from engine.runs import budgets
from engine.session.endings import moment
from engine.state import Point, SessionState

_LATE = 0.75  # of the time used: where its last quarter begins


class Persistence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rewards in [0, 1]; `auc`, `half`, `ninety`, `last_improvement`, `used` are over the budget.

    What is not known is None: rewards without a verdict that counts, shares without a time limit,
    moments of what never scored.
    """

    first: float | None
    final: float | None
    best: float | None
    auc: float | None
    iterations: int
    verified: int
    improving: int
    half: float | None
    ninety: float | None
    last_improvement: float | None
    used: float | None
    late_gain: float | None
    regret: float | None


def persistence(session: SessionState, boot: str, now: float) -> Persistence:
    """The figures of a session, as of `now` (boottime in `boot`)."""
    line = curve(session)
    counted = [p for p in session.points if counts(p)]
    used = budgets.used(session, boot, now)[session.counts] or 0.0
    budget = budgets.counted(session.budget, session.counts)

    def share(seconds: float | None) -> float | None:
        return None if seconds is None or not budget else min(1.0, seconds / budget)

    def reached(part: float) -> float | None:
        return share(line.reaches(part * line.best)) if line.best > 0.0 else None

    final = final_reward(session)
    return Persistence(
        first=_first(session, counted),
        final=final,
        best=session.best_reward,
        auc=line.area(budget) if budget and counted else None,
        iterations=session.cycles.count,
        verified=len({p.snapshot for p in counted}),
        improving=len(line.times),
        half=reached(0.5),
        ninety=reached(0.9),
        last_improvement=share(line.times[-1]) if line.times else None,
        used=share(used),
        late_gain=line.best - line.at(_LATE * used) if counted else None,
        regret=None
        if final is None or session.best_reward is None
        else max(0.0, session.best_reward - final),
    )


def final_reward(session: SessionState) -> float | None:
    """The reward of what the agent left; of its newest snapshot that counts while it goes on."""
    if session.over:
        return session.final_reward
    return next((p.reward for p in reversed(session.points) if counts(p)), None)


def _first(session: SessionState, counted: list[Point]) -> float | None:
    """The reward of the first snapshot that passed every gate."""
    valid = [p for p in counted if p.failed_gate is None]
    first = min(valid, key=lambda p: moment(p, session.counts), default=None)
    return None if first is None else first.reward
