"""A verdict while it is being come to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from verifier.outcomes import STATUS
from verifier.verdict import Anchors, Cause, Finding, Gate, Metric, Speedup, Status


@dataclass(slots=True)
class Draft:
    """What is known of the verdict so far."""

    task: str
    snapshot: str
    task_hash: str = ""
    gates: list[Gate] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    lacks: list[str] = field(default_factory=list)  # why the seal is not official
    anchors: Anchors | None = None
    metric: Metric | None = None
    speedup: Speedup | None = None
    reward: float | None = None
    cause: Cause | None = None
    reason: str = ""
    timed_by: Literal["driver", "task"] = "driver"

    @property
    def status(self) -> Status:
        """Of a verdict with what is known now."""
        return "scored" if self.cause is None else STATUS[self.cause]
