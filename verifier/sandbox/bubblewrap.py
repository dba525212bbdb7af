"""The embedded back end: bubblewrap, control groups where they can be used, rlimits elsewhere."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from verifier.sandbox import (
    arguments,
    cgroups,
    descriptors,
    diagnosis,
    hierarchy,
    places,
    seccomp,
    uids,
)
from verifier.sandbox.cgroups import Group
from verifier.sandbox.descriptors import Descriptors, memfd
from verifier.sandbox.hierarchy import Controllers
from verifier.sandbox.namespace import PidNamespace, namespace_inode
from verifier.sandbox.process import BubblewrapProcess
from verifier.sandbox.spawn import Plan, spawn
from verifier.sandbox.spec import Enforcement, Limits, SandboxSpec, SandboxUnavailableError

_MIB = 1024 * 1024
_MINIMUM = (0, 8, 0)
_INSTALL = "apt-get install bubblewrap"
_START_PATIENCE = 20.0
_OVERHEAD_PIDS = 1  # pid 1 inside
_URGENT_NICE = -20


class Bubblewrap:
    """Sandboxes from `bwrap`; see `arguments` for what is visible inside.

    Cheap to make. `controllers` and `identity` are found on this machine unless given.
    """

    name = "bubblewrap"

    def __init__(
        self, controllers: Controllers | None = None, identity: uids.Identity | None = None
    ) -> None:
        self.controllers = hierarchy.discover() if controllers is None else controllers
        self.identity = uids.identity() if identity is None else identity
        self._machine = os.uname().machine
        self._bwrap: str | None = None
        cgroups.sweep(self.controllers)

    def require(self) -> None:
        """Raise `SandboxUnavailableError` unless a sandbox can really be started here."""
        self._program()
        spec = SandboxSpec(label="probe", role="judge", slot=uids.SLOTS - 1)
        read, write = os.pipe()
        with os.fdopen(read, "rb") as said:
            try:
                sandbox = self.launch(spec, ["/bin/true"], stderr=write)
            finally:
                os.close(write)
            try:
                works = sandbox.wait(_START_PATIENCE).code == 0
            except (SandboxUnavailableError, TimeoutError):
                sandbox.kill()
                works = False
            if not works:
                raise SandboxUnavailableError(
                    diagnosis.explain(said.read().decode(errors="replace"))
                )

    def _program(self) -> str:
        """The path of a bwrap that is new enough."""
        if self._bwrap is None:
            found = shutil.which("bwrap")
            if found is None:
                raise SandboxUnavailableError(
                    f"bubblewrap is not installed (no `bwrap` in PATH); install it: {_INSTALL}"
                )
            if not seccomp.supported(self._machine):
                raise SandboxUnavailableError(
                    f"no system call filter for processor {self._machine}; use x86_64 or aarch64"
                )
            text = subprocess.run(
                [found, "--version"], capture_output=True, text=True, check=False
            ).stdout
            if diagnosis.version(text) < _MINIMUM:
                wanted = ".".join(map(str, _MINIMUM))
                raise SandboxUnavailableError(
                    f"{found} is {text.strip() or 'of unknown version'}; "
                    f"bubblewrap {wanted} or newer is needed"
                )
            self._bwrap = found
        return self._bwrap

    def enforcement(self) -> Enforcement:
        """What is enforced here; `autolab doctor` shows it and verdicts carry it."""
        have = self.controllers
        return Enforcement(
            level=self.identity.level,
            memory=hierarchy.describe(have.memory) or "rlimit per process",
            pids=hierarchy.describe(have.pids) or "rlimit of the user namespace",
            cpus=hierarchy.describe(have.cpus),
            cpu_set=hierarchy.describe(have.cpu_set) or "affinity held by seccomp",
            freeze=hierarchy.describe(have.freeze) or "SIGSTOP walk",
        )

    def launch(
        self,
        spec: SandboxSpec,
        argv: Sequence[str],
        *,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        fds: Mapping[int, int] | None = None,
    ) -> BubblewrapProcess:
        """Start `argv` inside; about ten milliseconds.

        Raises `SandboxUnavailableError` when bwrap is missing or cannot isolate here, `ValueError`
        for a spec that cannot be met (a missing or unreachable mount, a bad descriptor number, a
        CPU that is not there).
        """
        bwrap = self._program()
        uid = self.identity.host_uid(spec.role, spec.slot)
        _check(spec, argv, fds or {}, uid)
        info, info_write = os.pipe()
        status, status_write = os.pipe()
        with Descriptors(stdin, stdout, stderr, fds or {}) as own, os.fdopen(info, "rb") as reader:
            release = None
            if self.controllers.pids is None:
                block, release = os.pipe()
                own.closing(release)
            try:
                data = {
                    path: own.give(memfd(content))
                    for path, (content, _) in arguments.made_files(spec).items()
                }
                options = arguments.arguments(
                    spec,
                    data_fds=data,
                    seccomp_fd=own.give(memfd(self._filter(spec))),
                    info_fd=own.give(info_write),
                    status_fd=own.give(status_write),
                    block_fd=None if release is None else own.give(block),
                )
                blob = b"".join(option.encode() + b"\0" for option in options)
                args_fd = own.give(memfd(blob))
                group = self._group(spec)
                command = [bwrap, "--args", str(args_fd), "--", *argv]
                try:
                    pid = spawn(command, self._plan(spec, group, own.inside, uid))
                except PermissionError as error:  # a root without its capabilities, say
                    group.remove()
                    raise SandboxUnavailableError(
                        f"no sandbox can be started: {error}; run as an ordinary user, or as root "
                        "with CAP_SETUID and CAP_SETGID"
                    ) from error
                except BaseException:
                    group.remove()
                    raise
            except BaseException:
                os.close(status)
                raise
            own.close_given()  # so that the end of bwrap is the end of both pipes
            init = _init_pid(reader.fileno())
            if release is not None:
                _limit_namespace(init, _counted(spec), uid)
                with contextlib.suppress(BrokenPipeError):  # bwrap has failed; `wait` tells
                    os.write(release, b"1")
        _await_filter(pid, init)
        if spec.limits.urgent:
            _hurry(init)
        inode = None if init is None else namespace_inode(init)
        tree = None if inode is None else PidNamespace(inode)
        return BubblewrapProcess(pid, init, group=group, tree=tree, status=status, program=argv[0])

    def _group(self, spec: SandboxSpec) -> Group:
        have = self.controllers
        if spec.limits.urgent and spec.limits.cpus is None:
            # In a group its nice value would only count among its siblings.
            have = replace(have, cpus=None)
        try:
            return cgroups.create(have, spec.label, _counted(spec))
        except OSError as error:
            raise ValueError(
                f"the limits of sandbox {spec.label!r} were refused: {error}; limits: {spec.limits}"
            ) from error

    def _filter(self, spec: SandboxSpec) -> bytes:
        pinned = spec.limits.cpu_set is not None and self.controllers.cpu_set is None
        return seccomp.program(self._machine, pin_affinity=pinned, timed=spec.timed)

    def _plan(self, spec: SandboxSpec, group: Group, fds: Mapping[int, int], uid: int) -> Plan:
        limits, have = spec.limits, self.controllers
        # bwrap's own descriptors must fit, too.
        open_files = max(limits.open_files, max(fds) + 32)
        rlimits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_NOFILE: open_files}
        if limits.file_mb is not None:
            rlimits[resource.RLIMIT_FSIZE] = limits.file_mb * _MIB
        if have.memory is None and limits.memory_mb is not None:
            # A GPU's driver reserves far more addresses than it ever fills.
            kind = resource.RLIMIT_DATA if spec.devices else resource.RLIMIT_AS
            rlimits[kind] = limits.memory_mb * _MIB
        pinned = have.cpu_set is None and limits.cpu_set is not None
        return Plan(
            fds=fds,
            uid=uid if os.geteuid() == 0 and uid != 0 else None,
            join=group.join_files(),
            rlimits=rlimits,
            cpu_set=frozenset(limits.cpu_set or ()) if pinned else None,
            nice=_URGENT_NICE if limits.urgent else 0,
        )


def _counted(spec: SandboxSpec) -> Limits:
    """The limits without the place that bwrap's own pid 1 would take, where there is none."""
    limits = spec.limits
    if not spec.as_init or limits.pids is None:
        return limits
    return replace(limits, pids=limits.pids - 1)


