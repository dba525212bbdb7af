"""One running sandbox: freeze, thaw, kill, wait and meter it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Iterable

from verifier.sandbox.cgroups import FreezeError, Group
from verifier.sandbox.namespace import PidNamespace
from verifier.sandbox.spec import Exit, SandboxUnavailableError

_SIGNAL_BASE = 128
_LAST_SIGNAL = 64
_BURIAL_SECONDS = 1.0


class BubblewrapProcess:
    """A `SandboxProcess` around one bwrap.

    `status` is the read end of bwrap's --json-status-fd and belongs to this object.
    """

    def __init__(
        self,
        pid: int,
        init_pid: int | None,
        *,
        group: Group,
        tree: PidNamespace | None,
        status: int,
        program: str,
    ) -> None:
        self._program = program
        self._pid = pid
        self._init_pid = init_pid
        self._group = group
        self._tree = tree
        self._status = status
        self._killed = False
        self._cpu: float | None = None
        self._exit: Exit | None = None
        self._pidfd = os.pidfd_open(pid)
        self._init_pidfd: int | None = None
        if init_pid is not None:
            with contextlib.suppress(ProcessLookupError):
                self._init_pidfd = os.pidfd_open(init_pid)

    @property
    def pid(self) -> int:
        """The outer bwrap on the host."""
        return self._pid

    @property
    def init_pid(self) -> int | None:
        """The sandbox's pid 1 as the host sees it."""
        return self._init_pid

    @property
    def namespace(self) -> int | None:
        """The inode of its pid namespace."""
        return None if self._tree is None else self._tree.inode

    @property
    def pidfd(self) -> int:
        """A descriptor that becomes readable when the sandbox has ended; closed by `wait`."""
        return self._pidfd

    def freeze(self) -> None:
        """Stop every process of the tree; returns when none can run."""
        if self._exit is not None:
            return
        if self._group.controllers.freeze is not None:
            self._group.freeze()
        elif self._tree is not None:
            self._tree.freeze()

    def thaw(self) -> None:
        """Let the tree run again."""
        if self._exit is not None:
            return
        if self._group.controllers.freeze is not None:
            self._group.thaw()
        elif self._tree is not None:
            self._tree.thaw()

    def ask_to_end(self) -> None:
        """Send SIGTERM to every process but the sandbox's own first one."""
        if self._exit is None and self._tree is not None:
            self._tree.ask_to_end(self._init_pid)

    def ending(self) -> bool:
        """Whether a process is left that may still heed that."""
        return self._exit is None and self._tree is not None and self._tree.heeds(self._init_pid)

    def kill(self) -> None:
        """End every process of the tree, frozen or not; returns when none is left."""
        if self._exit is not None:
            return
        self._killed = True
        self._cpu = self._measure()
        # The end of its pid 1 ends a pid namespace, whatever state its processes are in. The outer
        # bwrap is left to bury it: an orphan would need somebody else's pid 1 for that.
        if self._init_pid is not None:
            self._kill_init()
            self._group.kill(spare=self._pid)
            self._await_empty_tree()
            if self._group.frozen:
                with contextlib.suppress(FreezeError, OSError):
                    self._group.thaw()
        if self._init_pid is None or not _readable(self._pidfd, _BURIAL_SECONDS):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._group.kill()

    def _kill_init(self) -> None:
        """Through a descriptor: its number may belong to somebody else by now."""
        if self._init_pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._init_pidfd, signal.SIGKILL)

    def _await_empty_tree(self) -> None:
        deadline = time.monotonic() + 10.0
        while self._tree is not None and time.monotonic() < deadline:
            if all(process.state in "ZX" for process in self._tree.processes()):
                return
            time.sleep(0.001)

    def wait(self, timeout: float | None = None) -> Exit:
        """Wait for the end and release what the host held (group, descriptors).

        Raises `TimeoutError` after `timeout` seconds, and `SandboxUnavailableError` when bwrap
        itself failed before the command was started.
        """
        if self._exit is not None:
            return self._exit
        if not _readable(self._pidfd, timeout):
            raise TimeoutError(f"the sandbox {self._group.name} did not end in {timeout} s")
        _, status = os.waitpid(self._pid, 0)
        self._await_empty_tree()
        self._cpu = self._measure() or self._cpu
        code = _exit_code(status)
        memory, pids = self._group.out_of_memory(), self._group.pids_exhausted()
        started = _command_started(_drain(self._status))
        os.close(self._status)
        os.close(self._pidfd)
        if self._init_pidfd is not None:
            os.close(self._init_pidfd)
        self._group.remove()
        self._exit = Exit(code, memory, pids)
        if not started and not self._killed and not memory and code > 0:
            raise SandboxUnavailableError(
                f"bwrap could not set up the sandbox {self._group.name}, or there is no program "
                f"{self._program!r} inside (exit status {code}); `autolab doctor` shows what this "
                "machine lacks"
            )
        return self._exit

    def cpu_seconds(self) -> float | None:
        """CPU time used by the whole tree so far (the last known value once it has ended)."""
        if self._exit is not None:
            return self._cpu
        return self._measure()

    def stalled_seconds(self) -> float | None:
        """How long something of the tree was ready and had no CPU; None where nobody knows."""
        return self._group.stalled_seconds()

    def _measure(self) -> float | None:
        metered = self._group.cpu_seconds()
        if metered is None and self._tree is not None:
            metered = self._tree.cpu_seconds()
        return metered


def _exit_code(status: int) -> int:
    """bwrap reports a command that died of signal N as 128 + N, like a shell."""
    code = os.waitstatus_to_exitcode(status)
    if _SIGNAL_BASE < code <= _SIGNAL_BASE + _LAST_SIGNAL:
        return _SIGNAL_BASE - code
    return code


def _readable(fd: int, timeout: float | None) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(None if timeout is None else max(0.0, timeout * 1000)))


def _drain(fd: int) -> bytes:
    os.set_blocking(fd, False)
    chunks = []
    with contextlib.suppress(BlockingIOError):
        while chunk := os.read(fd, 4096):
            chunks.append(chunk)
    return b"".join(chunks)


def _command_started(status: bytes) -> bool:
    """bwrap reports an exit code only for a command that it got to execute."""
    return any("exit-code" in record for record in _records(status))


def _records(status: bytes) -> Iterable[dict[str, object]]:
    for line in status.splitlines():
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict):
                yield record
