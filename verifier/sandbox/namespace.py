"""The processes of one pid namespace, seen and stopped from the host.

Used where there is no control group: an ordinary user may look at, and signal, every process of a
namespace that belongs to them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_PATIENCE = 10.0
_SURELY = 0.1  # seconds of nothing but waiting for a stopped child, until it is believed
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    """One line of /proc: `state` is the kernel's letter, `cpu` in seconds with reaped children.

    `own_cpu` leaves the children out; `memory` is what it has in RAM, in bytes; `began` is
    CLOCK_BOOTTIME in seconds.
    """

    pid: int
    parent: int
    state: str
    cpu: float
    own_cpu: float = 0.0
    memory: int = 0
    began: float = 0.0


@dataclass(slots=True)
class PidNamespace:
    """The tree that lives in the pid namespace with this inode number."""

    inode: int
    _stopped_before: set[int] = field(default_factory=set)

    def processes(self) -> list[Process]:
        """All processes that can run or be waited for."""
        found = []
        for entry in os.scandir("/proc"):
            if entry.name.isdigit() and _namespace_of(entry.name) == self.inode:
                process = _read(int(entry.name))
                if process is not None:
                    found.append(process)
        return found

    def freeze(self) -> None:
        """Stop everything, parents first; returns when a whole pass finds all of them stopped.

        Processes that had stopped by themselves are remembered and stay stopped at `thaw`. One that
        waits in the kernel until a child of its vfork has gone on, which is stopped itself, cannot
        be stopped now and will be before it runs again: that is enough.
        """
        mine: set[int] = set()
        same: set[int] = set()
        since = time.monotonic()
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            processes = self.processes()
            for process in processes:
                if process.state == "T" and process.pid not in mine:
                    self._stopped_before.add(process.pid)
            running = [p for p in processes if p.state not in "TtZX"]
            if not running:
                return
            seen = {p.pid for p in processes} if _wait_for_children(running, processes) else set()
            if not seen or seen != same:  # a moment of this is a fork that is not over yet
                same, since = seen, time.monotonic()
            elif time.monotonic() - since > _SURELY and all(p.pid in mine for p in running):
                return
            for process in _parents_first(running):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGSTOP)
                    mine.add(process.pid)
            time.sleep(0.0005)
        raise TimeoutError(f"pid namespace {self.inode} did not stop in {_PATIENCE:.0f} s")

    def thaw(self) -> None:
        """Let everything run that `freeze` had stopped.

        Children first: a shell that woke before its job would take the job for suspended.
        """
        for process in reversed(_parents_first(self.processes())):
            if process.pid not in self._stopped_before:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGCONT)
        self._stopped_before.clear()

    def ask_to_end(self, first: int | None) -> None:
        """Send SIGTERM to all but the `first` process and the terminal that others live in.

        Should the terminal end first, its hangup would end them before they have heard of this.
        """
        for process in self.processes():
            if process.pid != first and not _is_terminal(process.pid):
                _signal(process.pid, self.inode, signal.SIGTERM)

    def heeds(self, first: int | None) -> bool:
        """Whether there is a process, beside those, that does not ignore SIGTERM."""
        return any(
            process.state not in "ZX"
            and process.pid != first
            and not _is_terminal(process.pid)
            and not _ignores_term(process.pid)
            for process in self.processes()
        )

    def cpu_seconds(self) -> float:
        """CPU time of the living processes and of the children that they waited for."""
        return sum(process.cpu for process in self.processes())


def _signal(pid: int, inode: int, number: signal.Signals) -> None:
    """Through a descriptor that is held against the namespace: the number may be another's now."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if _namespace_of(str(pid)) == inode:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(descriptor, number)
    finally:
        os.close(descriptor)


def _is_terminal(pid: int) -> bool:
    return (_status(pid, "Name") or "").startswith("tmux")


def _ignores_term(pid: int) -> bool:
    mask = _status(pid, "SigIgn")
    return mask is None or bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)


def _status(pid: int, key: str) -> str | None:
    """A line of /proc/PID/status; None for a process that is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return None
    wanted = f"{key}:"
    return next((x[len(wanted) :].strip() for x in text.splitlines() if x.startswith(wanted)), None)


def namespace_inode(pid: int) -> int | None:
    """The inode of a process's pid namespace, or None when it is gone or not ours."""
    return _namespace_of(str(pid))


def _namespace_of(pid: str) -> int | None:
    try:
        return os.stat(f"/proc/{pid}/ns/pid").st_ino  # noqa: PTH116 - called for every process
    except OSError:
        return None


def _read(pid: int) -> Process | None:
    fields = _fields(f"/proc/{pid}/stat")
    if fields is None:
        return None
    state = fields[0]
    if state == "Z":  # the first thread may have ended before the others
        states = [_fields(path) for path in _threads(pid)]
        state = next((f[0] for f in states if f is not None and f[0] not in "ZX"), state)
    cpu = sum(int(ticks) for ticks in fields[11:15]) / _TICKS
    own = sum(int(ticks) for ticks in fields[11:13]) / _TICKS
    began, pages = int(fields[19]) / _TICKS, max(0, int(fields[21]))
    return Process(pid, int(fields[1]), state, cpu, own, pages * _PAGE, began)


def _threads(pid: int) -> list[str]:
    try:
        return [f"{entry.path}/stat" for entry in os.scandir(f"/proc/{pid}/task")]
    except OSError:
        return []


def _wait_for_children(running: Iterable[Process], processes: Iterable[Process]) -> bool:
    """Whether each of those waits in the kernel and has a child that is stopped or waits too."""
    parents = {p.parent for p in processes if p.state in "TtD"}
    return all(p.pid in parents and _waits_in_the_kernel(p.pid) for p in running)


def _waits_in_the_kernel(pid: int) -> bool:
    """Whether every thread is in a sleep that no signal ends (D), or stopped, or gone."""
    states = [_fields(path) for path in _threads(pid)]
    return all(fields is None or fields[0] in "DTtZX" for fields in states)


def _fields(file: str) -> list[str] | None:
    """The fields of a stat file after the name, which may hold any bytes."""
    try:
        return Path(file).read_bytes().rpartition(b")")[2].decode().split() or None
    except OSError:
        return None


def _parents_first(processes: Iterable[Process]) -> list[Process]:
    by_pid = {process.pid: process for process in processes}

    def depth(process: Process) -> int:
        steps = 0
        while process.parent in by_pid and steps < len(by_pid):
            process = by_pid[process.parent]
            steps += 1
        return steps

    return sorted(by_pid.values(), key=depth)
