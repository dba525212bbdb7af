"""The limits of a session: what was asked, what is used, and which limit is reached. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from engine.events import BUDGET_KEYS, Limit
from engine.state import SessionState

WALL_FACTOR = 3.0  # the default wall limit is this many active budgets
_UNITS = {"active": " s", "wall": " s", "cost": " USD", "gpu": " s"}


class Reached(NamedTuple):
    """A hard limit that is used up."""

    key: str
    limit: float
    used: float

    def __str__(self) -> str:
        unit = _UNITS.get(self.key, "")
        return f"{self.key} limit reached: {self.used:.6g}{unit} of {self.limit:.6g}{unit}"


def effective(active_sec: float, asked: Mapping[str, Limit]) -> dict[str, Limit]:
    """The budget of a session: what was asked over the task's default.

    `active` is the task's own budget unless asked, `wall` three times `active` unless asked.
    Raises `ValueError` naming a key, value and remedy.
    """
    for key, limit in asked.items():
        if key not in BUDGET_KEYS:
            raise ValueError(f"budget has no limit {key!r}; use {', '.join(BUDGET_KEYS)}")
        if limit.hard is not None and not 0.0 < limit.hard < float("inf"):
            raise ValueError(f"budget {key}={limit.hard!r} must be a number above 0")
        if limit.soft is not None:
            raise ValueError(
                f"budget {key} has a soft limit ({limit.soft!r}), which pauses a session, and this "
                "version cannot pause and resume; give a hard limit"
            )
    budget = {key: limit for key, limit in asked.items() if limit.hard is not None}
    budget.setdefault("active", Limit(hard=active_sec))
    active = budget["active"].hard
    budget.setdefault("wall", Limit(hard=WALL_FACTOR * (active or active_sec)))
    return {key: budget[key] for key in BUDGET_KEYS if key in budget}


def used(session: SessionState, boot: str, now: float) -> dict[str, float | None]:
    """What a session has used, by budget key; None where it is not known."""
    return {
        "active": session.clocks.active(boot, now),
        "wall": session.clocks.wall(boot, now),
        "turns": float(session.usage.turns),
        "tokens": float(session.usage.tokens),
        "cost": session.usage.cost,
        "gpu": None,
    }


def reached(session: SessionState, boot: str, now: float) -> Reached | None:
    """The first hard limit that is used up, or None."""
    amounts = used(session, boot, now)
    for key, limit in session.budget.items():
        amount = amounts.get(key)
        if limit.hard is not None and amount is not None and amount >= limit.hard:
            return Reached(key, limit.hard, amount)
    return None


def seconds_left(session: SessionState, boot: str, now: float) -> float:
    """The least time after which a time limit can be reached; infinite without time limits."""
    amounts = used(session, boot, now)
    left = float("inf")
    for key in ("active", "wall"):
        limit, amount = session.budget.get(key), amounts[key]
        if limit is not None and limit.hard is not None and amount is not None:
            left = min(left, limit.hard - amount)
    return max(0.0, left)


def in_words(budget: Mapping[str, Limit]) -> str:
    """A budget as an agent is told of it."""
    said = []
    for key, limit in budget.items():
        if limit.hard is None or key == "wall":
            continue
        match key:
            case "active" | "gpu":
                kind = "working time" if key == "active" else "GPU time"
                said.append(f"{duration(limit.hard)} of {kind}")
            case "cost":
                said.append(f"{limit.hard:.2f} US dollars")
            case _:
                said.append(f"{limit.hard:.0f} {key}")
    return " and ".join(said) or "no fixed budget"


def duration(seconds: float) -> str:
    """Seconds in words, such as "1 h 12 min"."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    parts = [(hours, "h"), (minutes, "min"), (left, "s")]
    return " ".join(f"{amount} {unit}" for amount, unit in parts if amount) or "0 s"