def _check(spec: SandboxSpec, argv: Sequence[str], fds: Mapping[int, int], uid: int) -> None:
    if not argv:
        raise ValueError(f"sandbox {spec.label!r} has no command")
    if not spec.label or "/" in spec.label or spec.label.startswith("."):
        raise ValueError(f"sandbox label {spec.label!r}: use letters, digits, '-' and '_'")
    for number in fds:
        if not 3 <= number < descriptors.OWN:
            raise ValueError(
                f"descriptor {number} inside is out of range: use 3 to {descriptors.OWN - 1}"
            )
    absent = [cpu for cpu in spec.limits.cpu_set or () if not 0 <= cpu < (os.cpu_count() or 1)]
    if absent or spec.limits.cpu_set == ():
        raise ValueError(
            f"cpu_set {spec.limits.cpu_set}: this machine has CPUs 0 to {(os.cpu_count() or 1) - 1}"
        )
    for device in spec.devices:
        if not device.target.startswith("/dev/") or ".." in device.target.split("/"):
            raise ValueError(f"device {device.target!r} inside {spec.label!r} must be below /dev")
        if not device.source.is_char_device():
            raise ValueError(f"the device node {device.source} is missing, or is none")
    for target in (spec.workdir, *spec.files, *spec.scratch, *(m.target for m in spec.mounts)):
        if not target.startswith("/") or "\0" in target:
            raise ValueError(f"path {target!r} inside sandbox {spec.label!r} must be absolute")
    for mount in spec.mounts:
        problem = places.why_unreachable(mount.source, uid)
        if problem is not None:
            raise ValueError(f"cannot mount {mount.source} at {mount.target}: {problem}")


