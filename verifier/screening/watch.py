"""What a program does while it is not timed: files it opens, programs it starts, sockets it wants.

The kernel asks us about these calls (seccomp's user notification) and waits for the answer, which
is why nothing of the kind happens in timed repetitions. What a call says may have changed by the
time it is carried out; so this finds the careless, and the sandbox is what holds.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import platform
import posixpath
import select
import socket
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.artifact import printable
from verifier.build import inside_file
from verifier.verdict import Finding

if TYPE_CHECKING:
    from tasks.autolab import Running

PROGRAM = "/autolab/watch_main.py"
# (x86_64, aarch64) numbers, and the argument that is a path.
_CALLS: dict[str, tuple[int | None, int | None, int | None]] = {
    "open": (2, None, 0),
    "creat": (85, None, 0),
    "openat": (257, 56, 1),
    "openat2": (437, 437, 1),
    "execve": (59, 221, 0),
    "execveat": (322, 281, 1),
    "socket": (41, 198, None),
    "socketpair": (53, 199, None),
}
_MACHINES = ("x86_64", "aarch64")
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_NOTICE, _ANSWER = struct.Struct("=QIIiIQ6Q"), struct.Struct("=Qqii")
_CONTINUE = 1
_LONGEST = 256
_MOST = 64
_SHOWN = 8
# What libraries and the verifier's own shim open, and the sandbox's private scratch.
_ORDINARY = (
    *("/lib/", "/lib64/", "/usr/", "/etc/ld.so", "/etc/localtime", "/app/", "/tmp/"),
    *("/sys/devices/system/", "/sys/fs/cgroup/", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat"),
    *("/proc/self/maps", "/proc/self/status", "/proc/self/cgroup", "/proc/sys/vm/"),
    *("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "/autolab/driver.py"),
    "/proc/self/auxv",
)
_WORDS = {
    "opens": "opens files that it has no need of",
    "executes": "starts another program",
    "sockets": "wants a socket",
    "leaves": "leaves processes or threads behind",
}


def supported() -> bool:
    """Whether this processor's call numbers are known here."""
    return platform.machine() in _MACHINES


class Watch:
    """Everything that was seen of one candidate, over several repetitions."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._column = _MACHINES.index(platform.machine())
        self._names = {
            call[self._column]: name for name, call in _CALLS.items() if call[self._column]
        }
        self._seen: dict[str, dict[str, None]] = {kind: {} for kind in _WORDS}
        self._thread: threading.Thread | None = None
        self._started = False

    @property
    def files(self) -> dict[str, tuple[bytes, int]]:
        """What the sandbox needs beside the program."""
        return {PROGRAM: (inside_file("watch_main.py"), 0o444)}

    @property
    def argv(self) -> tuple[str, ...]:
        """What the program's own words are put behind."""
        numbers = ",".join(map(str, self._names))
        return ("/usr/bin/python3", "-I", "-S", "-B", PROGRAM, numbers)

    def begin(self, control: socket.socket, patience: float) -> bool:
        """Take the listener from the sandbox and answer until its last process is gone."""
        if not select.select([control], [], [], patience)[0]:
            return False
        try:
            said, fds, _, _ = socket.recv_fds(control, 16, 1, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            return False
        if said != b"W" or len(fds) != 1:
            for fd in fds:
                os.close(fd)
            return False
        self._started = False
        self._thread = threading.Thread(target=self._serve, args=(fds[0],), daemon=True)
        self._thread.start()
        return True

    def look(self, init: int | None) -> None:
        """Note what is left of processes and threads when the program says that it is done."""
        tree = [init] if init is not None else []
        with contextlib.suppress(OSError, ValueError):
            for pid in tree:
                tasks = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - names, not paths
                if len(tasks) > self._threads:
                    self._note("leaves", f"{len(tasks)} threads")
                for task in tasks:
                    children = Path(f"/proc/{pid}/task/{task}/children").read_text()
                    tree += [int(child) for child in children.split()]
        if len(tree) > 1:
            self._note("leaves", f"{len(tree)} processes")

    def end(self) -> None:
        """Wait until everything has been answered; the sandbox must have ended."""
        if self._thread is not None:
            self._thread.join(5.0)
            self._thread = None

    def findings(self, table: Running) -> tuple[Finding, ...]:
        """What was seen, with the severities of the task."""
        found = []
        for kind, words in _WORDS.items():
            seen = [printable(what, 120) for what in self._seen[kind]]
            if seen:
                more = f" and {len(seen) - _SHOWN} more" if len(seen) > _SHOWN else ""
                evidence = ", ".join(seen[:_SHOWN]) + more
                found.append(Finding(getattr(table, kind), words, evidence))
        return tuple(found)

    def _note(self, kind: str, what: str) -> None:
        if len(self._seen[kind]) < _MOST:
            self._seen[kind][what] = None

    def _serve(self, fd: int) -> None:
        waiting = select.poll()
        waiting.register(fd, select.POLLIN)
        try:
            while True:
                events = waiting.poll()
                if not events or not events[0][1] & select.POLLIN:
                    return
                notice = bytearray(_NOTICE.size)
                try:
                    fcntl.ioctl(fd, _RECEIVE, notice)
                except OSError as error:
                    if error.errno in (errno.ENOENT, errno.EINTR):  # it has been ended meanwhile
                        continue
                    return
                number, pid, _, call, _, _, *arguments = _NOTICE.unpack(notice)
                answer = self._answer(pid, self._names.get(call, ""), arguments)
                packed = _ANSWER.pack(number, 0, -answer, 0 if answer else _CONTINUE)
                with contextlib.suppress(OSError):
                    fcntl.ioctl(fd, _SEND, packed)
        finally:
            os.close(fd)

    def _answer(self, pid: int, name: str, arguments: list[int]) -> int:
        """Note one call; 0 to let it be carried out, or the error to answer."""
        if name in ("socket", "socketpair"):
            self._note("sockets", f"family {arguments[0] & 0xFFFFFFFF}")
            return errno.EPERM
        at = _CALLS[name][2] if name in _CALLS else None
        path = "" if at is None else _path(pid, arguments[at])
        if name.startswith("exec"):
            if self._started:
                self._note("executes", path)
            self._started = True  # the first one is the program itself
        elif not f"{posixpath.normpath(posixpath.join('/', path))}/".startswith(_ORDINARY):
            self._note("opens", path)
        return 0


def _path(pid: int, address: int) -> str:
    """The text at an address of a process, as far as it can be read."""
    try:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            memory.seek(address)
            room = 4096 - address % 4096
            data = memory.read(min(room, _LONGEST))
            if b"\0" not in data and len(data) == room:
                data += memory.read(_LONGEST - room)
    except (OSError, ValueError, OverflowError):
        return "?"
    return data.partition(b"\0")[0].decode("utf-8", "replace")
