"""What a sandbox is asked to be, and what every back end promises.

A back end turns a `SandboxSpec` into one isolated process tree. The interface is synchronous:
starting a sandbox takes about ten milliseconds, and both callers (the keeper, the verifier) are
processes of their own whose main thread must be the parent of what they start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

Role = Literal["agent", "build", "run", "judge"]
Level = Literal["full", "mapped", "single-uid"]


@dataclass(frozen=True, slots=True)
class Mount:
    """A host directory or file made visible inside at `target` (absolute)."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Device:
    """A device node of the host made usable inside at `target`, which is below /dev."""

    source: Path
    target: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What the tree may use. None means unlimited. Memory includes every tmpfs inside.

    An `urgent` tree is scheduled before other work on its CPUs, where the machine lets us: what is
    being timed should not wait for what is not.
    """

    memory_mb: int | None = 2048
    pids: int | None = 256
    cpus: float | None = None
    cpu_set: tuple[int, ...] | None = None
    tmp_mb: int = 512
    file_mb: int | None = 1024
    open_files: int = 1024
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """One sandbox.

    `label` names it on the host (cgroup, logs) and is never visible inside. `role` picks the host
    uid where the machine allows several; `slot` keeps sandboxes of one role apart (0 to 999).
    `files` are read-only files with the given content; `scratch` are private writable tmpfs
    directories inside. No device node is there beyond the harmless ones (null, zero, random, the
    terminal) and `devices`. /tmp, /dev/shm and the home folder always exist, sized by
    `limits.tmp_mb`.
    With `as_init` the command is the sandbox's pid 1: nothing inside can end it, and it must reap
    the processes that it inherits. A `timed` sandbox can make no socket and pass no descriptor on.
    """

    label: str
    role: Role
    slot: int = 0
    mounts: tuple[Mount, ...] = ()
    devices: tuple[Device, ...] = ()
    files: Mapping[str, tuple[bytes, int]] = field(default_factory=dict)  # path: (content, mode)
    scratch: tuple[str, ...] = ()
    workdir: str = "/"
    env: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = Limits()
    hostname: str = "autolab"
    as_init: bool = False
    timed: bool = False


@dataclass(frozen=True, slots=True)
class Exit:
    """How a sandbox ended: `code` is the exit status, or -N for signal N."""

    code: int
    out_of_memory: bool = False
    pids_exhausted: bool = False


@dataclass(frozen=True, slots=True)
class Enforcement:
    """What this machine enforces, in words for `autolab doctor` and for the seal of a verdict.

    Each value says how ("cgroup v2", "cgroup v1", "rlimit per process", "SIGSTOP walk") or is None
    when the thing cannot be enforced at all.
    """

    level: Level
    memory: str | None
    pids: str | None
    cpus: str | None
    cpu_set: str | None
    freeze: str | None

    @property
    def official(self) -> bool:
        """Whether memory, pids, cpu and freezing all hold for a whole tree."""
        kinds = (self.memory, self.pids, self.cpu_set, self.freeze)
        return all(kind is not None and "per process" not in kind for kind in kinds)


class SandboxUnavailableError(RuntimeError):
    """The back end cannot work here; the message names what is missing and the remedy."""


class SandboxProcess(Protocol):
    """One running sandbox."""

    @property
    def pid(self) -> int:
        """The outer process on the host."""
        ...

    @property
    def init_pid(self) -> int | None:
        """The sandbox's pid 1 as the host sees it, once it is known."""
        ...

    def freeze(self) -> None:
        """Stop every process of the tree; returns when none can run."""
        ...

    def thaw(self) -> None:
        """Let the tree run again."""
        ...

    def kill(self) -> None:
        """End every process of the tree, frozen or not; returns when none is left."""
        ...

    def wait(self, timeout: float | None = None) -> Exit:
        """Wait for the end and release what the host held for it (cgroups, descriptors).

        Raises `TimeoutError` after `timeout` seconds.
        """
        ...

    def cpu_seconds(self) -> float | None:
        """CPU time used by the whole tree so far, or None where it cannot be metered."""
        ...

    def stalled_seconds(self) -> float | None:
        """How long something of the tree was ready to run and had no CPU, averaged over its CPUs.

        None where the kernel does not tell.
        """
        ...


class Backend(Protocol):
    """A way to isolate: bubblewrap is the embedded default."""

    name: str

    def require(self) -> None:
        """Raise `SandboxUnavailableError` unless sandboxes can be started here."""
        ...

    def enforcement(self) -> Enforcement:
        """What is enforced here."""
        ...

    def launch(
        self,
        spec: SandboxSpec,
        argv: Sequence[str],
        *,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        fds: Mapping[int, int] | None = None,
    ) -> SandboxProcess:
        """Start `argv` inside.

        `stdin`, `stdout` and `stderr` are host descriptors (None: /dev/null). `fds` maps
        descriptor numbers inside (3 and up) to host descriptors; nothing else is inherited.
        """
        ...
