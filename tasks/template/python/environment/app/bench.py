"""Measure solve.py yourself: make bench. Pinned, and only for you."""

import random
import sys
import time
from itertools import combinations
from struct import pack

from solve import solve

SMALL, LARGE = 300, 2500


def numbers(count: int) -> list[int]:
    """As many numbers at random."""
    return [random.getrandbits(32) for _ in range(count)]


def main() -> int:
    """Compare with a plain count, then time a longer list."""
    for count in (0, 1, 2, SMALL):
        values = numbers(count)
        plain = sum(a > b for a, b in combinations(values, 2))
        answer = bytes(solve(memoryview(pack(f"<{count}I", *values))))
        if answer != plain.to_bytes(8, "little"):
            print(f"wrong for {count} numbers: {answer.hex()}, not {plain}")
            return 1
    given = memoryview(pack(f"<{LARGE}I", *numbers(LARGE)))
    start = time.perf_counter()
    solve(given)
    print(f"{LARGE} numbers: {(time.perf_counter() - start) * 1000:.2f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
