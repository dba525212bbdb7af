"""Prices a batch of usage events: the hot path of the metering service."""

from dataclasses import dataclass, field

import wire


@dataclass
class Plan:
    limits: list[int]
    prices: list[int]
    burst: int

    def price(self, usage: int, units: int) -> int:
        """Nanodollars for `units` on top of `usage`, tier by tier."""
        total = 0
        for limit, price in zip(self.limits, self.prices):
            taken = min(units, max(0, limit - usage))
            total += taken * price
            usage += taken
            units -= taken
        return total


@dataclass
class Account:
    plan: Plan
    usage: int
    times: list[int] = field(default_factory=list)
    charged: int = 0
    units: int = 0


@dataclass
class Event:
    account: int
    region: int
    time: int
    units: int
    key: int


class Batch:
    def __init__(self, given: memoryview) -> None:
        plans, accounts, events, self.window, *_ = wire.HEAD.unpack_from(given, 0)
        at = wire.HEAD.size
        self.plans = []
        for _ in range(plans):
            *numbers, burst, _zero = wire.PLAN.unpack_from(given, at)
            self.plans.append(Plan(numbers[: wire.TIERS], numbers[wire.TIERS :], burst))
            at += wire.PLAN.size
        self.accounts = []
        for _ in range(accounts):
            plan, _zero, usage = wire.ACCOUNT.unpack_from(given, at)
            self.accounts.append(Account(self.plans[plan], usage))
            at += wire.ACCOUNT.size
        self.events = []
        for _ in range(events):
            self.events.append(Event(*wire.EVENT.unpack_from(given, at)))
            at += wire.EVENT.size
        self.seen: set[int] = set()

    def charge(self, event: Event) -> int:
        """What one event costs; counts it."""
        if event.key in self.seen:
            return wire.DUPLICATE
        self.seen.add(event.key)
        account = self.accounts[event.account]
        cost = account.plan.price(account.usage, event.units)
        cost = cost * wire.REGIONS[event.region] // 1000
        # Times never fall, so that only the one `burst` places back has to be looked at.
        times, burst = account.times, account.plan.burst
        times.append(event.time)
        if len(times) > burst and times[-1 - burst] > event.time - self.window:
            cost = cost * 5 // 4
        account.usage += event.units
        account.units += event.units
        account.charged += cost
        return cost


def solve(given: memoryview) -> bytes:
    """The answer to one batch, as wire.py lays it out."""
    batch = Batch(given)
    answer = bytearray()
    for event in batch.events:
        answer += wire.CHARGE.pack(batch.charge(event))
    for account in batch.accounts:
        answer += wire.TOTAL.pack(account.charged, account.units)
    return bytes(answer)
