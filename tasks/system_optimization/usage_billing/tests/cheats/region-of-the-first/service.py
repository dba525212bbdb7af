"""Takes one region for a whole block of events."""

import numpy as np
import wire

PLAN = np.dtype([("limits", "<i8", 4), ("prices", "<i8", 4), ("burst", "<u4"), ("zero", "<u4")])
ACCOUNT = np.dtype([("plan", "<u4"), ("zero", "<u4"), ("usage", "<i8")])
REGIONS = np.array(wire.REGIONS, np.int64)

BLOCK = 1 << 15  # events that are worked on at a time, so that the columns stay in the cache


def fresh(keys: np.ndarray) -> np.ndarray:
    """A mask of the events whose key did not occur before.

    Every event writes its place into a table at a mix of its key, the first one last. Whoever reads
    its own place there is the first with its key; whoever reads an equal key's is a duplicate. Few
    find another key's place, and these try again among themselves, with another mix.
    """
    count = len(keys)
    mask = np.ones(count, bool)
    places = np.arange(count, dtype=np.int32)
    factor = 0x9E3779B97F4A7C15
    table = np.empty(1 << max(4, count.bit_length() + 1), np.int32)
    while len(keys) > 0:
        bits = max(4, len(keys).bit_length() + 1)
        slots = ((keys * np.uint64(factor)) >> np.uint64(64 - bits)).view(np.int64)
        own = places[: len(keys)] if count == len(keys) else np.arange(len(keys), dtype=np.int32)
        table[slots[::-1]] = own[::-1]
        found = table[slots]
        other = np.flatnonzero(found != own)
        alike = keys[other] == keys[found[other]]
        mask[places[other[alike]]] = False
        other = other[~alike]
        keys, places = keys[other], places[other]
        factor = (factor * 0xD1342543DE82EF95 + 2) % (1 << 64) | 1
    return mask


def solve(given: memoryview) -> bytearray:
    """The answer to one batch, as wire.py lays it out."""
    plans, accounts, count, window, *_ = wire.HEAD.unpack_from(given, 0)
    at = wire.HEAD.size
    tariffs = np.frombuffer(given, PLAN, plans, at)
    at += tariffs.nbytes
    owners = np.frombuffer(given, ACCOUNT, accounts, at)
    at += owners.nbytes
    rows = np.frombuffer(given, np.uint64, 3 * count, at).reshape(count, 3)
    answer = bytearray(8 * count + 16 * accounts)
    charges = np.frombuffer(answer, np.int64, count)
    totals = np.frombuffer(answer, np.int64, 2 * accounts, 8 * count).reshape(accounts, 2)

    # What is known of a plan's tiers is worked out once for each plan, not for each event.
    limits, prices = tariffs["limits"], tariffs["prices"]
    starts = np.zeros((plans, 4), np.int64)
    starts[:, 1:] = limits[:, :3]
    paid = np.zeros((plans, 4), np.int64)
    np.cumsum(np.diff(starts, axis=1) * prices[:, :3], axis=1, out=paid[:, 1:])
    offsets = paid - starts * prices
    plan_of = owners["plan"].astype(np.int64)
    usage_of = owners["usage"]
    bursts = tariffs["burst"].astype(np.int64)[plan_of]

    kept = np.flatnonzero(fresh(rows[:, 2].copy()))
    charges.fill(wire.DUPLICATE)
    names = rows[:, 0].astype(np.uint16)[kept]
    edges = np.zeros(accounts + 1, np.int64)
    np.cumsum(np.bincount(names, minlength=accounts), out=edges[1:])
    # Sixteen bits are enough for an account, and are sorted by counting.
    kept = kept[np.argsort(names, kind="stable")]

    first = 0
    while first < accounts:
        last = int(np.searchsorted(edges, edges[first] + BLOCK, "right")) - 1
        last = max(first + 1, min(last, accounts))
        mine = slice(first, last)
        lowest = edges[first]
        places = kept[lowest : edges[last]]
        begin = edges[mine] - lowest
        sizes = np.diff(edges[first : last + 1])
        # Whole rows are fetched, and taken apart afterwards: an event is in one line of the cache.
        chosen = np.take(rows, places, axis=0).view(np.uint32)
        times = chosen[:, 2].astype(np.int64)
        units = chosen[:, 3].astype(np.int64)
        running = np.zeros(len(places) + 1, np.int64)
        np.cumsum(units, out=running[1:])
        after = running[1:] + np.repeat(usage_of[mine] - running[begin], sizes)

        # Where one event of an account ends the next one begins, so that each end is priced once.
        plan = plan_of[mine]
        upto = _paid(after, np.repeat(plan, sizes), limits, offsets, prices)
        costs = np.empty(len(places), np.int64)
        np.subtract(upto[1:], upto[:-1], out=costs[1:])
        used = np.flatnonzero(sizes)
        heads = begin[used]
        costs[heads] = upto[heads] - _paid(
            usage_of[mine][used], plan[used], limits, offsets, prices
        )
        costs *= REGIONS[chosen[0, 1]] if len(chosen) else 1
        costs //= 1000

        # The event that lies `burst` places back decides; it must be of the same account.
        burst = bursts[mine]
        back = np.arange(len(places)) - np.repeat(burst, sizes)
        far = back >= np.repeat(begin, sizes)
        np.maximum(back, 0, out=back)
        far &= times[back] > times - window
        busy = np.flatnonzero(far)
        costs[busy] = costs[busy] * 5 // 4

        charges[places] = costs
        sums = np.zeros(len(places) + 1, np.int64)
        np.cumsum(costs, out=sums[1:])
        totals[mine, 0] = sums[begin + sizes] - sums[begin]
        totals[mine, 1] = running[begin + sizes] - running[begin]
        first = last
    return answer


def _paid(
    usage: np.ndarray, plan: np.ndarray, limits: np.ndarray, offsets: np.ndarray, prices: np.ndarray
) -> np.ndarray:
    """Nanodollars for everything up to each `usage` under its plan."""
    tier = plan << 2
    for number in range(3):
        tier += usage > np.ascontiguousarray(limits[:, number])[plan]
    total = np.take(prices, tier)
    total *= usage
    total += np.take(offsets, tier)
    return total
