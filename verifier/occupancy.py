"""What others took of several CPUs while a program of several threads ran there.

Threads that share CPUs wait for one another too, so their waiting alone does not tell; and others
may use a CPU that the program leaves idle, so neither does their work. What was taken is no more
than either: the work that was done on those CPUs by anybody less the program's own (and that of the
thread which holds the clock), and the time for which its threads waited, those that have ended
included: by the kernel's statistics of tasks, or where we may not ask for them by the pressure
accounting of its control group, which is coarser.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from verifier.runqueue import Delay, own_wait, steal, tree
from verifier.sandbox.spec import SandboxProcess
from verifier.taskstats import waited

_TICKS = os.sysconf("SC_CLK_TCK")
_STAT_WORK = (1, 2, 3, 6, 7)  # user, nice, system, irq, softirq of a cpu line in /proc/stat
_STAT_SLACK_SEC = 0.02  # for each CPU: the kernel charges whole ticks to whoever runs at them
_EXACT_SLACK_SEC = 0.001  # what runs is charged a little late
_STEP_ASIDE_SEC = 0.0002


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Seconds so far: work on the CPUs by anybody, the program's, and the clock holder's.

    `stalled` is for how long the program's threads waited; `slack` how far `work` may be
    off.
    """

    work: float
    own: float
    stalled: float
    holder: float
    steal: float
    clock: float
    slack: float

    def since(self, before: Occupancy) -> Delay:
        """What others took between the two samples."""
        known = (self.own - before.own) + (self.holder - before.holder)
        others = (self.work - before.work) - known - self.slack
        others = min(others, self.stalled - before.stalled)
        return Delay(
            queue=0.0,
            steal=max(0.0, self.steal - before.steal),
            clock=max(0.0, self.clock - before.clock),
            others=max(0.0, others),
        )


def occupancy(process: SandboxProcess, cpus: Sequence[int]) -> Occupancy | None:
    """The sample of this moment; None where the kernel or the control groups do not tell.

    Steps aside for an instant first, so that this thread's own work so far is counted.
    """
    time.sleep(_STEP_ASIDE_SEC)
    own, stalled = process.cpu_seconds(), _stalled(process, len(cpus))
    if own is None or stalled is None:
        return None
    here = bool(os.sched_getaffinity(0) & set(cpus))
    try:
        exact = _work_exact(cpus)
        work = exact if exact is not None else _work_in_ticks(cpus)
        slack = _EXACT_SLACK_SEC if exact is not None else _STAT_SLACK_SEC
        holder = time.thread_time() if here else 0.0
        return Occupancy(
            work=work,
            own=own,
            stalled=stalled,
            holder=holder,
            steal=steal(cpus),
            clock=own_wait(),
            slack=slack * len(cpus),
        )
    except (OSError, ValueError, IndexError):
        return None


def _stalled(process: SandboxProcess, cpus: int) -> float | None:
    with contextlib.suppress(OSError):
        waiting = None if process.init_pid is None else waited(tree(process.init_pid))
        if waiting is not None:
            return waiting
    average = process.stalled_seconds()
    return None if average is None else average * cpus


def _work_exact(cpus: Sequence[int]) -> float | None:
    """From the accounting of the topmost control group, to the nanosecond; None without one."""
    file = _percpu_file()
    if file is None:
        return None
    used = file.read_text().split()
    return sum(int(used[cpu]) for cpu in cpus) / 1e9


def _work_in_ticks(cpus: Sequence[int]) -> float:
    names = {f"cpu{cpu}" for cpu in cpus}
    ticks = 0
    for line in Path("/proc/stat").read_text().splitlines():
        fields = line.split()
        if fields and fields[0] in names:
            ticks += sum(int(fields[number]) for number in _STAT_WORK)
    return ticks / _TICKS


@cache
def _percpu_file() -> Path | None:
    """`cpuacct.usage_percpu` of the whole machine: version 1 only, and only at the very top."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            left, _, right = line.partition(" - ")
            root, mount = left.split()[3:5]
            kind, _, options = right.split()[:3]
            file = Path(mount) / "cpuacct.usage_percpu"
            if kind == "cgroup" and root == "/" and "cpuacct" in options and _whole(file):
                return file
    return None


def _whole(file: Path) -> bool:
    """Whether it has counted at least what this machine's CPUs are known to have worked.

    In a container the topmost group that can be seen is not the machine's.
    """
    try:
        counted = sum(map(int, file.read_text().split())) / 1e9
    except (OSError, ValueError):
        return False
    return counted >= 0.5 * _work_in_ticks(range(os.cpu_count() or 1))
