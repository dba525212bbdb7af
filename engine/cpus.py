"""Which CPUs the engine and the agents use, so that the one that measures is left in peace.

With two or more CPUs the last one is kept for the verifier's timed repetitions. The engine, its
keeper and every agent run on the others; only a verifier starts with all of them at hand. A task of
several threads is measured on as many CPUs, the last ones; agents that may run there stand still.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from verifier.cpus import measuring_set


@dataclass(frozen=True, slots=True)
class Cpus:
    """The host CPU numbers that this process may use, sorted."""

    every: tuple[int, ...]

    @property
    def shared(self) -> bool:
        """Whether agents and measurements have to share one CPU."""
        return len(self.every) < 2

    @property
    def working(self) -> tuple[int, ...]:
        """Those that do not measure; with a single CPU, that one."""
        return self.every if self.shared else self.every[:-1]

    def disturbed(self, threads: int) -> bool:
        """Whether agents may run where a task of so many threads is measured."""
        return bool(set(measuring_set(self.every, threads)) & set(self.working))

    def keep_off_measuring(self) -> None:
        """Keep this thread, and all that it starts, off the measuring CPU."""
        # Where we may not move (a narrower cpuset, say) nothing is lost but some quiet.
        with suppress(OSError):
            os.sched_setaffinity(0, self.working)

    @contextmanager
    def all_at_hand(self) -> Iterator[None]:
        """What this thread starts meanwhile may use every CPU."""
        before = os.sched_getaffinity(0)
        with suppress(OSError):
            os.sched_setaffinity(0, self.every)
        try:
            yield
        finally:
            with suppress(OSError):
                os.sched_setaffinity(0, before)


def usable() -> Cpus:
    """The CPUs of this process."""
    return Cpus(tuple(sorted(os.sched_getaffinity(0))))
