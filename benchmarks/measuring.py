"""CPU time, memory and tables: what every benchmark here shares."""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of CPU (user and kernel, all threads of one process) and of wall-clock time."""

    cpu: float
    wall: float

    def __sub__(self, before: Spent) -> Spent:
        return Spent(self.cpu - before.cpu, self.wall - before.wall)


def spent() -> Spent:
    """What this process has spent so far, without its children."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Spent(used.ru_utime + used.ru_stime, time.monotonic())


def memory(pid: int | str = "self") -> int:
    """Resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def machine() -> str:
    """Where and with what this was measured, in words."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    cpus = len(os.sched_getaffinity(0))
    gib = os.sysconf("SC_PHYS_PAGES") * _PAGE / 2**30
    load = os.getloadavg()[0]
    cpu = models[0] if models else platform.machine()
    return (
        f"{time.strftime('%Y-%m-%d')}: {cpus} CPUs ({cpu}), "
        f"{gib:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}; "
        f"load {load:.1f} before it began"
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the others lie; the largest for 1."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lines with aligned columns; all but the first column to the right."""
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return "  ".join([first, *rest]).rstrip()

    return "\n".join([title, line(head), line(["-" * w for w in widths]), *map(line, rows), ""])


def ratio(value: float, goal: float) -> str:
    """How often `value` goes into its goal: 2.0 is twice as good as asked, 0.5 half."""
    return f"{goal / value:.1f}" if value > 0 else "-"
