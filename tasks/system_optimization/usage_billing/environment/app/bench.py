"""Measure service.py yourself: bench.py check | time EVENTS ACCOUNTS | profile EVENTS ACCOUNTS.

Pinned, and only for you: the verifier has its own clock and batches. `check` compares with a plain
statement of the rules, `time` runs each repetition in a process of its own, as the verifier does.
"""

import cProfile
import multiprocessing
import random
import statistics
import sys
import time
from pathlib import Path

import wire

REPETITIONS = 5


def batch(events: int, accounts: int, rng: random.Random, duplicates: float = 0.08) -> bytes:
    """A batch of the usual shape."""
    window = rng.randrange(3000, 6000)
    plans = []
    for number in range(12):
        ends = sorted(rng.randrange(1, 1 << 26) for _ in range(3))
        prices = [rng.choice((0, rng.randrange(1 << 14), rng.randrange(1 << 20))) for _ in range(4)]
        plans.append(wire.PLAN.pack(*ends, 1 << 62, *prices, number * rng.randrange(10), 0))
    owners = [
        wire.ACCOUNT.pack(rng.randrange(12), 0, int((1 << 26) * rng.random()))
        for _ in range(accounts)
    ]
    names = list(range(accounts))
    rng.shuffle(names)
    span = max(1, window * events // (60 * accounts))
    times = sorted(rng.randrange(span) for _ in range(events))
    rows: list[tuple[int, int, int, int, int]] = []
    for moment in times:
        if rows and rng.random() < duplicates:
            who, region, _, units, key = rng.choice(rows)
        else:
            who = names[int(accounts * rng.random() ** 2)]
            region, units = rng.randrange(8), int((1 << 20) * rng.random() ** 6)
            key = rng.getrandbits(64) if rng.random() < 0.9 else rng.getrandbits(4) << 60
        rows.append((who, region, moment, units, key))
    packed = [wire.EVENT.pack(*row) for row in rows]
    head = wire.HEAD.pack(len(plans), accounts, events, window, 0, 0, 0, 0)
    return b"".join([head, *plans, *owners, *packed])


def rules(given: bytes) -> bytes:
    """What the answer has to be, said as plainly as can be."""
    plans, accounts, events, window, *_ = wire.HEAD.unpack_from(given)
    at = [wire.HEAD.size]

    def rows(layout, count):
        start, at[0] = at[0], at[0] + layout.size * count
        return list(layout.iter_unpack(given[start : at[0]]))

    tariffs, owners = rows(wire.PLAN, plans), rows(wire.ACCOUNT, accounts)
    seen: set[int] = set()
    usage = [owner[2] for owner in owners]
    charged = [0] * accounts
    times: list[list[int]] = [[] for _ in owners]
    charges = []
    for who, region, moment, units, key in rows(wire.EVENT, events):
        if key in seen:
            charges.append(wire.DUPLICATE)
            continue
        seen.add(key)
        tariff = tariffs[owners[who][0]]
        cost, start = 0, 0
        for end, price in zip(tariff[:4], tariff[4:8]):
            inside = min(usage[who] + units, end) - max(usage[who], start)
            cost, start = cost + max(0, inside) * price, end
        cost = cost * wire.REGIONS[region] // 1000
        if sum(moment - window < earlier for earlier in times[who]) >= tariff[8]:
            cost = cost * 5 // 4
        times[who].append(moment)
        usage[who] += units
        charged[who] += cost
        charges.append(cost)
    totals = [(charged[who], usage[who] - owners[who][2]) for who in range(accounts)]
    return b"".join([*map(wire.CHARGE.pack, charges), *(wire.TOTAL.pack(*two) for two in totals)])


def check() -> int:
    """Compare on small batches; 1 when one differs."""
    from service import solve

    for number, (events, accounts, duplicates) in enumerate(
        [(0, 3, 0), (1, 1, 0), (500, 1, 0.1), (400, 5000, 0), (1500, 20, 0.6), (2000, 40, 0.1)]
    ):
        given = batch(events, accounts, random.Random(number), duplicates)
        got, wanted = bytes(memoryview(solve(memoryview(given))).cast("B")), rules(given)
        if got == wanted:
            continue
        at = next((i for i in range(0, len(wanted), 8) if got[i : i + 8] != wanted[i : i + 8]), 0)
        what = f"event {at // 8}" if at < 8 * events else f"total {(at - 8 * events) // 8}"
        print(f"{events} events of {accounts} accounts: the answer is wrong, first at {what}")
        return 1
    print("all batches are right")
    return 0


def once(given: bytes) -> float:
    """Seconds for one batch in this process."""
    from service import solve

    view = memoryview(given)
    start = time.perf_counter()
    solve(view)
    return time.perf_counter() - start


def measure(events: int, accounts: int) -> int:
    """Print the middle of some repetitions, each in a new process."""
    given = batch(events, accounts, random.Random(time.time_ns()))
    context = multiprocessing.get_context("spawn")
    seconds = []
    for _ in range(REPETITIONS):
        with context.Pool(1) as pool:
            seconds.append(pool.apply(once, (given,)))
    middle = statistics.median(seconds)
    print(f"{events} events of {accounts} accounts: {middle * 1000:.2f} ms, ", end="")
    print(f"{middle / events * 1e9:.0f} ns an event")
    return 0


def profile(events: int, accounts: int) -> int:
    """Print where the time goes."""
    from service import solve

    given = memoryview(batch(events, accounts, random.Random(1)))
    cProfile.runctx("solve(given)", {"solve": solve, "given": given}, {}, sort="cumulative")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    match sys.argv[1:]:
        case ["check"]:
            sys.exit(check())
        case ["time", events, accounts]:
            sys.exit(measure(int(events), int(accounts)))
        case ["profile", events, accounts]:
            sys.exit(profile(int(events), int(accounts)))
        case _:
            sys.exit(__doc__)
