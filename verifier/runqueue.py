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
    """Seconds of waiting so far: of a process tree, and of the machine."""

    queue: float
    steal: float

    def since(self, before: Delay) -> float:
        """Seconds of waiting between the two samples."""
        return max(0.0, self.queue - before.queue) + max(0.0, self.steal - before.steal)


def sample(pid: int | None, cpus: Sequence[int]) -> Delay | None:
    """The waiting of the tree below `pid` so far; None where the kernel does not tell."""
    if pid is None:
        return None
    try:
        queue = sum(_queue(one) for one in _tree(pid))
    except (OSError, ValueError, IndexError):
        return None
    return Delay(queue, _steal(cpus))


def _tree(root: int) -> list[int]:
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
