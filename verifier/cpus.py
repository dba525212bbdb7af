"""Which CPU measures, which ones work, and whose turn it is to measure.

With two or more CPUs the last one is kept for timed repetitions and the others build, judge and
drive. A task of N threads is measured on the last N; where there are no more than N, building and
judging happen on the same ones, at other times. Two verifiers on one machine take turns on a CPU.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier import turns
from verifier.gpus.access import NO_GPUS, Access
from verifier.request import VerifyRequest
from verifier.sandbox.spec import Backend

if TYPE_CHECKING:
    from tasks import Task


@dataclass(frozen=True, slots=True)
class Cpus:
    """Host CPU numbers. With a single CPU both sets are the same."""

    measuring: tuple[int, ...]
    working: tuple[int, ...]

    @property
    def apart(self) -> bool:
        """Whether nothing of the verifier's own runs where it measures."""
        return not set(self.measuring) & set(self.working)


@dataclass(frozen=True, slots=True)
class Machine:
    """Where things run: the isolation, the CPUs, and the GPUs of a task that needs some."""

    backend: Backend
    cpus: Cpus
    gpus: Access = NO_GPUS


def measuring_set(every: Sequence[int], threads: int) -> tuple[int, ...]:
    """Of these CPUs, those on which a task of so many threads is measured: the last ones."""
    return tuple(sorted(every)[-max(1, threads) :])


def threads_of(task: Task) -> int:
    """The CPUs that a task is measured on; a timed foreign one on all it states."""
    if task.autolab is not None:
        return task.autolab.driver.threads
    from verifier.foreign.clock import threads

    return threads(task)


def choose(request: VerifyRequest, threads: int = 1) -> Cpus:
    """The sets that the request names, or the default split of the CPUs we may use."""
    ours = sorted(os.sched_getaffinity(0))
    measuring = request.measuring_cpus or measuring_set(ours, threads)
    rest = tuple(cpu for cpu in ours if cpu not in measuring)
    return Cpus(tuple(measuring), request.working_cpus or rest or tuple(ours))


@contextlib.contextmanager
def working(cpus: Cpus) -> Iterator[None]:
    """Keep the calling thread off the measuring CPUs."""
    before = os.sched_getaffinity(0)
    # Without the right to move (a narrower cpuset, say), nothing is lost but quiet.
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, cpus.working)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, before)


def turn(cpus: Cpus, patience: float = turns.PATIENCE) -> contextlib.AbstractContextManager[None]:
    """Hold the machine-wide right to measure on these CPUs; see `verifier.turns`."""
    return turns.turn({f"cpu-{cpu}": f"CPU {cpu}" for cpu in sorted(cpus.measuring)}, patience)
