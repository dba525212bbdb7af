"""The processes of this sandbox, as its pid 1 sees, ends and buries them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

Key = tuple[int, str]  # pid and start time, which together are never used twice


def stat_fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the name: state, parent, group, session, ..."""
    try:
        data = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return data.rpartition(b")")[2].decode().split() or None


def processes() -> dict[Key, tuple[int, int]]:
    """Everything alive: {(pid, start): (parent, session)}."""
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            fields = stat_fields(int(entry.name))
            if fields and fields[0] not in "ZX":
                found[int(entry.name), fields[19]] = (int(fields[1]), int(fields[3]))
    return found


def family(shell: int, before: set[Key]) -> list[int]:
    """The shell's descendants and session, without itself and what was there `before`.

    A daemon that left the session of the shell on purpose is not in it.
    """
    now = processes()
    children: dict[int, list[int]] = {}
    for (pid, _), (parent, _) in now.items():
        children.setdefault(parent, []).append(pid)
    related, queue = set[int](), [shell]
    while queue:
        pid = queue.pop()
        related.add(pid)
        queue.extend(child for child in children.get(pid, ()) if child not in related)
    return [
        pid
        for (pid, start), (_, session) in now.items()
        if (pid in related or session == shell)
        and pid not in (1, shell)
        and (pid, start) not in before
    ]


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process (or all others, for -1) if it is still there."""
    with contextlib.suppress(OSError):
        os.kill(pid, number)


def send_group(group: int, number: signal.Signals) -> None:
    """Signal a process group if it is still there."""
    with contextlib.suppress(OSError):
        os.killpg(group, number)


def kill_all() -> None:
    """End everything in the sandbox but this process."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        send(-1, signal.SIGKILL)
        bury()
        if len(processes()) <= 1:
            return
        time.sleep(0.005)


def bury() -> None:
    """Pid 1 inherits every orphan and must wait for it."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
