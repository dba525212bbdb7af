"""Start a program with an exact set of descriptors, limits and credentials.

`subprocess` cannot join cgroups before it drops privileges, nor place descriptors at chosen
numbers, so this module forks and executes by itself. Call it from the main thread: the child asks
to die with the thread that made it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_PR_SET_PDEATHSIG = 1
_HIGH = 512  # above every descriptor number that a caller may ask for


@dataclass(frozen=True, slots=True)
class Plan:
    """How the child is to be.

    `fds` maps descriptor numbers in the child (0 and up) to descriptors here. `uid` is None to keep
    the credentials. `join` are files that take the number 0 for "me" (cgroup.procs), written before
    privileges are dropped. `rlimits` maps `resource.RLIMIT_*` to a value for both limits. `nice` is
    tried and no more: an ordinary user may not lower it.
    """

    fds: Mapping[int, int]
    uid: int | None = None
    join: Sequence[str] = ()
    rlimits: Mapping[int, int] = field(default_factory=dict)
    cpu_set: frozenset[int] | None = None
    nice: int = 0


def spawn(argv: Sequence[str], plan: Plan) -> int:
    """Execute `argv[0]` (an absolute path) in a new process with an empty environment.

    Returns its pid. Raises `OSError` naming the step that failed when it could not be executed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    report_read, report_write = os.pipe()
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _child(argv, plan, report_write, parent, libc)
    os.close(report_write)
    try:
        with os.fdopen(report_read, "rb") as report:
            failure = report.read()
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    if failure:
        os.waitpid(pid, 0)
        number, _, step = failure.decode(errors="replace").partition(" ")
        raise OSError(int(number), f"{os.strerror(int(number))}: {step}")
    return pid


def _child(
    argv: Sequence[str], plan: Plan, report: int, parent: int, libc: ctypes.CDLL
) -> None:  # never returns
    step = "start"
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.umask(0o022)
        os.chdir("/")
        report = _raise_fds(plan, report)
        for path in plan.join:
            step = f"join {path}"
            _write(path, b"0")
        step = "set the CPU affinity"
        if plan.cpu_set is not None:
            os.sched_setaffinity(0, plan.cpu_set)
        for limit, value in plan.rlimits.items():
            step = f"set resource limit {limit} to {value}"
            ceiling = resource.getrlimit(limit)[1]
            bound = value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
            resource.setrlimit(limit, (bound, bound))
        _write("/proc/self/oom_score_adj", b"500")
        if plan.nice:
            with contextlib.suppress(PermissionError):
                os.setpriority(os.PRIO_PROCESS, 0, plan.nice)
        if plan.uid is not None:
            step = f"become uid {plan.uid}"
            os.setgroups([])
            os.setresgid(plan.uid, plan.uid, plan.uid)
            os.setresuid(plan.uid, plan.uid, plan.uid)
        step = "ask to die with the parent"
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
        if os.getppid() != parent:
            os._exit(127)
        step = f"execute {argv[0]}"
        os.execve(argv[0], list(argv), {})
    except OSError as error:
        os.write(report, f"{error.errno or 5} {step}".encode())
    except BaseException as error:
        os.write(report, f"5 {step}: {error!r}".encode())
    os._exit(127)


def _write(path: str, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def _raise_fds(plan: Plan, report: int) -> int:
    """Move what the child keeps out of the way, then to its places; close all else."""
    report = fcntl.fcntl(report, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    high = {
        target: fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, _HIGH)
        for target, source in plan.fds.items()
    }
    low = 0
    for kept in sorted((report, *high.values())):
        os.closerange(low, kept)
        low = kept + 1
    os.closerange(low, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    for target, source in high.items():
        os.dup2(source, target, inheritable=True)
    return report
