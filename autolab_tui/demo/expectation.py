"""What each persona's session must have shown for the demo to have succeeded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_RISING = 3
_NEAR = 0.15


def shortfall(
    persona: str, session: Mapping[str, Any], rewards: Sequence[float], reference: float
) -> str | None:
    """Why the session did not end as its persona should, or None when it did.

    `session` is a session object, `rewards` are those of its verdicts in order, `reference` is the
    reward of the reference solution.
    """
    outcome, final = session["outcome"], session["final_reward"]
    if persona == "hasty":
        return _unless(outcome == "premature_stop", f"ended as {outcome}, not premature_stop")
    if persona == "spinner":
        return _unless(outcome == "budget_exhausted", f"ended as {outcome}, not budget_exhausted")
    rising = records(rewards)
    if rising < _RISING:
        return f"its verdicts rose {rising} times, not {_RISING}"
    if final is None or final < reference * (1 - _NEAR):
        return f"its final reward is {final}, not near the reference's {reference}"
    return _unless(outcome in ("converged", "ended"), f"ended as {outcome}, not converged")


def records(rewards: Sequence[float]) -> int:
    """How many of the rewards are above every one before them (and above 0)."""
    best, count = 0.0, 0
    for reward in rewards:
        if reward > best:
            best, count = reward, count + 1
    return count


def _unless(fine: bool, complaint: str) -> str | None:
    return None if fine else complaint
