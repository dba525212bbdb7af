"""Snapshots, and what the verifier says of them."""

from __future__ import annotations

from engine.events.body import Body
from verifier.verdict import Stage, Verdict


class SnapshotTaken(Body, frozen=True, kw_only=True, tag="snapshot.taken"):
    """The editable files changed and were stored under `snapshot` (sha256).

    `active`, `wall`, `tokens`, `turns` and `cost` say where the session stood.
    """

    snapshot: str
    files: tuple[str, ...]
    size: int
    active: float
    wall: float = 0.0
    tokens: int = 0
    turns: int = 0
    cost: float | None = None


class BaselineKept(Body, frozen=True, kw_only=True, tag="baseline.kept"):
    """The task's untouched editable files were stored under `snapshot` when the session began."""

    snapshot: str
    files: tuple[str, ...]
    size: int


class VerificationAsked(Body, frozen=True, kw_only=True, tag="verification.asked"):
    """What its files are now shall be judged before other checkpoints."""

    by: str
    why: str = ""


class VerificationDropped(Body, frozen=True, kw_only=True, tag="verification.dropped"):
    """What was asked for is not done, for there is nothing to judge or it cannot be had."""

    why: str


class VerificationStarted(Body, frozen=True, kw_only=True, tag="verification.started"):
    """The verifier began to judge a snapshot."""

    snapshot: str
    stage: Stage


class VerdictGiven(Body, frozen=True, kw_only=True, tag="verdict.given"):
    """The verifier judged a snapshot that was taken at `active` seconds (`wall`, `tokens`, ...)."""

    verdict: Verdict
    active: float
    wall: float
    tokens: int = 0
    turns: int = 0
    cost: float | None = None


class VerdictRegraded(Body, frozen=True, kw_only=True, tag="verdict.regraded"):
    """The facts of an earlier verdict (its `regrade_of`) were graded anew, because of `why`."""

    verdict: Verdict
    by: str
    why: str


class VerdictReleased(Body, frozen=True, kw_only=True, tag="verdict.released"):
    """A person looked at a suspect verdict, `by` whom and `why`: its reward counts from now on."""

    verdict: str
    by: str
    why: str = ""
