"""When a run will be done, and what it will have cost, each with an interval.

How much of its budget a session will use is drawn from where other sessions of the run ended, or
still stand; it may also use all of it, or stop anywhere before. How much weight each of these has
is drawn anew in every replicate, so that few ended sessions make for a wide interval.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import NamedTuple

import msgspec

from engine.analysis.counting import name_of
from engine.analysis.statistics import SEED, quantile
from engine.clock import Clock
from engine.events import rfc3339
from engine.runs import budgets
from engine.state import RunState, SessionState, State

LEVEL = 0.8
_WORK, _FEWEST, _MOST = 20_000, 40, 400  # sessions drawn in all; replicates


class AmountForecast(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Median and interval at `Forecast.level`: seconds or US dollars."""

    expected: float
    low: float
    high: float


class TimeForecast(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Median and interval at `Forecast.level`: RFC 3339."""

    expected: str
    low: str
    high: str


class Forecast(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Totals of a run at its end. `open` sessions are still to end; `basis` says what was assumed.

    `active` and `gpu` (seconds of all devices) are None where a session has no time limit, `gpu`
    also where none needs a GPU, and `cost` where a rate is not known.
    """

    finish: TimeForecast | None
    active: AmountForecast | None
    cost: AmountForecast | None
    level: float
    open: int
    basis: str
    gpu: AmountForecast | None = None


class _Seen(NamedTuple):
    """A session at a share of its budget: where it ended, or where it goes on."""

    share: float
    over: bool


@dataclass(frozen=True, slots=True)
class _Likelihood:
    """How likely each end is, in one replicate: sums of weights over one's like.

    Using the whole budget, and stopping anywhere before, weigh as one session each.
    """

    like: Sequence[_Seen]
    sums: Sequence[float]
    whole: float
    anywhere: float

    @classmethod
    def drawn(cls, like: Sequence[_Seen], random: Random) -> _Likelihood:
        """Weights as those seen leave them uncertain (a Bayesian bootstrap)."""
        sums = [0.0, *accumulate(_exponential(random) for _ in like)]
        return cls(like, sums, _exponential(random), _exponential(random))

    def share(self, used: float, random: Random) -> float:
        """The share of its budget that one will use which has used so much.

        One that was seen to go on at a later share stands for what lies beyond: the weight of what
        is not over is spread over later ends (Efron's way to the estimate of Kaplan and Meier).
        """
        while True:
            first = bisect_right(self.like, (used, math.inf))
            above = self.sums[-1] - self.sums[first]
            chosen = random.random() * (above + self.whole + self.anywhere)
            if chosen >= above:
                whole = chosen < above + self.whole
                return 1.0 if whole else used + random.random() * (1.0 - used)
            index = bisect_right(self.sums, self.sums[first] + chosen) - 1
            seen = self.like[min(max(index, first), len(self.like) - 1)]
            if seen.over:
                return seen.share
            used = seen.share


def _exponential(random: Random) -> float:
    return -math.log(1.0 - random.random())


@dataclass(frozen=True, slots=True)
class _Ahead:
    """An open session: what it used and may use (seconds of the clock that counts)."""

    used: float
    budget: float
    like: str  # which list of the seen is its guide
    rate: float | None  # US dollars a second
    running: bool
    waits: float  # seconds until it may go on
    ending: bool
    gpus: int  # devices that it has while it works

    def draw(self, likelihood: _Likelihood, random: Random) -> float:
        """Seconds still to be used."""
        if self.ending or self.used >= self.budget:
            return 0.0
        return likelihood.share(self.used / self.budget, random) * self.budget - self.used


def forecast(state: State, run: RunState, clock: Clock) -> Forecast | None:
    """The forecast of a run as of now; None once it is over."""
    make = prospect(state, run, clock)
    return None if make is None else make()


def prospect(
    state: State, run: RunState, clock: Clock, guides: Sequence[SessionState] = ()
) -> Callable[[], Forecast] | None:
    """What makes the forecast of a run as of now; None once it is over.

    `guides` are sessions of other runs that tell what its own do not yet: how much of a budget is
    used, and what a second costs.

    All that it needs of the state has been read when this returns: the making, which takes some
    hundredths of a second, may happen on any thread, while the state goes on.
    """
    boot, now, wall = clock.boot(), clock.now(), clock.wall()
    known = [state.sessions[s] for s in run.sessions if s in state.sessions]
    going = [s for s in known if not s.over]
    if not going:
        return None
    limited = all(budgets.counted(s.budget, s.counts) for s in going)
    told = [*known, *guides]
    seen = _seen(told, boot, now)
    paused = sum(s.pause is not None and s.pause.until is None for s in going)
    count = len(going)
    basis = f"sessions of the run: {sum(s.over for s in known)} ended, {count} open"
    if guides:
        basis += f"; {len(guides)} of other runs as a guide"
    if not limited:
        without = f"{basis}; not all have a time limit"
        return lambda: Forecast(None, None, None, LEVEL, count, without)
    rates = _rates(told, boot, now)
    ahead = [_ahead(s, seen, rates, clock) for s in going]
    slots = _slots(run, going)
    basis += f"; {slots} at a time"
    if paused:
        basis += f"; {paused} of them paused, taken to go on at once"
    priced = all(one.rate is not None for one in ahead)
    unpriced = sum(s.usage.unpriced for s in known)
    if priced and unpriced:
        basis += f"; the cost lacks {unpriced} calls whose price is not known"
    pace, share = _pace(told, boot, now)
    spent = budgets.used_by_run(run, known, boot, now)
    left_of_wall = _left(run, "wall", spent)
    on_gpus = any(s.want.count for s in known)

    def make() -> Forecast:
        random = Random(SEED)
        finishes, actives, costs, gpus = [], [], [], []
        for _ in range(max(_FEWEST, min(_MOST, _WORK // len(ahead)))):
            likely = {like: _Likelihood.drawn(those, random) for like, those in seen.items()}
            left = [one.draw(likely[one.like], random) for one in ahead]
            finishes.append(_makespan(ahead, left, pace, slots))
            actives.append((spent["active"] or 0.0) + share * sum(left))
            on_devices = sum(one.gpus * more for one, more in zip(ahead, left, strict=True))
            gpus.append((spent["gpu"] or 0.0) + share * on_devices)
            costs.append(
                (spent["cost"] or 0.0)
                + sum((one.rate or 0.0) * more for one, more in zip(ahead, left, strict=True))
            )
        return Forecast(
            finish=_time(wall, finishes, left_of_wall),
            active=_amount(actives, _hard(run, "active")),
            cost=_amount(costs, _hard(run, "cost")) if priced else None,
            level=LEVEL,
            open=count,
            basis=basis,
            gpu=_amount(gpus, _hard(run, "gpu")) if on_gpus else None,
        )

    return make


def _seen(known: Sequence[SessionState], boot: str, now: float) -> dict[str, list[_Seen]]:
    """Where sessions ended or stand, by model; under "" all of them.

    A model has a list of its own once one of its sessions ended.
    """
    found: dict[str, list[_Seen]] = {"": []}
    for session in known:
        budget = budgets.allowed(session, boot, now)
        if not budget or not session.begun:
            continue
        if session.over and session.outcome in ("infrastructure", "stopped_by_operator"):
            continue
        share = (budgets.used(session, boot, now)[session.counts] or 0.0) / budget
        seen = _Seen(min(1.0, share), session.over or _ending(session) or share >= 1.0)
        found[""].append(seen)
        found.setdefault(name_of(session), []).append(seen)
    return {
        name: sorted(like)
        for name, like in found.items()
        if name == "" or any(seen.over for seen in like)
    }


def _ending(session: SessionState) -> bool:
    return session.state == "verifying" or bool(session.stopping)


def _ahead(
    session: SessionState,
    seen: Mapping[str, Sequence[_Seen]],
    rates: Mapping[str, float],
    clock: Clock,
) -> _Ahead:
    used = budgets.used(session, clock.boot(), clock.now())[session.counts] or 0.0
    until = session.pause.until if session.pause is not None else None
    return _Ahead(
        used=used,
        budget=budgets.allowed(session, clock.boot(), clock.now()) or 0.0,
        like=name_of(session) if name_of(session) in seen else "",
        rate=_rate(session, used, rates),
        running=session.begun and session.pause is None,
        waits=max(0.0, until - clock.wall()) if until is not None else 0.0,
        ending=_ending(session),
        gpus=session.want.count,
    )


def _rates(known: Sequence[SessionState], boot: str, now: float) -> dict[str, float]:
    """US dollars a second, by model."""
    cost: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for session in known:
        used = budgets.used(session, boot, now)[session.counts] or 0.0
        if session.usage.cost is not None and used > 0.0:
            name = name_of(session)
            cost[name] = cost.get(name, 0.0) + session.usage.cost
            seconds[name] = seconds.get(name, 0.0) + used
    return {name: cost[name] / seconds[name] for name in cost}


def _rate(session: SessionState, used: float, rates: Mapping[str, float]) -> float | None:
    if session.model is None:
        return 0.0
    if session.usage.cost is not None and used >= 60.0:
        return session.usage.cost / used
    return rates.get(session.model)


def _slots(run: RunState, going: Sequence[SessionState]) -> int:
    """How many go on at a time: as asked for, or as many as do while others wait."""
    running = sum(s.begun and s.pause is None for s in going)
    waiting = any(s.state == "queued" for s in going)
    asked = run.spec.get("concurrency")
    if waiting and running:
        return running
    return min(len(going), asked) if isinstance(asked, int) and asked > 0 else len(going)


def _pace(known: Sequence[SessionState], boot: str, now: float) -> tuple[float, float]:
    """Seconds of wall time, and of active time, for a second of the clock that counts."""
    counted = wall = active = 0.0
    for session in known:
        used = budgets.used(session, boot, now)
        counted += used[session.counts] or 0.0
        wall += used["wall"] or 0.0
        active += used["active"] or 0.0
    return (max(1.0, wall / counted), active / counted) if counted > 0.0 else (1.0, 1.0)


def _makespan(ahead: Sequence[_Ahead], left: Sequence[float], pace: float, slots: int) -> float:
    """Seconds until the last is done, when whoever waits takes the first free slot."""
    first = sorted(range(len(ahead)), key=lambda i: not ahead[i].running)
    free = [0.0] * slots
    end = 0.0
    for index in first:
        begin = max(heapq.heappop(free), ahead[index].waits)
        done = begin + pace * left[index]
        heapq.heappush(free, done)
        end = max(end, done)
    return end


def _hard(run: RunState, key: str) -> float | None:
    limit = run.budget.get(key)
    return limit.hard if limit is not None else None


def _left(run: RunState, key: str, spent: Mapping[str, float | None]) -> float | None:
    hard = _hard(run, key)
    return None if hard is None else max(0.0, hard - (spent[key] or 0.0))


def _quantiles(values: Sequence[float], most: float | None) -> tuple[float, float, float]:
    ordered = sorted(value if most is None else min(most, value) for value in values)
    tail = (1.0 - LEVEL) / 2
    return quantile(ordered, 0.5), quantile(ordered, tail), quantile(ordered, 1.0 - tail)


def _amount(values: Sequence[float], most: float | None) -> AmountForecast:
    return AmountForecast(*(round(value, 3) for value in _quantiles(values, most)))


def _time(wall: float, seconds: Sequence[float], most: float | None) -> TimeForecast:
    return TimeForecast(*(rfc3339(wall + value) for value in _quantiles(seconds, most)))
