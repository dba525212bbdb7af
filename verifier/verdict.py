"""The verdict: what the sealed verifier says of one snapshot, and why.

These records are a contract: `autolab verify --json` prints a `Verdict` as it stands here, the
journal stores it, and every screen renders it. Units: seconds, rewards in [0, 1], unknown as null.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Direction = Literal["lower", "higher"]
AnchorSource = Literal["task", "calibrated"]
Severity = Literal["info", "warning", "severe"]
Stage = Literal["checkpoint", "final", "manual"]
Status = Literal["scored", "zero", "rejected", "not_judged", "suspect"]
Cause = Literal[
    "gate",  # a correctness gate of the task failed; `reason` and `gates` name it
    "build_failed",
    "wrong_output",
    "timeout",
    "crashed",
    "out_of_memory",
    "artifact_refused",
    "contention",
    "verifier_error",
    "tampered",
    "implausible",
]


class Interval(msgspec.Struct, frozen=True):
    """A two-sided 95 % interval."""

    low: float
    high: float


class Gate(msgspec.Struct, frozen=True):
    """One correctness or integrity gate; a failed one makes the reward 0."""

    name: str
    passed: bool
    evidence: str = ""


class Metric(msgspec.Struct, frozen=True):
    """The measured quantity: the median of `samples` for timings, the exact value otherwise."""

    name: str
    value: float
    unit: str
    direction: Direction
    samples: tuple[float, ...] = ()
    interval: Interval | None = None


class Speedup(msgspec.Struct, frozen=True):
    """Baseline over candidate (for timings: geometric mean over alternating pairs).

    `baseline` are the baseline's own seconds, pair by pair beside the metric's samples.
    """

    value: float
    interval: Interval | None = None
    baseline: tuple[float, ...] = ()


class Anchors(msgspec.Struct, frozen=True):
    """The two points that the reward rule is anchored to, and where they come from.

    `rule` and `bound` are the rest of what a reward was computed with; empty and null where a
    verdict of an older version does not say.
    """

    source: AnchorSource
    baseline: float
    reference: float
    rule: str = ""
    bound: float | None = None


class Seal(msgspec.Struct, frozen=True):
    """How strongly candidate and judge were kept apart, and who held the clock."""

    level: Literal["full", "mapped", "single-uid"]
    timed_by: Literal["driver", "task"]
    official: bool
    why: str = ""


class Finding(msgspec.Struct, frozen=True):
    """Something noticed while judging, such as an edited pinned file."""

    severity: Severity
    what: str
    evidence: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the verifier says of one snapshot.

    `reward` is null when the snapshot could not be judged; it is never a 0 in that case.
    `regrade_of` is the id of the verdict whose facts were graded anew, null for a first grade.
    """

    id: str
    session: str | None = None
    task: str
    task_hash: str
    snapshot: str
    stage: Stage
    gates: tuple[Gate, ...] = ()
    metric: Metric | None = None
    speedup: Speedup | None = None
    reward: float | None = None
    status: Status
    cause: Cause | None = None
    anchors: Anchors | None = None
    seal: Seal
    reason: str
    findings: tuple[Finding, ...] = ()
    seconds: float
    at: str
    previous_hash: str | None = None
    hash: str | None = None
    signature: str | None = None
    regrade_of: str | None = None

    @property
    def failed_gate(self) -> str | None:
        """The name of the first gate that failed, or None."""
        return next((gate.name for gate in self.gates if not gate.passed), None)
