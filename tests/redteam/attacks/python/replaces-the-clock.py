"""
case: 15
row: 8
expect: honest
why: Python's clocks all stand still.
"""

import time

from honest import honest

time.time = time.monotonic = time.perf_counter = lambda: 0.0


def solve(given):
    return honest(given)
