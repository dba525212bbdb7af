"""Other work on the machine, for measurements that shall withstand it.

A process for each CPU spins or streams memory in bursts of 5 to 400 ms, with pauses as long.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

_SHORTEST, _LONGEST = 0.005, 0.4  # seconds
_STREAM = 64 << 20  # bytes


@contextmanager
def noise(seed: int = 1) -> Iterator[None]:
    """Disturb every CPU meanwhile."""
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_disturb, args=(cpu, seed + cpu, os.getpid()), daemon=True)
        for cpu in sorted(os.sched_getaffinity(0))
    ]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


def _disturb(cpu: int, seed: int, parent: int) -> None:
    os.sched_setaffinity(0, {cpu})
    chance, block = random.Random(seed), bytearray(_STREAM)
    while os.getppid() == parent:
        end = time.monotonic() + chance.uniform(_SHORTEST, _LONGEST)
        streams = chance.random() < 0.5
        while time.monotonic() < end:
            bytes(block) if streams else sum(range(2000))
        time.sleep(chance.uniform(_SHORTEST, _LONGEST))
