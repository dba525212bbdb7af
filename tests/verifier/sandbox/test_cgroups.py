"""Finding control groups in any hierarchy, and clearing up what a dead owner left."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from verifier.sandbox import cgroups, hierarchy
from verifier.sandbox.bubblewrap import Bubblewrap
from verifier.sandbox.hierarchy import Controllers, Tree
from verifier.sandbox.spec import Limits


def v2_folder(path: Path, controllers: str = "cpu memory pids cpuset") -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / "cgroup.procs").write_text("")
    (path / "cgroup.subtree_control").write_text(controllers)
    (path / "cgroup.freeze").write_text("0")
    (path / "cpu.stat").write_text("usage_usec 0\n")
    return path


def line(mount: Path, kind: str, options: str) -> str:
    return f"30 23 0:28 / {mount} rw,relatime - {kind} {kind} {options}\n"


def test_version_2_as_root(tmp_path):
    v2_folder(tmp_path)
    v2_folder(tmp_path / "autolab")
    found = hierarchy.discover(line(tmp_path, "cgroup2", "rw"), "0::/\n", root=True)
    tree = Tree(2, tmp_path / "autolab")
    assert found == Controllers(tree, tree, tree, tree, tree, tree)
    assert hierarchy.describe(found.memory) == "cgroup v2"


def test_version_2_delegated_to_a_user(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere, so nothing is recognisably delegated")
    delegated = v2_folder(tmp_path / "user.slice" / "user@1000.service")
    v2_folder(delegated / "autolab")
    v2_folder(delegated / "app.slice" / "run.scope")
    (tmp_path / "user.slice").chmod(0o555)
    own = "0::/user.slice/user@1000.service/app.slice/run.scope\n"
    try:
        found = hierarchy.discover(line(tmp_path, "cgroup2", "rw"), own, root=False)
    finally:
        (tmp_path / "user.slice").chmod(0o755)
    assert found.memory == Tree(2, delegated / "autolab")


def test_a_user_without_delegation_has_none():
    found = hierarchy.discover(line(Path("/nowhere"), "cgroup2", "rw"), "0::/a/b\n", root=False)
    assert found == Controllers()
    assert hierarchy.describe(found.memory) is None


def test_a_hybrid_takes_limits_from_version_1_and_the_freezer_from_version_2(tmp_path):
    mounts = ""
    for name in ("memory", "pids", "cpu", "cpuacct", "cpuset", "freezer"):
        (tmp_path / name).mkdir()
        mounts += line(tmp_path / name, "cgroup", f"rw,{name}")
    for folder in (tmp_path / "cpuset", tmp_path / "cpuset" / "autolab"):
        folder.mkdir(exist_ok=True)
        for knob in ("cpuset.mems", "cpuset.cpus"):
            (folder / knob).write_text("0\n")
    v2_folder(tmp_path / "unified", "")
    v2_folder(tmp_path / "unified" / "autolab", "")
    mounts += line(tmp_path / "unified", "cgroup2", "rw")
    (tmp_path / "systemd").mkdir()
    mounts += line(tmp_path / "systemd", "cgroup", "rw,name=systemd")
    found = hierarchy.discover(mounts, "0::/\n", root=True)
    assert found.memory == Tree(1, tmp_path / "memory" / "autolab")
    assert found.freeze == Tree(2, tmp_path / "unified" / "autolab")
    assert found.usage == Tree(2, tmp_path / "unified" / "autolab")
    assert found.cpu_set == Tree(1, tmp_path / "cpuset" / "autolab")
    assert not (tmp_path / "systemd" / "autolab").exists()


def test_limits_are_written_in_version_2s_words(tmp_path):
    v2_folder(tmp_path)
    tree = Tree(2, tmp_path)
    limits = Limits(memory_mb=64, pids=10, cpus=1.5, cpu_set=(0, 2))
    group = cgroups.create(Controllers(tree, tree, tree, tree, tree, tree), "x", limits)
    folder = tmp_path / group.name
    assert (folder / "memory.max").read_text() == str(64 << 20)
    assert (folder / "pids.max").read_text() == "12"
    assert (folder / "cpu.max").read_text() == "150000 100000"
    assert (folder / "cpuset.cpus").read_text() == "0,2"
    assert group.join_files() == [str(folder / "cgroup.procs")]


def test_no_tree_means_no_group():
    group = cgroups.create(Controllers(), "x", Limits())
    assert group.join_files() == [] and group.cpu_seconds() is None
    assert not group.out_of_memory() and not group.pids_exhausted()
    group.remove()
    with pytest.raises(cgroups.FreezeError):
        group.freeze()


ABANDON = """
import os, sys
from verifier.sandbox import cgroups, hierarchy
from verifier.sandbox.spec import Limits
group = cgroups.create(hierarchy.discover(), sys.argv[1], Limits())
pid = os.fork()
if pid == 0:
    for path in group.join_files():
        with open(path, "w") as f: f.write("0")
    os.dup2(os.open("/dev/null", os.O_RDWR), 1)  # nobody waits for us to close it
    os.execv("/bin/sleep", ["sleep", "600"])
while pid not in group.pids():
    assert os.waitpid(pid, os.WNOHANG) == (0, 0), "it ended before it was in its group"
print(pid, flush=True)
"""


@pytest.mark.parametrize("clear", ["reap", "sweep"])
def test_what_a_dead_owner_left_is_killed_and_deleted(clear, eventually):
    controllers = hierarchy.discover()
    if not controllers.trees():
        pytest.skip("no control groups can be used here (neither root nor a delegated cgroup v2)")
    label = f"left{os.getpid()}{clear}"
    ran = subprocess.run(
        [sys.executable, "-c", ABANDON, label], stdout=subprocess.PIPE, text=True, check=True
    )
    child = int(ran.stdout)
    assert [g.name.startswith(label) for g in cgroups.leftovers(controllers, label)] == [True]
    if clear == "reap":
        assert cgroups.reap(controllers, "other-prefix") == []
        assert len(cgroups.reap(controllers, label)) == 1
    else:
        cgroups.sweep(controllers)
    assert list(cgroups.leftovers(controllers, label)) == []
    eventually(lambda: not Path(f"/proc/{child}").exists(), "the abandoned process is gone")


def test_a_living_owners_groups_are_left_alone(sandbox_backend):
    backend = Bubblewrap()
    if not backend.controllers.trees():
        pytest.skip("no control groups can be used here (neither root nor a delegated cgroup v2)")
    group = cgroups.create(backend.controllers, "mine", Limits())
    try:
        assert cgroups.reap(backend.controllers, "mine") == []
        assert all(Path(file).exists() for file in group.join_files())
    finally:
        group.remove()
    assert not any(Path(file).exists() for file in group.join_files())


def test_a_group_that_somebody_removes_meanwhile_has_no_processes():
    controllers = hierarchy.discover()
    if not controllers.trees():
        pytest.skip("no control groups can be used here (neither root nor a delegated cgroup v2)")
    group, over = cgroups.create(controllers, "fleeting", Limits()), threading.Event()

    def come_and_go():
        while not over.is_set():
            group.remove()
            for tree in controllers.trees():
                (tree.folder / group.name).mkdir()

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            assert group.pids() == set()
    finally:
        over.set()
        other.join()
        group.remove()
