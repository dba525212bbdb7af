"""The fold of verdicts into a trajectory, and of its best so far."""

from __future__ import annotations

import msgspec

from engine.events import Event, VerdictGiven, VerdictReleased
from engine.state.facts import Point, SessionState, State
from engine.state.feed import because, feed
from verifier.verdict import Verdict

_COUNTED = ("scored", "zero", "rejected")  # verdicts whose reward says something of the snapshot


def clipped(reward: float | None) -> float | None:
    """A reward in [0, 1], as every verifier gives it: a journal may be damaged, or made by hand."""
    return None if reward is None else min(1.0, max(0.0, reward))


def take_verdict(state: State, session: SessionState, event: Event, given: VerdictGiven) -> None:
    """A point more on the trajectory, which may be the best so far."""
    verdict = given.verdict
    reward = clipped(verdict.reward)
    session.verifying = None
    if verdict.cause == "contention" and verdict.stage == "checkpoint":
        session.unjudged = session.unjudged or session.judging  # it is tried again
    session.judging = None
    session.verified_seconds += verdict.seconds
    if verdict.status != "not_judged":
        # The final verdict is the one that counts, whatever was less sure on the way to it.
        so_far = session.official or verdict.stage == "final"
        session.official = so_far and verdict.seal.official
    counts = reward is not None and verdict.status in _COUNTED
    before = session.best_reward
    improved = counts and reward is not None and reward > (before or 0.0)
    # A final verdict comes when the session is over, often long after its snapshot was taken.
    active = given.active
    if verdict.snapshot == session.last_snapshot:
        active = min(active, session.last_snapshot_active)
    if counts and reward is not None and (before is None or reward > before):
        session.best_reward = reward
        # What could not even be collected is nobody's best, although it earned its 0.
        session.best_snapshot = None if verdict.status == "rejected" else verdict.snapshot
    if improved:
        session.last_improvement_active = active
    session.points.append(
        Point(
            verdict=verdict.id,
            snapshot=verdict.snapshot,
            stage=verdict.stage,
            status=verdict.status,
            active=active,
            wall=given.wall,
            tokens=given.tokens,
            turns=given.turns,
            cost=given.cost,
            at=event.at,
            reward=reward,
            best=session.best_reward or 0.0,
            value=verdict.metric.value if verdict.metric else None,
            speedup=verdict.speedup.value if verdict.speedup else None,
            failed_gate=verdict.failed_gate,
            reason=verdict.reason,
            unofficial="" if verdict.seal.official else verdict.seal.why or "no reason given",
        )
    )
    if improved:
        feed(state, event, "improved", f"reward {reward:.3f}: {verdict.reason}")
    elif verdict.failed_gate is not None:
        feed(state, event, "gate", f"gate {verdict.failed_gate} failed: {verdict.reason}")
    elif verdict.status != "scored":
        feed(state, event, verdict.status, verdict.reason)


def regrade(state: State, session: SessionState, event: Event, verdict: Verdict) -> None:
    """The newest grade counts from now on; the class of the session's end stays what it was."""
    at = next((i for i, p in enumerate(session.points) if p.verdict == verdict.regrade_of), None)
    if at is None:
        return
    old = session.points[at]
    session.points[at] = msgspec.structs.replace(
        old,
        status=verdict.status,
        reward=clipped(verdict.reward),
        speedup=verdict.speedup.value if verdict.speedup else None,
        reason=verdict.reason,
        regrade=verdict.id,
        given=old.given if old.regrade else old.reward,
    )
    _walk_again(session)
    finals = [p for p in session.points if p.stage == "final"]
    if session.outcome is not None and finals and finals[-1].regrade:
        session.final_reward = finals[-1].reward
    before, now = (
        f"{r:.3f}" if r is not None else "none" for r in (old.reward, session.points[at].reward)
    )
    feed(state, event, "regraded", f"reward {before} is {now} as graded anew: {verdict.reason}")


def release(state: State, session: SessionState, event: Event, released: VerdictReleased) -> None:
    """Let a suspect verdict count from now on."""
    for i, point in enumerate(session.points):
        if point.verdict == released.verdict and point.status == "suspect":
            session.points[i] = msgspec.structs.replace(
                point, status="scored", released=released.by
            )
            said = f"verdict {point.verdict} released by {released.by}{because(released.why)}"
            feed(state, event, "released", said)
    _walk_again(session)


def _walk_again(session: SessionState) -> None:
    """The best so far at each point, after one of them changed."""
    best: float | None = None
    session.best_snapshot = session.last_improvement_active = None
    for i, point in enumerate(session.points):
        reward = point.reward if point.status in _COUNTED else None
        if reward is not None and reward > (best or 0.0):
            session.last_improvement_active = point.active
        if reward is not None and (best is None or reward > best):
            best = reward
            session.best_snapshot = None if point.status == "rejected" else point.snapshot
        session.points[i] = msgspec.structs.replace(point, best=best or 0.0)
    session.best_reward = best
