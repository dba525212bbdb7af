"""How long others kept a process tree from its CPU.

The kernel counts, for every thread, the time that it was ready to run and had to wait
(/proc/PID/task/TID/schedstat, second field), and for every CPU the time that a hypervisor gave to
another machine (steal). A thread's own sleep is in neither: it is its own time.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_STEAL = 8  # field of a cpu line in /proc/stat
_MOST_PROCESSES = 4096


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds of waiting so far, of processes in a run queue and of CPUs given to other machines.

    `queue` is exact to the nanosecond, `steal` to the clock tick (10 ms).
    """

    queue: float
    steal: float

    def since(self, before: Delay) -> Delay:
        """The waiting between the two samples."""
        queue, steal = self.queue - before.queue, self.steal - before.steal
        return Delay(max(0.0, queue), max(0.0, steal))


def sample(pid: int | None, cpus: Sequence[int]) -> Delay | None:
    """The waiting of the processes below `pid` so far; None where the kernel does not tell.

    `pid` itself, which is the sandbox's idle first process, does not count.
    """
    if pid is None:
        return None
    try:
        queue = sum(_queue(one) for one in _tree(pid))
    except (OSError, ValueError, IndexError):
        return None
    return Delay(queue, _steal(cpus))


def _tree(root: int) -> list[int]:
    tree = [root]
    for pid in tree:
        if len(tree) > _MOST_PROCESSES:
            break
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - names, not paths
            children = Path(f"/proc/{pid}/task/{task}/children").read_text()
            tree += [int(child) for child in children.split()]
    return tree[1:]


def _queue(pid: int) -> float:
    return sum(
        int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[1]) / 1e9
        for task in os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - names, not paths
    )


def _steal(cpus: Sequence[int]) -> float:
    names = {f"cpu{cpu}" for cpu in cpus}
    ticks = 0
    for line in Path("/proc/stat").read_text().splitlines():
        fields = line.split()
        if fields and fields[0] in names and len(fields) > _STEAL:
            ticks += int(fields[_STEAL])
    return ticks / _TICKS
