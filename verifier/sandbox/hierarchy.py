"""Where control groups can be made: version 2, version 1, or the hybrid of both.

Each kind of control may live in a tree of its own. Groups are made below one `autolab` folder in
each tree: at the top as root, else in the highest folder that was delegated to the user.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PARENT = "autolab"


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder below which groups can be made, in the words of cgroup version 1 or 2."""

    version: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Controllers:
    """Which tree serves which kind of control; None where none does."""

    memory: Tree | None = None
    pids: Tree | None = None
    cpus: Tree | None = None
    cpu_set: Tree | None = None
    freeze: Tree | None = None
    usage: Tree | None = None

    def trees(self) -> set[Tree]:
        """Every tree that is used."""
        kinds = (self.memory, self.pids, self.cpus, self.cpu_set, self.freeze, self.usage)
        return {tree for tree in kinds if tree is not None}


def describe(tree: Tree | None) -> str | None:
    """The tree in words for `Enforcement`."""
    return None if tree is None else f"cgroup v{tree.version}"


def discover(
    mountinfo: str | None = None, own: str | None = None, *, root: bool | None = None
) -> Controllers:
    """Find the trees in which this process may make groups, and make the `autolab` folders.

    The arguments default to /proc/self/mountinfo, /proc/self/cgroup and whether we are root.
    """
    mountinfo = Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo
    own = Path("/proc/self/cgroup").read_text() if own is None else own
    root = os.geteuid() == 0 if root is None else root
    found: dict[str, Tree] = {}
    for mount, kind, controllers in _mounts(mountinfo):
        if kind == "cgroup2":
            folder = _v2_parent(mount, own, root)
            if folder is not None:
                for name in _v2_controllers(folder):
                    found[name] = Tree(2, folder)
        elif root:
            folder = _v1_parent(mount, controllers)
            if folder is not None:
                for name in controllers:
                    found.setdefault(name, Tree(1, folder))
    return Controllers(
        memory=found.get("memory"),
        pids=found.get("pids"),
        cpus=found.get("cpu"),
        cpu_set=found.get("cpuset"),
        freeze=found.get("freeze") or found.get("freezer"),
        usage=found.get("usage") or found.get("cpuacct"),
    )


def _mounts(mountinfo: str) -> Iterator[tuple[Path, str, list[str]]]:
    """Version 2 first, because its freezer is the better one."""
    rows = []
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            mount = left.split(" ")[4].encode().decode("unicode_escape")
            rows.append((Path(mount), kind, options.split(",")))
    return iter(sorted(rows, key=lambda row: row[1] != "cgroup2"))


def _v1_parent(mount: Path, controllers: list[str]) -> Path | None:
    if any(option.startswith("name=") for option in controllers):
        return None
    folder = mount / _PARENT
    try:
        folder.mkdir(exist_ok=True)
        if "cpuset" in controllers:
            for name in ("cpuset.mems", "cpuset.cpus"):
                if not (folder / name).read_text().strip():
                    (folder / name).write_text((mount / name).read_text())
    except OSError:
        return None
    return folder


def _v2_parent(mount: Path, own: str, root: bool) -> Path | None:
    """The folder for our groups: at the top as root, else in the highest one delegated to us."""
    above = mount if root else _delegated(mount, own)
    if above is None:
        return None
    folder = above / _PARENT
    try:
        folder.mkdir(exist_ok=True)
    except OSError:
        return None
    for name in ("memory", "pids", "cpu", "cpuset"):
        for level in (above, folder):
            with contextlib.suppress(OSError):
                if name in (level / "cgroup.subtree_control").read_text().split():
                    continue
                (level / "cgroup.subtree_control").write_text(f"+{name}")
    return folder


def _delegated(mount: Path, own: str) -> Path | None:
    path = next((line[3:] for line in own.splitlines() if line.startswith("0::")), "/")
    folder, best = mount / path.lstrip("/"), None
    while folder != mount and folder.is_relative_to(mount):
        if os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK):
            best = folder
        folder = folder.parent
    return best


def _v2_controllers(folder: Path) -> list[str]:
    names = ["usage"] if (folder / "cpu.stat").exists() else []
    if (folder / "cgroup.freeze").exists():
        names.append("freeze")
    with contextlib.suppress(OSError):
        names += (folder / "cgroup.subtree_control").read_text().split()
    return names
