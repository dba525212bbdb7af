"""Prices a batch of usage events: the hot path of the metering service."""

import wire

CHARGE = wire.CHARGE.pack


def price_of(tariff: tuple[int, ...], usage: int, units: int) -> int:
    """Nanodollars for `units` on top of `usage`, tier by tier."""
    total = 0
    for tier in range(wire.TIERS):
        left = tariff[tier] - usage
        if left <= 0:
            continue
        price = tariff[wire.TIERS + tier]
        if units <= left:
            return total + units * price
        total += left * price
        usage += left
        units -= left
    return total


def solve(given: memoryview) -> bytes:
    """The answer to one batch, as wire.py lays it out."""
    plans, accounts, _events, window, *_ = wire.HEAD.unpack_from(given, 0)
    first = wire.HEAD.size
    second = first + plans * wire.PLAN.size
    third = second + accounts * wire.ACCOUNT.size
    tariffs = list(wire.PLAN.iter_unpack(given[first:second]))
    owners = list(wire.ACCOUNT.iter_unpack(given[second:third]))
    usage = [owner[2] for owner in owners]
    plan_of = [tariffs[owner[0]] for owner in owners]
    times: list[list[int]] = [[] for _ in owners]
    charged = [0] * accounts
    seen: set[int] = set()
    answer = bytearray()
    for who, region, time, units, key in wire.EVENT.iter_unpack(given[third:]):
        if key in seen:
            answer += CHARGE(wire.DUPLICATE)
            continue
        seen.add(key)
        tariff = plan_of[who]
        cost = price_of(tariff, usage[who], units) * wire.REGIONS[region] // 1000
        recent, burst = times[who], tariff[8]
        recent.append(time)
        if len(recent) > burst and recent[-1 - burst] > time - window:
            cost = cost * 5 // 4
        usage[who] += units
        charged[who] += cost
        answer += CHARGE(cost)
    for who, owner in enumerate(owners):
        answer += wire.TOTAL.pack(charged[who], usage[who] - owner[2])
    return bytes(answer)
