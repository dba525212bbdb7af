"""Prices a batch of usage events: the hot path of the metering service."""

import numpy as np
import wire

PLAN = np.dtype([("limits", "<i8", 4), ("prices", "<i8", 4), ("burst", "<u4"), ("zero", "<u4")])
ACCOUNT = np.dtype([("plan", "<u4"), ("zero", "<u4"), ("usage", "<i8")])
EVENT = np.dtype(
    [("account", "<u4"), ("region", "<u4"), ("time", "<u4"), ("units", "<u4"), ("key", "<u8")]
)
REGIONS = np.array(wire.REGIONS, np.int64)


def fresh(keys: np.ndarray) -> np.ndarray:
    """The places of the events whose key did not occur before."""
    return np.sort(np.unique(keys, return_index=True)[1])


def price_of(usage: np.ndarray, plan: np.ndarray, tariffs: np.ndarray) -> np.ndarray:
    """Nanodollars for everything up to each `usage` under its plan."""
    total = np.zeros(len(usage), np.int64)
    start = np.zeros(len(usage), np.int64)
    for tier in range(wire.TIERS):
        limit = tariffs["limits"][plan, tier]
        total += np.clip(usage - start, 0, limit - start) * tariffs["prices"][plan, tier]
        start = limit
    return total


def solve(given: memoryview) -> bytes:
    """The answer to one batch, as wire.py lays it out."""
    plans, accounts, count, window, *_ = wire.HEAD.unpack_from(given, 0)
    at = wire.HEAD.size
    tariffs = np.frombuffer(given, PLAN, plans, at)
    at += tariffs.nbytes
    owners = np.frombuffer(given, ACCOUNT, accounts, at)
    at += owners.nbytes
    events = np.frombuffer(given, EVENT, count, at)

    charges = np.full(count, wire.DUPLICATE, np.int64)
    kept = fresh(events["key"])
    kept = kept[np.argsort(events["account"][kept], kind="stable")]
    who = events["account"][kept]
    units = events["units"][kept].astype(np.int64)
    times = events["time"][kept].astype(np.int64)

    # Running sums over all accounts at once; each account's own begins where it begins.
    edges = np.zeros(accounts + 1, np.int64)
    np.cumsum(np.bincount(who, minlength=accounts), out=edges[1:])
    running = np.zeros(len(who) + 1, np.int64)
    np.cumsum(units, out=running[1:])
    begin = edges[:-1]
    after = running[1:] + (owners["usage"] - running[begin])[who]
    plan = owners["plan"][who]
    costs = price_of(after, plan, tariffs) - price_of(after - units, plan, tariffs)
    costs = costs * REGIONS[events["region"][kept]] // 1000

    place = np.arange(len(who))
    back = place - tariffs["burst"][plan]
    busy = back >= begin[who]
    busy[busy] = times[back[busy]] > times[busy] - window
    costs[busy] = costs[busy] * 5 // 4

    charges[kept] = costs
    totals = np.zeros((accounts, 2), np.int64)
    sums = np.zeros(len(who) + 1, np.int64)
    np.cumsum(costs, out=sums[1:])
    totals[:, 0] = np.diff(sums[edges])
    totals[:, 1] = np.diff(running[edges])
    return charges.tobytes() + totals.tobytes()
