"""What a tree may use, and how running out of it is told."""

from __future__ import annotations

import os

import pytest

from verifier.sandbox.namespace import PidNamespace, namespace_inode


def test_a_memory_bomb_ends_and_is_told(grouped_lab):
    spec = grouped_lab.spec(limits={"memory_mb": 64})
    ran = grouped_lab.python("b = bytearray()\nwhile True: b += b'x' * (1 << 20)", spec)
    assert ran.exit.out_of_memory and ran.exit.code != 0


def test_memory_is_counted_over_the_whole_tree(grouped_lab):
    script = """
import os
import time
for _ in range(4):
    if os.fork() == 0:
        b = b"x" * (40 << 20)
        time.sleep(60)
        os._exit(0)
os.wait()
"""
    ran = grouped_lab.python(script, grouped_lab.spec(limits={"memory_mb": 100}))
    assert ran.exit.out_of_memory


def test_a_memory_bomb_ends_without_control_groups_too(lab):
    ran = lab.python("b = b'x' * (1 << 30)", lab.spec(limits={"memory_mb": 128}))
    assert ran.exit.code != 0


def test_shared_memory_and_tmp_count_and_are_bounded(lab):
    script = """
import errno
for path in ("/tmp/x", "/dev/shm/x", "/home/agent/x"):
    written = 0
    try:
        with open(path, "wb", buffering=0) as f:
            while True: written += f.write(bytes(1 << 20))
    except OSError as error:
        print(errno.errorcode[error.errno], written >> 20)
    __import__("os").unlink(path)
"""
    ran = lab.python(script, lab.spec(limits={"tmp_mb": 8}))
    assert ran.out.split() == ["ENOSPC", "8"] * 3


def test_a_fork_bomb_is_bounded_and_told(lab):
    script = """
import os, time
count = 0
try:
    while count < 500:
        if os.fork() == 0: time.sleep(30); os._exit(0)
        count += 1
except BlockingIOError: pass
print(count)
"""
    ran = lab.python(script, lab.spec(limits={"pids": 20}))
    assert 15 <= int(ran.out) <= 20
    if lab.backend.controllers.pids is not None:
        assert ran.exit.pids_exhausted


def test_a_real_fork_bomb_dies_when_told(lab, eventually):
    script = """
import os
while True:
    try: os.fork()
    except OSError: pass
"""
    process = lab.start(["/usr/bin/python3", "-I", "-S", "-c", script])
    tree = PidNamespace(namespace_inode(process.init_pid))
    eventually(lambda: len(tree.processes()) > 40, "the bomb went off")
    process.kill()
    assert process.wait(20).code == -9
    assert tree.processes() == []


def test_a_limit_of_one_process_is_exact(lab):
    script = """
import os
try: child = os.fork()
except BlockingIOError: print("alone")
else:
    if child: os.waitpid(child, 0)  # pid 1 must not end before it
    print("forked", flush=True)
"""
    assert lab.python(script, lab.spec(limits={"pids": 1})).out == "alone\n"
    assert lab.python(script, lab.spec(limits={"pids": 2})).out == "forked\nforked\n"


def test_threads_count_as_processes(lab):
    script = """
import threading
gate = threading.Event()
count = 0
try:
    while count < 100:
        threading.Thread(target=gate.wait, daemon=True).start(); count += 1
except RuntimeError: pass
gate.set()
print(count)
"""
    assert int(lab.python(script, lab.spec(limits={"pids": 10})).out) < 10


def test_a_file_cannot_grow_without_bound(lab):
    spec = lab.spec(limits={"file_mb": 2})
    ran = lab.run("trap '' XFSZ; dd if=/dev/zero of=/tmp/x bs=1M count=8; stat -c %s /tmp/x", spec)
    assert ran.out.split() == [str(2 << 20)]


def test_a_cpu_set_holds(lab):
    cpu = max(os.sched_getaffinity(0))
    script = """
import os
try: os.sched_setaffinity(0, range(os.cpu_count()))
except OSError: pass
print(os.sched_getaffinity(0))
"""
    assert lab.python(script, lab.spec(limits={"cpu_set": (cpu,)})).out.strip() == f"{{{cpu}}}"


def test_a_cpu_quota_is_set(lab):
    if lab.backend.controllers.cpus is None:
        assert lab.backend.enforcement().cpus is None
        pytest.skip("no control group for CPU quotas here")
    process = lab.start("sleep 60", lab.spec(limits={"cpus": 0.5}))
    tree = lab.backend.controllers.cpus
    (folder,) = [p for p in tree.folder.iterdir() if f"test.{os.getpid()}-" in p.name]
    if tree.version == 2:
        assert (folder / "cpu.max").read_text().split() == ["50000", "100000"]
    else:
        assert (folder / "cpu.cfs_quota_us").read_text().strip() == "50000"
    process.kill()


def test_enforcement_is_honest(lab):
    kinds = lab.backend.enforcement()
    if lab.backend.controllers.memory is None:
        assert kinds.memory == "rlimit per process" and not kinds.official
    else:
        assert kinds.memory.startswith("cgroup v") and kinds.official
    assert kinds.level == ("full" if os.geteuid() == 0 else "single-uid")


def test_urgent_work_goes_before_other_work_on_its_cpu(lab):
    if os.geteuid() != 0:
        pytest.skip("only root may put a sandbox before other work")
    cpu = {"cpu_set": (max(os.sched_getaffinity(0)),)}
    script = "import time\ntime.sleep(0.2)\nwhile time.process_time() < 0.3: pass\n"
    busy = lab.start(["/usr/bin/python3", "-c", "while True: pass"], lab.spec(limits=cpu))
    before = busy.cpu_seconds() or 0.0
    lab.python(script, lab.spec(limits=cpu | {"urgent": True}))
    beside_urgent = (busy.cpu_seconds() or 0.0) - before
    middle = busy.cpu_seconds() or 0.0
    lab.python(script, lab.spec(limits=cpu))
    beside_equal = (busy.cpu_seconds() or 0.0) - middle
    if busy.cpu_seconds() is None:
        pytest.skip("CPU time of a tree cannot be metered without control groups")
    assert beside_equal > beside_urgent
