"""Control groups: the limits and the freezer of one sandbox.

One interface over version 2, version 1 and the hybrid of both, which `hierarchy` finds. Groups are
named `LABEL.PID-N` after the process that made them, so that `reap` can tell whose owner is gone.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from verifier.sandbox.hierarchy import Controllers, Tree
from verifier.sandbox.spec import Limits

_MIB = 1024 * 1024
_PERIOD = 100_000
_PATIENCE = 10.0
_GONE = (errno.ENOENT, errno.ENODEV)  # the second when it was removed after its file was opened
_OVERHEAD_PIDS = 2  # bwrap itself, outside and as pid 1 inside


class FreezeError(RuntimeError):
    """The freezer did not report the group frozen in time."""


@dataclass(slots=True)
class Group:
    """The control group of one sandbox; made by `create`, gone after `remove`."""

    name: str
    controllers: Controllers
    frozen: bool = field(default=False)

    def _folder(self, tree: Tree) -> Path:
        return tree.folder / self.name

    def _folders(self) -> list[Path]:
        return [self._folder(tree) for tree in self.controllers.trees()]

    def join_files(self) -> list[str]:
        """The files into which a process writes 0 to enter."""
        return [str(folder / "cgroup.procs") for folder in self._folders()]

    def pids(self) -> set[int]:
        """Every process in the group."""
        found: set[int] = set()
        for folder in self._folders():
            try:
                found.update(int(line) for line in (folder / "cgroup.procs").read_text().split())
            except OSError as error:
                if error.errno not in _GONE:
                    raise
        return found

    def freeze(self) -> None:
        """Stop every process; returns when none runs. Raises `FreezeError` after ten seconds."""
        self._set_frozen(True)

    def thaw(self) -> None:
        """Let every process run."""
        self._set_frozen(False)

    def _set_frozen(self, frozen: bool) -> None:
        tree = self.controllers.freeze
        if tree is None:
            raise FreezeError(f"there is no freezer for {self.name}")
        folder = self._folder(tree)
        deadline = time.monotonic() + _PATIENCE
        while True:
            if tree.version == 2:
                (folder / "cgroup.freeze").write_text("1" if frozen else "0")
                reached = _fields(folder / "cgroup.events").get("frozen") == int(frozen)
            else:
                # Version 1 can get stuck half-way when a task is busy; asking again helps it on.
                (folder / "freezer.state").write_text("FROZEN" if frozen else "THAWED")
                state = (folder / "freezer.state").read_text().strip()
                reached = state == ("FROZEN" if frozen else "THAWED")
            if reached:
                self.frozen = frozen
                return
            if time.monotonic() > deadline:
                verb = "freeze" if frozen else "thaw"
                raise FreezeError(f"{self.name} did not {verb} in {_PATIENCE:.0f} s")
            time.sleep(0.0005)

    def kill(self, spare: int | None = None) -> None:
        """End every process but one, frozen or not; returns when no other is left.

        Gives up after ten seconds: a process that the kernel cannot end (in a dead network file
        system, say) must not hang its keeper.
        """
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if spare is None:
                for folder in self._folders():
                    _write_if_there(folder / "cgroup.kill", "1")
            for pid in self.pids() - {0, spare}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            tree = self.controllers.freeze
            if tree is not None and tree.version == 1:  # its frozen tasks cannot even die
                _write_if_there(self._folder(tree) / "freezer.state", "THAWED")
            if all(_is_zombie(pid) for pid in self.pids() - {spare}):
                return
            time.sleep(0.001)

    def cpu_seconds(self) -> float | None:
        """CPU time that the group has used."""
        tree = self.controllers.usage
        if tree is None:
            return None
        try:
            if tree.version == 2:
                return _fields(self._folder(tree) / "cpu.stat")["usage_usec"] / 1e6
            return int((self._folder(tree) / "cpuacct.usage").read_text()) / 1e9
        except (OSError, KeyError):
            return None

    def stalled_seconds(self) -> float | None:
        """How long something in the group was ready to run and had no CPU, averaged over CPUs.

        The kernel's pressure accounting, of version 2 only: what has ended counts too.
        """
        for tree in self.controllers.trees():
            if tree.version != 2:
                continue
            with contextlib.suppress(OSError, ValueError, IndexError):
                some = (self._folder(tree) / "cpu.pressure").read_text().splitlines()[0]
                return int(some.rpartition("total=")[2]) / 1e6
        return None

    def out_of_memory(self) -> bool:
        """Whether the kernel killed a process of the group for want of memory."""
        tree = self.controllers.memory
        if tree is None:
            return False
        file = "memory.events" if tree.version == 2 else "memory.oom_control"
        return _fields(self._folder(tree) / file).get("oom_kill", 0) > 0

    def pids_exhausted(self) -> bool:
        """Whether a process or thread was refused because of the limit."""
        tree = self.controllers.pids
        return tree is not None and _fields(self._folder(tree) / "pids.events").get("max", 0) > 0

    def remove(self) -> None:
        """Delete the folders; a folder that still has processes is left for `reap`."""
        for folder in self._folders():
            for _ in range(200):
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:  # the last process is leaving
                    time.sleep(0.001)
                else:
                    break


_numbers = itertools.count()


def create(controllers: Controllers, label: str, limits: Limits) -> Group:
    """Make the group of a new sandbox with these limits.

    Raises `OSError` when the kernel refuses a limit (a CPU that does not exist, for example).
    """
    group = Group(f"{label}.{os.getpid()}-{next(_numbers)}", controllers)
    try:
        for folder in group._folders():
            folder.mkdir()
        _limit(group, limits)
    except BaseException:
        group.remove()
        raise
    return group


def _limit(group: Group, limits: Limits) -> None:
    have = group.controllers
    if have.memory is not None and limits.memory_mb is not None:
        folder, value = group._folder(have.memory), str(limits.memory_mb * _MIB)
        if have.memory.version == 2:
            (folder / "memory.max").write_text(value)
            _write_if_there(folder / "memory.swap.max", "0")
        else:
            (folder / "memory.limit_in_bytes").write_text(value)
            _write_if_there(folder / "memory.memsw.limit_in_bytes", value)
    if have.pids is not None and limits.pids is not None:
        folder = group._folder(have.pids)
        (folder / "pids.max").write_text(str(limits.pids + _OVERHEAD_PIDS))
    if have.cpus is not None and limits.cpus is not None:
        folder, quota = group._folder(have.cpus), max(1000, int(limits.cpus * _PERIOD))
        if have.cpus.version == 2:
            (folder / "cpu.max").write_text(f"{quota} {_PERIOD}")
        else:
            (folder / "cpu.cfs_period_us").write_text(str(_PERIOD))
            (folder / "cpu.cfs_quota_us").write_text(str(quota))
    if have.cpu_set is not None:
        folder, parent = group._folder(have.cpu_set), have.cpu_set.folder
        if have.cpu_set.version == 1:  # a new group of version 1 has no CPU and no memory node
            (folder / "cpuset.mems").write_text((parent / "cpuset.mems").read_text())
            (folder / "cpuset.cpus").write_text((parent / "cpuset.cpus").read_text())
        if limits.cpu_set is not None:
            (folder / "cpuset.cpus").write_text(",".join(map(str, limits.cpu_set)))


def leftovers(controllers: Controllers, prefix: str = "") -> Iterator[Group]:
    """Groups named with this prefix whose maker is no longer alive."""
    names: set[str] = set()
    for tree in controllers.trees():
        with contextlib.suppress(OSError):
            names.update(entry.name for entry in os.scandir(tree.folder) if entry.is_dir())
    for name in sorted(names):
        _, _, owner = name.rpartition(".")
        pid, _, _ = owner.partition("-")
        if name.startswith(prefix) and pid.isdigit() and not Path("/proc", pid).exists():
            yield Group(name, controllers)


def reap(controllers: Controllers, prefix: str) -> list[str]:
    """Kill what runs in leftover groups of this prefix and delete them; returns their names."""
    reaped = []
    for group in leftovers(controllers, prefix):
        group.kill()
        group.remove()
        reaped.append(group.name)
    return reaped


def sweep(controllers: Controllers) -> None:
    """End and delete every leftover group, whoever made it.

    Processes of another pid namespace (a container that shares our tree) have the number 0 here;
    whether their maker lives cannot be told, and they are left alone.
    """
    for group in leftovers(controllers):
        if 0 not in group.pids():
            group.kill()
            group.remove()


def _fields(file: Path) -> dict[str, int]:
    """A file of `name number` lines; empty when the group is gone."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split() for line in lines)
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return True


def _write_if_there(file: Path, text: str) -> None:
    with contextlib.suppress(OSError):
        if file.exists():
            file.write_text(text)
