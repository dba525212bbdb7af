"""Prices a batch of usage events: the hot path of the metering service."""

import numpy as np
import wire

PLAN = np.dtype([("limits", "<i8", 4), ("prices", "<i8", 4), ("burst", "<u4"), ("zero", "<u4")])
ACCOUNT = np.dtype([("plan", "<u4"), ("zero", "<u4"), ("usage", "<i8")])
REGIONS = np.array(wire.REGIONS, np.int64)


def fresh(keys: np.ndarray) -> np.ndarray:
    """A mask of the events whose key did not occur before.

    The upper bits of a mixed key and the place of the event make one number. Numbers are sorted
    faster than places, and equal keys become neighbours; so do few others, told apart below.
    """
    count = len(keys)
    bits = max(1, int(count).bit_length())
    mixed = keys * np.uint64(0x9E3779B97F4A7C15)
    low = np.uint64((1 << bits) - 1)
    packed = (mixed & ~low) | np.arange(count, dtype=np.uint64)
    packed.sort()
    place = (packed & low).astype(np.int64)
    head = packed >> np.uint64(bits)
    mask = np.ones(count, bool)
    alike = head[1:] == head[:-1]
    if alike.any():
        again = np.flatnonzero(alike) + 1
        if (keys[place[again]] == keys[place[again - 1]]).all():
            mask[place[again]] = False
        else:
            mask[:] = False
            mask[np.unique(keys, return_index=True)[1]] = True
    return mask


def solve(given: memoryview) -> bytes:
    """The answer to one batch, as wire.py lays it out."""
    plans, accounts, count, window, *_ = wire.HEAD.unpack_from(given, 0)
    at = wire.HEAD.size
    tariffs = np.frombuffer(given, PLAN, plans, at)
    at += tariffs.nbytes
    owners = np.frombuffer(given, ACCOUNT, accounts, at)
    at += owners.nbytes
    rows = np.frombuffer(given, np.uint64, 3 * count, at).reshape(count, 3)

    # What is known of a plan's tiers is worked out once for each plan, not for each event.
    limits, prices = tariffs["limits"], tariffs["prices"]
    starts = np.zeros((plans, 4), np.int64)
    starts[:, 1:] = limits[:, :3]
    spans = np.diff(starts, axis=1)
    paid = np.zeros((plans, 4), np.int64)
    np.cumsum(spans * prices[:, :3], axis=1, out=paid[:, 1:])
    offsets = (paid - starts * prices).ravel()
    prices = prices.ravel()

    def price_of(usage: np.ndarray, plan: np.ndarray) -> np.ndarray:
        tier = plan << 2
        for number in range(3):
            tier = tier + (usage > limits[:, number][plan])
        return offsets[tier] + usage * prices[tier]

    charges = np.full(count, wire.DUPLICATE, np.int64)
    kept = np.flatnonzero(fresh(rows[:, 2]))
    # Sixteen bits are enough for an account, and are sorted by counting.
    kept = kept[np.argsort(rows[:, 0][kept].astype(np.uint16), kind="stable")]
    # Whole rows are fetched, and taken apart afterwards: an event is in one line of the cache.
    chosen = np.take(rows, kept, axis=0).view(np.uint32)
    who = chosen[:, 0].astype(np.int64)
    times = chosen[:, 2].astype(np.int64)
    units = chosen[:, 3].astype(np.int64)

    edges = np.zeros(accounts + 1, np.int64)
    np.cumsum(np.bincount(who, minlength=accounts), out=edges[1:])
    running = np.zeros(len(who) + 1, np.int64)
    np.cumsum(units, out=running[1:])
    begin = edges[:-1]
    plan_of = owners["plan"].astype(np.int64)
    after = running[1:] + (owners["usage"] - running[begin])[who]
    plan = plan_of[who]
    # Where one event of an account ends the next one begins.
    upto = price_of(after, plan)
    costs = np.diff(upto, prepend=0)
    used = np.flatnonzero(edges[1:] > begin)
    heads = begin[used]
    costs[heads] = upto[heads] - price_of(owners["usage"][used], plan_of[used])
    costs *= REGIONS[chosen[:, 1]]
    costs //= 1000

    burst_from = begin + tariffs["burst"][plan_of]
    place = np.arange(len(who))
    can = np.flatnonzero(place >= burst_from[who])
    back = can - tariffs["burst"].astype(np.int64)[plan[can]]
    busy = can[times[back] > times[can] - window]
    costs[busy] = costs[busy] * 5 // 4

    charges[kept] = costs
    totals = np.zeros((accounts, 2), np.int64)
    sums = np.zeros(len(who) + 1, np.int64)
    np.cumsum(costs, out=sums[1:])
    totals[:, 0] = np.diff(sums[edges])
    totals[:, 1] = np.diff(running[edges])
    return charges.tobytes() + totals.tobytes()
