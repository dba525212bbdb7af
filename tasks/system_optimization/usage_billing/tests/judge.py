"""Makes batches for the billing service. The baseline's answer is the truth: no check() needed."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

HEAD = struct.Struct("<8I")
PLAN = np.dtype([("limits", "<u8", 4), ("prices", "<u8", 4), ("burst", "<u4"), ("zero", "<u4")])
ACCOUNT = np.dtype([("plan", "<u4"), ("zero", "<u4"), ("usage", "<u8")])
EVENT = np.dtype(
    [("account", "<u4"), ("region", "<u4"), ("time", "<u4"), ("units", "<u4"), ("key", "<u8")]
)
REGIONS = 8
MOST_UNITS = 1 << 20
MOST_PRICE = 1 << 20
NO_LIMIT = 1 << 62


def cases(params: dict[str, Any]) -> list[dict[str, Any]]:
    tests = [
        ("no_events", 0, 3, {}),
        ("one_event", 1, 1, {}),
        ("one_account", 700, 1, {}),
        ("an_account_for_each", 900, 60_000, {}),
        ("many_duplicates", 1500, 20, {"duplicates": 0.7}),
        ("large_amounts", 1200, 30, {"large": True}),
        ("all_at_once", 800, 15, {"span": 1}),
        ("near_keys", 1500, 40, {"near": True, "duplicates": 0.3}),
        ("busy", 4000, 60, {}),
    ]
    untimed = [
        {"name": name, "timed": False, "params": {"events": events, "accounts": accounts, **more}}
        for name, events, accounts, more in tests
    ]
    return [*untimed, {"name": "timed", "timed": True, "params": params}]


def generate(params: dict[str, Any], seed: int) -> tuple[bytes, int]:
    rng = np.random.default_rng(seed)
    count, accounts = params["events"], params["accounts"]
    plans = _plans(rng, large=params.get("large", False))
    window = int(rng.integers(3_000, 6_000))
    owners = np.zeros(accounts, ACCOUNT)
    owners["plan"] = rng.integers(0, len(plans), accounts)
    # Most accounts are somewhere in the first tiers, and some cross into the next one.
    reach = plans["limits"][owners["plan"], 2].astype(np.float64)
    owners["usage"] = (reach * rng.random(accounts) * 1.2).astype(np.uint64)
    events = _events(rng, count, accounts, window, params)
    head = HEAD.pack(len(plans), accounts, count, window, 0, 0, 0, 0)
    data = head + plans.tobytes() + owners.tobytes() + events.tobytes()
    return data, 8 * count + 16 * accounts


def _plans(rng: np.random.Generator, *, large: bool) -> np.ndarray:
    plans = np.zeros(12, PLAN)
    low, high = (1 << 34, 1 << 35) if large else (1, 1 << 24)
    first = rng.integers(low, high, 12).astype(np.uint64)
    for tier in range(3):
        plans["limits"][:, tier] = first
        first = first + rng.integers(0, 1 << 25, 12).astype(np.uint64)
    plans["limits"][:, 3] = NO_LIMIT
    most = MOST_PRICE if large else 1 << 14
    plans["prices"] = rng.integers(most // 2 if large else 1, most + 1, (12, 4))
    plans["prices"][rng.random((12, 4)) < 0.05] = 0
    plans["burst"] = rng.integers(1, 120, 12)
    plans["burst"][0] = 0
    return plans


def _events(
    rng: np.random.Generator, count: int, accounts: int, window: int, params: dict[str, Any]
) -> np.ndarray:
    events = np.zeros(count, EVENT)
    # Few accounts make most of the traffic.
    rank = (accounts * rng.random(count) ** 2).astype(np.int64)
    events["account"] = rng.permutation(accounts)[rank]
    events["region"] = rng.integers(0, REGIONS, count)
    # An account of mean traffic has about 60 events in a window.
    span = params.get("span", max(1, window * count // (60 * accounts)))
    start = int(rng.integers(0, 1 << 31))
    events["time"] = start + np.sort(rng.integers(0, span, count))
    events["units"] = (MOST_UNITS * rng.random(count) ** 6).astype(np.int64)
    events["units"][rng.random(count) < 0.001] = MOST_UNITS
    if params.get("near"):
        # Keys that share one half with others, or are very small or very large.
        halves = rng.integers(0, 1 << 32, 40, dtype=np.uint64)
        high, low = rng.choice(halves, count), rng.choice(halves, count)
        events["key"] = (high << np.uint64(32)) | low
        events["key"][::7] = np.uint64(2**64 - 1) - events["key"][::7] % np.uint64(3)
        events["key"][::11] = events["key"][::11] % np.uint64(5)
    else:
        events["key"] = rng.integers(0, 1 << 64, count, dtype=np.uint64, endpoint=False)
    # A retry repeats an earlier event; now and then one of another account has the same key.
    again = np.flatnonzero(rng.random(count) < params.get("duplicates", 0.08))
    again = again[again > 0]
    first = (again * rng.random(len(again))).astype(np.int64)
    events["key"][again] = events["key"][first]
    same = rng.random(len(again)) < 0.95
    for name in ("account", "region", "units"):
        events[name][again[same]] = events[name][first[same]]
    return events
