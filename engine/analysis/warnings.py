"""What an operator should know of a session that goes on: with the quantities of the classes.

A warning is no class: it says what the class would be, or why the session gets nowhere, while
something can still be done.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from typing import Literal

import msgspec

from engine.analysis.curve import counts
from engine.events import Outcome
from engine.limits import duration
from engine.runs import budgets
from engine.runs.outcomes import Ending, Quantities, Thresholds, classify, quantities
from engine.session.endings import ending_of, moment, standing
from engine.state import SessionState

Kind = Literal["plateau", "at_risk", "gate_failing", "stopping_early"]
_IN_A_ROW = 2
_LOST: tuple[Outcome, ...] = ("no_valid_result", "gate_failed", "regressed", "budget_exhausted")


class LiveWarning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`evidence` is for a person, with the numbers.

    `since`, in seconds of the clock that counts, is when what it warns of began; None where that
    has no meaning.
    """

    kind: Kind
    evidence: str
    since: float | None = None


def live_warnings(
    session: SessionState, boot: str, now: float, limits: Thresholds | None = None
) -> list[LiveWarning]:
    """What holds at `now` (boottime in `boot`), in the order of `Kind`; nothing of what is over."""
    if session.over or not session.begun:
        return []
    finished = standing(session, Ending("agent"), boot, now)
    newest = next((v for v in reversed(finished.verdicts) if v.reward is not None), None)
    figures = quantities(replace(finished, final=newest), limits)
    found = (
        _plateau(session, figures),
        _at_risk(session, figures, boot, now),
        _gate_failing(session),
        _stopping_early(session, figures),
    )
    return [warning for warning in found if warning is not None]


def _plateau(session: SessionState, f: Quantities) -> LiveWarning | None:
    """Nothing better for long. What waits for its verdict may be better yet: it is waited for.

    A share of the time used alone would be seconds in a run of minutes, and one turn of a model
    is longer: so a share of the budget and a number of seconds must have passed too.
    """
    if session.unjudged is not None or session.judging is not None:
        return None
    if f.idle < max(f.limits.patience, f.limits.begun * (f.session.budget or 0.0)):
        return None
    if not any(counts(point) for point in session.points) and f.share_used < f.limits.exhausted:
        return None
    if f.share_used < f.limits.begun or f.share_idle < f.limits.exhausted or f.best >= 1.0:
        return None
    since = f.last_improvement or 0.0
    best = f"since {f.best:.3f}" if f.last_improvement is not None else "and none before"
    return LiveWarning(
        "plateau",
        f"no improvement in the last {f.share_idle:.0%} of the time used "
        f"({duration(f.session.used - since)}), {best}; "
        f"{f.share_used:.0%} of the budget used",
        since,
    )


def _at_risk(session: SessionState, f: Quantities, boot: str, now: float) -> LiveWarning | None:
    """The limit that is used up most would end it badly if nothing more improved."""
    used = budgets.used(session, boot, now)
    shares = [
        (min(1.0, amount / limit.hard), key)
        for key, limit in session.budget.items()
        if limit.hard and (amount := used.get(key)) is not None
    ]
    share, key = max(shares, default=(0.0, ""))
    if share < f.limits.nearly or f.reached_reference:
        return None
    ended = replace(f.session, ending=Ending("budget"), used=f.session.used / share)
    outcome, _ = classify(ended, f.limits)
    if outcome not in _LOST:
        return None
    return LiveWarning(
        "at_risk",
        f"{share:.0%} of the {key} limit used with reward {f.final:.3f} (best {f.best:.3f}, "
        f"reference {f.session.reference:.3f}); if nothing improves it ends as {outcome}",
    )


def _gate_failing(session: SessionState) -> LiveWarning | None:
    judged = [point for point in reversed(session.points) if counts(point)]
    row = list(takewhile(lambda point: point.failed_gate is not None, judged))
    if len(row) < _IN_A_ROW:
        return None
    since = moment(row[-1], session.counts)
    before = (
        f"an earlier one scored {session.best_reward:.3f}"
        if session.best_reward
        else "none before scored"
    )
    return LiveWarning(
        "gate_failing",
        f"gate {row[0].failed_gate} fails: {len(row)} verdicts in a row failed a gate, since "
        f"{duration(since)} of its time; {before}",
        since,
    )


def _stopping_early(session: SessionState, f: Quantities) -> LiveWarning | None:
    """The agent has said that it is done, and the final verdict is still to come."""
    ending = ending_of(session.state_reason)
    if session.state != "verifying" or ending.by != "agent":
        return None
    outcome, evidence = classify(replace(f.session, ending=ending), f.limits)
    return LiveWarning("stopping_early", evidence) if outcome == "premature_stop" else None