def _init_pid(info: int) -> int | None:
    """The first process of the sandbox, from bwrap's --info-fd; None when bwrap failed first."""
    text = b""
    deadline = time.monotonic() + _START_PATIENCE
    while time.monotonic() < deadline:
        if not select.select([info], [], [], _START_PATIENCE)[0]:
            break
        chunk = os.read(info, 4096)
        text += chunk
        with contextlib.suppress(ValueError):
            return int(json.loads(text)["child-pid"])
        if not chunk:
            break
    return None


def _await_filter(pid: int, init: int | None) -> None:
    """Wait until the sandbox is set up: its filter is the last thing that bwrap installs.

    Just before that, bwrap asks the kernel to end the sandbox with its parent. A sandbox that was
    frozen earlier than that would outlive us.
    """
    deadline = time.monotonic() + _START_PATIENCE
    while init is not None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if b"\nSeccomp:\t2" in Path(f"/proc/{init}/status").read_bytes():
                return
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(0.0003)


def _hurry(init: int | None) -> None:
    """Let the sandbox's session go first.

    Where the kernel groups tasks by session, a nice value only counts within a session, and the
    session has one of its own. An ordinary user may not lower it.
    """
    with contextlib.suppress(OSError):
        Path(f"/proc/{init}/autogroup").write_text(str(_URGENT_NICE))


def _limit_namespace(init: int | None, limits: Limits, uid: int) -> None:
    """Bound the processes of the sandbox's user namespace, which the kernel counts by itself.

    Set before the namespace existed, the limit would count all processes of the user.
    """
    if init is None or limits.pids is None:
        return
    bound = limits.pids + _OVERHEAD_PIDS
    with contextlib.suppress(ProcessLookupError), _acting_as(uid):
        resource.prlimit(init, resource.RLIMIT_NPROC, (bound, bound))


@contextlib.contextmanager
def _acting_as(uid: int) -> Iterator[None]:
    """The owner of a user namespace has every right over it; a container's root may lack some."""
    before = os.geteuid()
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(before)
