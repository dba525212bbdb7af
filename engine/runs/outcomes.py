"""How a session ended, as one class of an ordered list. A pure function; first match wins.

Figures: `u` is the share of the active budget that was used, `i` the share of the time used since
the last improving snapshot, `R` the reward of the task's reference solution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from engine.events import EndedBy, Outcome
from verifier.verdict import Status

COUNTED: tuple[Status, ...] = ("scored", "zero", "rejected")  # whose reward counts


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where the classes begin; settings, with these defaults."""

    noise: float = 0.02  # a final reward this far below the best is noise
    early: float = 0.5  # u at or below: an early end
    late: float = 0.9  # u at or below, while still improving: an early end too
    improving: float = 0.1  # i at or below: still improving
    stalled: float = 0.25  # i at or above: the agent had stopped improving
    exhausted: float = 0.4  # i at or above: the budget went to nothing
    begun: float = 0.1  # u below: too early to warn of anything
    nearly: float = 0.75  # u at or above: the end of a budget is in sight
    patience: float = 120.0  # seconds without improvement below which nothing is called a plateau


@dataclass(frozen=True, slots=True)
class Judged:
    """What the outcome needs of one verdict.

    `active` is when its snapshot was taken, in seconds of the clock that counts.
    """

    status: Status
    reward: float | None
    active: float
    failed_gate: str | None = None
    cause: str | None = None
    reason: str = ""
    snapshot: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """Who or what ended a session, and why in words."""

    by: EndedBy
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """A session at its end. `verdicts` are in order, the final one (if any) is `final`.

    `final` is None when there was nothing to judge (no session ran) and `unjudged` then says why,
    if the verifier was to blame.
    """

    ending: Ending
    used: float
    budget: float | None
    reference: float
    verdicts: tuple[Judged, ...] = ()
    final: Judged | None = None
    unjudged: str = ""


class Quantities(NamedTuple):
    """What classes and warnings are made of, of a session at its end or at any moment before.

    `final` is the reward of the final verdict, 0 without one.
    """

    session: Finished
    limits: Thresholds
    best: float
    final: float
    last_improvement: float | None
    best_snapshot: str

    @property
    def share_used(self) -> float:
        """`u`: the share of the budget that was used; 0 where there is no limit."""
        budget = self.session.budget
        return min(1.0, self.session.used / budget) if budget else 0.0

    @property
    def reached_reference(self) -> bool:
        """Whether the final reward is the reference's, give or take the noise."""
        return self.final >= self.session.reference - self.limits.noise

    @property
    def idle(self) -> float:
        """Seconds of the clock that counts since the last improving snapshot."""
        return min(self.session.used, max(0.0, self.session.used - (self.last_improvement or 0.0)))

    @property
    def share_idle(self) -> float:
        """`i`: the share of the time used since the last improving snapshot."""
        return self.idle / self.session.used if self.session.used > 0.0 else 0.0


Rule = Callable[[Quantities], tuple[Outcome, str] | None]


def classify(session: Finished, limits: Thresholds | None = None) -> tuple[Outcome, str]:
    """The class of an ended session and its evidence, in words with numbers."""
    figures = quantities(session, limits)
    for rule in _RULES:
        found = rule(figures)
        if found is not None:
            return found
    return (
        "ended",
        f"the agent ended it ({session.ending.detail or 'no reason'}); {_shares(figures)}",
    )


def quantities(session: Finished, limits: Thresholds | None = None) -> Quantities:
    """The figures that the rules look at."""
    best, improved, snapshot = 0.0, None, ""
    for verdict in session.verdicts:
        if verdict.status in COUNTED and verdict.reward is not None and verdict.reward > best:
            best, improved, snapshot = verdict.reward, verdict.active, verdict.snapshot
    final = session.final.reward if session.final and session.final.reward is not None else 0.0
    return Quantities(session, limits or Thresholds(), best, final, improved, snapshot)


