"""Where a session stands, as far as its harness may tell the model, and the words for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.events import Limit
from engine.limits import duration
from engine.runs import budgets
from engine.state import Message, Point, SessionState


@dataclass(frozen=True, slots=True)
class Standing:
    """One moment of a session: `active` seconds of work so far, what is used, and the verdicts.

    `messages` are still to be told. `improved` is where (in active seconds) the newest improving
    snapshot was taken, 0 before any.
    """

    active: float
    budget: Mapping[str, Limit]
    used: Mapping[str, float | None]
    points: Sequence[Point]
    improved: float
    messages: Sequence[Message] = ()

    @property
    def without_improvement(self) -> float:
        """Which share of the time budget has passed since the newest improvement."""
        limit = self.budget.get("active") or self.budget.get("wall")
        whole = limit.hard if limit is not None else None
        return (self.active - self.improved) / whole if whole else 0.0


def standing_of(facts: SessionState, boot: str, now: float) -> Standing:
    """Where the session stands at `now` (boottime of `boot`)."""
    used = budgets.used(facts, boot, now)
    return Standing(
        active=used["active"] or 0.0,
        budget=facts.budget,
        used=used,
        points=tuple(facts.points),
        improved=facts.last_improvement_active or 0.0,
        messages=tuple(facts.messages),
    )


def left_in_words(standing: Standing) -> str:
    """What is left of each limit, in words and numbers."""
    said = []
    for key, limit in standing.budget.items():
        amount = standing.used.get(key)
        guard = key == "wall" and "active" in standing.budget  # the operator's, not the agent's
        if limit.hard is None or amount is None or guard:
            continue
        left = max(0.0, limit.hard - amount)
        match key:
            case "active" | "wall" | "gpu":
                words = f"{duration(left)} of {duration(limit.hard)}"
                kind = budgets.KINDS[key]
                said.append(f"{words} of {kind} ({left:.0f} s of {limit.hard:.0f} s)")
            case "cost":
                said.append(f"{left:.2f} of {limit.hard:.2f} US dollars")
            case _:
                said.append(f"{left:.0f} of {limit.hard:.0f} {key}")
    return " and ".join(said) or "no fixed budget"
