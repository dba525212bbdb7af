"""The limits of sessions and runs: what was asked, what is used, which limit is reached. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from engine.events import BUDGET_KEYS, Counts, Limit, Usage
from engine.limits import duration
from engine.state import RunState, SessionState
from verifier.numerals import numeral

WALL_FACTOR = 3.0  # the default wall limit is this many active budgets
_UNITS = {"active": " s", "wall": " s", "cost": " USD", "gpu": " s"}
_TIMES = ("active", "wall", "gpu")
KINDS = {"active": "working time", "gpu": "GPU time", "wall": "time"}
Used = Mapping[str, float | None]


class Reached(NamedTuple):
    """A limit that is used up."""

    key: str
    limit: float
    used: float

    def __str__(self) -> str:
        unit = _UNITS.get(self.key, "")
        used = round(self.used, 1) if self.key in _TIMES else self.used
        return (
            f"{self.key} limit reached: {numeral(used, 6)}{unit} of {numeral(self.limit, 6)}{unit}"
        )


def effective(
    task_sec: float, asked: Mapping[str, Limit], counts: Counts = "active"
) -> dict[str, Limit]:
    """The budget of a session: what was asked over the task's default.

    Unless asked otherwise the task's own limit `task_sec` holds for the clock that `counts`; where
    that is `active`, `wall` is three times as much. Raises `ValueError` naming a key, value and
    remedy.
    """
    budget = checked(asked)
    if _hard(budget, counts) is None:
        budget[counts] = Limit(hard=task_sec, soft=_soft(budget, counts))
    if counts == "active" and _hard(budget, "wall") is None:
        active = _hard(budget, "active") or task_sec
        budget["wall"] = Limit(hard=WALL_FACTOR * active, soft=_soft(budget, "wall"))
    return checked(budget)


def checked(budget: Mapping[str, Limit]) -> dict[str, Limit]:
    """The limits in the order of `BUDGET_KEYS`, without empty ones.

    Raises `ValueError` naming the key, the value and the remedy.
    """
    for key, limit in budget.items():
        if key not in BUDGET_KEYS:
            raise ValueError(f"budget has no limit {key!r}; use {', '.join(BUDGET_KEYS)}")
        for name, amount in (("", limit.hard), ("soft ", limit.soft)):
            if amount is not None and not 0.0 < amount < float("inf"):
                raise ValueError(f"{name}budget {key}={amount!r} must be a number above 0")
        if None not in (limit.hard, limit.soft) and (limit.soft or 0.0) > (limit.hard or 0.0):
            raise ValueError(
                f"the soft limit {key}={limit.soft:g} is above the hard one, {limit.hard:g}; the "
                "pause must come before the end"
            )
    return {
        key: budget[key]
        for key in BUDGET_KEYS
        if key in budget and (budget[key].hard, budget[key].soft) != (None, None)
    }


def changed(
    budget: Mapping[str, Limit], changes: Mapping[str, Mapping[str, str]], session: bool = True
) -> dict[str, Limit]:
    """The budget after changes such as `{"active": {"hard": "+1800"}, "cost": {"soft": "4"}}`.

    Amounts are absolute, or relative with a sign. A session's default wall limit follows its
    active one unless it is changed itself. Raises `ValueError` naming key, value and remedy.
    """
    after = dict(budget)
    for key, amounts in changes.items():
        before = after.get(key, Limit())
        hard, soft = before.hard, before.soft
        for name, text in amounts.items():
            match name:
                case "hard":
                    hard = _moved(key, hard, text)
                case "soft":
                    soft = _moved(key, soft, text)
                case _:
                    raise ValueError(f"budget {key} has no {name!r}; use hard or soft")
        after[key] = Limit(hard=hard, soft=soft)
    active, was = _hard(after, "active"), _hard(budget, "active")
    follows = was is not None and _hard(budget, "wall") == WALL_FACTOR * was
    if session and follows and active is not None and "wall" not in changes:
        after["wall"] = Limit(hard=WALL_FACTOR * active, soft=_soft(after, "wall"))
    return checked(after)


def _moved(key: str, before: float | None, text: str) -> float | None:
    try:
        amount = float(text)
    except ValueError:
        raise ValueError(f"budget {key}={text!r} is no number; write 30 or +30") from None
    if text.lstrip()[:1] in ("+", "-"):
        if before is None:
            raise ValueError(f"{key} has no limit that could be moved by {text}; give it one")
        return before + amount
    return amount


def _hard(budget: Mapping[str, Limit], key: str) -> float | None:
    return budget[key].hard if key in budget else None


def _soft(budget: Mapping[str, Limit], key: str) -> float | None:
    return budget[key].soft if key in budget else None


def used(session: SessionState, boot: str, now: float) -> dict[str, float | None]:
    """What a session has used, by budget key; None where it is not known."""
    return {
        "active": session.clocks.active(boot, now),
        "wall": session.clocks.wall(boot, now),
        "turns": float(session.usage.turns),
        "tokens": float(session.usage.tokens),
        "cost": session.usage.cost,
        "gpu": session.gpu_time.seconds(boot, now),
    }


def used_by_run(
    run: RunState, sessions: Iterable[SessionState], boot: str, now: float, committed: float = 0.0
) -> dict[str, float | None]:
    """What the sessions of a run have used together, by budget key.

    `active`, `turns`, `tokens`, `gpu` and `cost` are sums, and to the cost is added what the model
    calls in flight will probably cost (`committed`, US dollars); `wall` is the time during which at
    least one of them was under way.
    """
    active, gpu, usage = 0.0, 0.0, Usage()
    for session in sessions:
        active += session.clocks.active(boot, now)
        gpu += session.gpu_time.seconds(boot, now)
        usage = usage + session.usage
    cost = usage.cost if usage.cost is not None else (0.0 if committed else None)
    return {
        "active": active,
        "wall": run.span.seconds(boot, now),
        "turns": float(usage.turns),
        "tokens": float(usage.tokens),
        "cost": None if cost is None else cost + committed,
        "gpu": gpu,
    }


def reached(budget: Mapping[str, Limit], amounts: Used) -> Reached | None:
    """The first hard limit that is used up, or None."""
    return _first(budget, amounts, lambda limit: limit.hard)


def soft_reached(
    budget: Mapping[str, Limit], amounts: Used, passed: Iterable[str]
) -> Reached | None:
    """The first soft limit that is used up and is not among the `passed` ones, or None."""
    left = {key: limit for key, limit in budget.items() if key not in set(passed)}
    return _first(left, amounts, lambda limit: limit.soft)


def _first(
    budget: Mapping[str, Limit], amounts: Used, of: Callable[[Limit], float | None]
) -> Reached | None:
    for key, limit in budget.items():
        bound, amount = of(limit), amounts.get(key)
        if bound is not None and amount is not None and amount >= bound:
            return Reached(key, bound, amount)
    return None


def seconds_left(
    budget: Mapping[str, Limit], amounts: Used, passed: Iterable[str] = (), gpus: int = 1
) -> float:
    """The least time after which a time limit can be reached; infinite without time limits.

    `gpus` devices use up GPU time together.
    """
    left, known = float("inf"), set(passed)
    for key in _TIMES:
        limit, amount = budget.get(key), amounts.get(key)
        if limit is None or amount is None:
            continue
        for bound in (limit.hard, None if key in known else limit.soft):
            if bound is not None:
                pace = max(1, gpus) if key == "gpu" else 1
                left = min(left, (bound - amount) / pace)
    return max(0.0, left)


def counted(budget: Mapping[str, Limit], counts: Counts) -> float | None:
    """Seconds of the clock that counts, or None where it has no limit."""
    return _hard(budget, counts)


def allowed(session: SessionState, boot: str, now: float) -> float | None:
    """Seconds of the clock that counts until a limit of it, or of GPU time, ends the session.

    None where the clock has no limit. All of a session's GPUs are used up while it works.
    """
    limit, gpu = counted(session.budget, session.counts), _hard(session.budget, "gpu")
    if limit is None or gpu is None or not session.want.count:
        return limit
    amounts = used(session, boot, now)
    left = max(0.0, gpu - (amounts["gpu"] or 0.0)) / session.want.count
    return min(limit, (amounts[session.counts] or 0.0) + left)


def in_words(budget: Mapping[str, Limit]) -> str:
    """A budget as an agent is told of it."""
    said = []
    for key, limit in budget.items():
        if limit.hard is None or (key == "wall" and "active" in budget):
            continue
        match key:
            case "active" | "gpu" | "wall":
                kind = KINDS[key]
                said.append(f"{duration(limit.hard)} of {kind}")
            case "cost":
                said.append(f"{limit.hard:.2f} US dollars")
            case _:
                said.append(f"{limit.hard:.0f} {key}")
    return " and ".join(said) or "no fixed budget"
