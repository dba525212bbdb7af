"""How a session's end is put into events, and read from them by the next engine."""

from __future__ import annotations

import typing

from engine.clock import Clock
from engine.events import Counts, EndedBy, SessionEnded
from engine.runs import budgets
from engine.runs.outcomes import Ending, Finished, Judged, Thresholds, classify
from engine.state import Point, SessionState
from verifier.verdict import Verdict


def in_words(ending: Ending) -> str:
    """An ending as the reason of the move to `verifying`."""
    return f"{ending.by}: {ending.detail}"


def ending_of(reason: str) -> Ending:
    """The ending that `in_words` wrote."""
    by, _, detail = reason.partition(": ")
    for known in typing.get_args(EndedBy):
        if by == known:
            return Ending(known, detail)
    return Ending("infrastructure", f"the journal does not say how the session ended: {reason}")


def session_ended(
    facts: SessionState,
    ending: Ending,
    verdict: Verdict | None,
    limits: Thresholds,
    clock: Clock,
) -> SessionEnded:
    """The last event of a session, with its class and the final reward.

    `verdict` is the final one; None when there was nothing to judge.
    """
    finished = standing(facts, ending, clock.boot(), clock.now(), verdict)
    outcome, evidence = classify(finished, limits)
    return SessionEnded(
        ended_by=ending.by,
        outcome=outcome,
        evidence=evidence,
        final_reward=None if verdict is None else verdict.reward,
    )


def standing(
    facts: SessionState, ending: Ending, boot: str, now: float, verdict: Verdict | None = None
) -> Finished:
    """A session as the classes see it, were it to end so at `now` (boottime in `boot`).

    `verdict` is the final one; None when there was none, or none yet.
    """
    judged, unjudged = None, ""
    if verdict is not None:
        at = moment(facts.points[-1], facts.counts) if facts.points else 0.0
        judged = _judged(verdict, at)
        unjudged = verdict.reason if verdict.status == "not_judged" else ""
    earlier = [
        Judged(
            p.status, p.reward, moment(p, facts.counts), p.failed_gate, None, p.reason, p.snapshot
        )
        for p in facts.points
    ]
    return Finished(
        ending=ending,
        used=budgets.used(facts, boot, now)[facts.counts] or 0.0,
        budget=budgets.counted(facts.budget, facts.counts),
        reference=facts.reference_reward,
        verdicts=tuple(earlier),
        final=judged,
        unjudged=unjudged,
    )


def moment(point: Point, counts: Counts) -> float:
    """When a point's snapshot was taken, in seconds of the clock that counts."""
    return point.wall if counts == "wall" else point.active


def _judged(verdict: Verdict, active: float) -> Judged:
    return Judged(
        verdict.status,
        verdict.reward,
        active,
        verdict.failed_gate,
        verdict.cause,
        verdict.reason,
        verdict.snapshot,
    )
