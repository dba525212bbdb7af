"""What the bodies of events share: their base, and the words that stand in several of them."""

from __future__ import annotations

from typing import Literal

import msgspec

SessionPhase = Literal[
    "queued", "preparing", "running", "paused", "verifying", "finished", "failed"
]
Outcome = Literal[
    "infrastructure",
    "stopped_by_operator",
    "tampered",
    "context_exhausted",
    "refused",
    "no_valid_result",
    "gate_failed",
    "regressed",
    "premature_stop",
    "budget_exhausted",
    "ran_to_end",
    "converged",
    "ended",
]
CompactedHow = Literal["summary", "drop-tool-output"]
CompactedBecause = Literal["overflow", "limit"]
EndedBy = Literal["agent", "budget", "operator", "infrastructure", "context", "refusal"]
Counts = Literal["active", "wall"]
BUDGET_KEYS = ("active", "wall", "turns", "tokens", "cost", "gpu")


class Limit(msgspec.Struct, frozen=True):
    """One budget: the session is paused at `soft` and ended at `hard`."""

    hard: float | None = None
    soft: float | None = None


class Body(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True, gc=False
):
    """What happened; the tag is the event's type."""
