"""Stopping a whole tree, letting it go on, and ending it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from verifier.sandbox.namespace import PidNamespace, namespace_inode

BUSY = """
import os, threading, ctypes
def spin():
    while True: pass
for _ in range(3):
    if os.fork() == 0: spin()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: spin()
    os._exit(0)
if os.fork() == 0:  # the first thread ends, the second goes on
    threading.Thread(target=spin, daemon=True).start()
    ctypes.CDLL(None).pthread_exit(None)
spin()
"""


@pytest.fixture
def busy(lab, eventually):
    process = lab.start(["/usr/bin/python3", "-I", "-S", "-c", BUSY])
    eventually(lambda: (process.cpu_seconds() or 0) > 0.2, "the tree is busy")
    return process


def used_in(process, seconds):
    before = process.cpu_seconds()
    time.sleep(seconds)
    return process.cpu_seconds() - before


def test_a_frozen_tree_uses_no_cpu_and_goes_on_after_thaw(busy, eventually):
    busy.freeze()
    assert used_in(busy, 0.3) <= 0.01
    frozen_at = busy.cpu_seconds()
    busy.thaw()
    eventually(lambda: busy.cpu_seconds() > frozen_at + 0.1, "the tree works again")
    busy.freeze()
    assert used_in(busy, 0.2) <= 0.01


def test_freezing_twice_and_thawing_twice_do_no_harm(busy, eventually):
    busy.freeze()
    busy.freeze()
    busy.thaw()
    busy.thaw()
    at = busy.cpu_seconds()
    eventually(lambda: busy.cpu_seconds() > at + 0.05, "the tree works again")


def test_a_frozen_tree_can_be_killed(busy):
    busy.freeze()
    busy.kill()
    assert busy.wait(20).code == -signal.SIGKILL
    assert busy.cpu_seconds() is not None
    busy.freeze()
    busy.thaw()
    busy.kill()


def test_wait_times_out_while_the_tree_runs(busy):
    with pytest.raises(TimeoutError):
        busy.wait(0.05)


def test_what_had_stopped_itself_stays_stopped(lab, eventually):
    read, write = os.pipe()
    process = lab.start("sh -c 'kill -STOP $$; echo woke' & sleep 60", stdout=write)
    os.close(write)
    os.set_blocking(read, False)

    def stopped():
        tree = PidNamespace(namespace_inode(process.init_pid))
        return [p.state for p in tree.processes()].count("T") == 1

    eventually(stopped, "the inner shell has stopped itself")
    process.freeze()
    process.thaw()
    with pytest.raises(BlockingIOError):
        os.read(read, 100)
    assert stopped()
    os.close(read)


def test_who_waits_for_a_child_of_its_vfork_stands_still_with_it(lab, eventually):
    script = "import ctypes; ctypes.CDLL(None).vfork()\nwhile True: pass"
    process = lab.start(["/usr/bin/python3", "-I", "-S", "-c", script])

    def waiting():
        tree = PidNamespace(namespace_inode(process.init_pid))
        return "D" in [p.state for p in tree.processes()]

    eventually(waiting, "the parent waits for its child")
    for _ in range(3):
        process.freeze()
        assert used_in(process, 0.2) <= 0.01
        at = process.cpu_seconds()
        process.thaw()
        eventually(lambda at=at: process.cpu_seconds() > at + 0.05, "the child works again")


PARENT = """
import os, sys, time
from verifier.sandbox.bubblewrap import Bubblewrap
from verifier.sandbox.hierarchy import Controllers
from verifier.sandbox.spec import SandboxSpec
backend = Bubblewrap() if sys.argv[2] == "best" else Bubblewrap(controllers=Controllers())
process = backend.launch(SandboxSpec(label="orphan", role="run"), ["/bin/sleep", sys.argv[1]])
process.freeze()
print(os.getpid(), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("kind", ["best", "bare"])
def test_sandboxes_die_with_their_parent_even_frozen(
    kind, sandbox_backend, host_processes, eventually
):
    marker = f"77{os.getpid()}"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, marker, kind],
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        assert [pid for pid in host_processes(marker) if pid != parent.pid]
        parent.kill()
        parent.wait()
    eventually(lambda: host_processes(marker) == [], "no process of the orphan is left")
    from verifier.sandbox import cgroups

    controllers = sandbox_backend.controllers
    reaped = cgroups.reap(controllers, "orphan")
    if controllers.trees() and kind == "best":
        assert reaped
    assert list(cgroups.leftovers(controllers, "orphan")) == []
