"""How long others kept a process tree from its CPU, and us from looking at the clock.

The kernel counts, for every thread, the time that it was ready to run and had to wait
(/proc/PID/task/TID/schedstat, second field), and for every CPU the time that a hypervisor gave to
another machine (steal). A thread's own sleep is in neither: it is its own time.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_STEAL = 8  # field of a cpu line in /proc/stat
_MOST_PROCESSES = 4096


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds of waiting so far, of processes in a run queue and of CPUs given to other machines.

    `queue` is exact to the nanosecond, `steal` to the clock tick (10 ms). `clock` is what this
    thread itself waited: it may have looked at the clock that much too late. `others` is what else
    ran on the CPUs of a program of several threads (see `verifier.occupancy`).
    """

    queue: float
    steal: float
    clock: float = 0.0
    others: float = 0.0

    def since(self, before: Delay) -> Delay:
        """The waiting between the two samples."""
        return Delay(
            max(0.0, self.queue - before.queue),
            max(0.0, self.steal - before.steal),
            max(0.0, self.clock - before.clock),
        )


def sample(pid: int | None, cpus: Sequence[int]) -> Delay | None:
    """The waiting so far of `pid` and all below it; None where the kernel does not tell."""
    if pid is None:
        return None
    try:
        queue = sum(_queue(one) for one in tree(pid))
        return Delay(queue, steal(cpus), own_wait())
    except (OSError, ValueError, IndexError):
        return None


def own_wait() -> float:
    """Seconds that this thread waited for a CPU so far."""
    return _waited(Path("/proc/thread-self/schedstat"))


@contextlib.contextmanager
def prompt() -> Iterator[None]:
    """Let this thread run the moment it wakes, where the machine lets it (as root).

    Whoever times others from outside is late by as long as it waits for a CPU of its own. A
    real-time class goes before all ordinary work, whatever group that is in; the thread sleeps
    nearly all the time that it has it.
    """
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    ours = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    try:
        os.sched_setscheduler(0, ours, os.sched_param(1))
    except OSError:
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)


def tree(root: int) -> list[int]:
    """A process and all below it. Raises `OSError` for one that ends meanwhile."""
    found = [root]
    for pid in found:
        if len(found) > _MOST_PROCESSES:
            break
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - names, not paths
            children = Path(f"/proc/{pid}/task/{task}/children").read_text()
            found += [int(child) for child in children.split()]
    return found


def _queue(pid: int) -> float:
    return sum(
        _waited(Path(f"/proc/{pid}/task/{task}/schedstat"))
        for task in os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - names, not paths
    )


def _waited(schedstat: Path) -> float:
    return int(schedstat.read_text().split()[1]) / 1e9


def steal(cpus: Sequence[int]) -> float:
    """Seconds that a hypervisor gave these CPUs to other machines so far."""
    names = {f"cpu{cpu}" for cpu in cpus}
    ticks = 0
    for line in Path("/proc/stat").read_text().splitlines():
        fields = line.split()
        if fields and fields[0] in names and len(fields) > _STEAL:
            ticks += int(fields[_STEAL])
    return ticks / _TICKS