def _infrastructure(f: Quantities) -> tuple[Outcome, str] | None:
    if f.session.ending.by == "infrastructure":
        said = f.session.ending.detail.strip()
        return "infrastructure", said or "a part of the machinery failed"
    if f.session.unjudged and f.session.ending.by != "operator":
        return "infrastructure", f"the final snapshot could not be judged: {f.session.unjudged}"
    return None


def _stopped(f: Quantities) -> tuple[Outcome, str] | None:
    if f.session.ending.by == "operator":
        return "stopped_by_operator", f"{f.session.ending.detail or 'stopped'}; {_shares(f)}"
    return None


def _tampered(f: Quantities) -> tuple[Outcome, str] | None:
    final = f.session.final
    if final is not None and final.cause == "tampered":
        return "tampered", final.reason.strip() or "the final verdict says so"
    return None


def _could_not_go_on(f: Quantities) -> tuple[Outcome, str] | None:
    if f.session.ending.by == "context":
        return "context_exhausted", f"{f.session.ending.detail}; {_shares(f)}"
    if f.session.ending.by == "refusal":
        return "refused", f"{f.session.ending.detail}; {_shares(f)}"
    return None


def _no_valid_result(f: Quantities) -> tuple[Outcome, str] | None:
    if f.best > 0.0 or f.final > 0.0:
        return None
    how = f"{_how(f)} after {f.share_used:.0%} of the active budget"
    last = f.session.final or (f.session.verdicts[-1] if f.session.verdicts else None)
    said = f"; last verdict: {last.reason}" if last and last.reason else ""
    return "no_valid_result", f"no snapshot scored above the baseline; {how}{said}"


def _lost_it(f: Quantities) -> tuple[Outcome, str] | None:
    final = f.session.final
    if final is not None and final.failed_gate is not None:
        return (
            "gate_failed",
            f"the final snapshot fails gate {final.failed_gate}; "
            f"an earlier one scored {f.best:.3f}",
        )
    # The same files measured twice differ by noise alone, however large it is today.
    same = final is not None and final.snapshot != "" and final.snapshot == f.best_snapshot
    if f.final < f.best - f.limits.noise and not same:
        return "regressed", f"final reward {f.final:.3f} is below the best, {f.best:.3f}"
    return None


def _premature(f: Quantities) -> tuple[Outcome, str] | None:
    if f.session.ending.by != "agent":
        return None
    if f.share_used <= f.limits.early and not f.reached_reference:
        return (
            "premature_stop",
            f"the agent ended it at {f.share_used:.0%} of the active budget with reward "
            f"{f.final:.3f}, below the reference's {f.session.reference:.3f}",
        )
    if f.share_used <= f.limits.late and f.share_idle <= f.limits.improving:
        return (
            "premature_stop",
            f"the agent ended it at {f.share_used:.0%} of the active budget while still "
            f"improving (reward {f.final:.3f}; last improvement {f.share_idle:.0%} of the time "
            "used before the end)",
        )
    return None


def _by_budget(f: Quantities) -> tuple[Outcome, str] | None:
    if f.session.ending.by != "budget":
        return None
    name: Outcome = "budget_exhausted" if f.share_idle >= f.limits.exhausted else "ran_to_end"
    return name, f"{f.session.ending.detail}; {_shares(f)}"


def _converged(f: Quantities) -> tuple[Outcome, str] | None:
    if f.session.ending.by != "agent":
        return None
    if f.reached_reference or f.share_idle >= f.limits.stalled:
        return "converged", f"the agent ended it; {_shares(f)}"
    return None


def _how(f: Quantities) -> str:
    if f.session.ending.by == "budget":
        return f"a limit ended it ({f.session.ending.detail})"
    return "the agent ended it"


def _shares(f: Quantities) -> str:
    return (
        f"reward {f.final:.3f} (reference {f.session.reference:.3f}), {f.share_used:.0%} of the "
        f"active budget used, no improvement in the last {f.share_idle:.0%} of it"
    )


_RULES: tuple[Rule, ...] = (
    _infrastructure,
    _stopped,
    _tampered,
    _could_not_go_on,
    _no_valid_result,
    _lost_it,
    _premature,
    _by_budget,
    _converged,
)
