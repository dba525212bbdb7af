"""Whose turn a device is, and who else is on it while it is timed."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from verifier.gpus import inventory, tenancy
from verifier.gpus.device import Want
from verifier.gpus.inventory import Inventory
from verifier.gpus.tenancy import Watch
from verifier.outcomes import NotJudgedError
from verifier.request import VerifyRequest


class Looks:
    """Answers with these pids, and knows how often it was asked."""

    def __init__(self, *pids: int) -> None:
        self.pids = pids
        self.asked = 0

    def __call__(self, uuid: str) -> tuple[int, ...]:
        self.asked += 1
        return self.pids

    def wait(self, more: int) -> None:
        wanted, deadline = self.asked + more, time.monotonic() + 20.0
        while self.asked < wanted and time.monotonic() < deadline:
            time.sleep(0.001)


def test_strangers_during_timing_are_told_and_ours_are_not():
    ours = subprocess.Popen(["sleep", "60"])
    looks, phases = Looks(1, ours.pid, os.getpid(), 2**22 + 1), []
    try:
        with Watch(["GPU-a"], (), phases.append, looks, every=0.001) as watch:
            watch.progress("timing pair 1")
            looks.wait(3)
    finally:
        ours.kill()
        ours.wait()
    assert phases == ["timing pair 1"]
    found = watch.finding
    assert found is not None and found.severity == "warning"
    assert found.what == "another process was on the GPU during timing"
    assert found.evidence.startswith("process 1 (") and found.evidence.endswith(") on GPU-a")
    assert "," not in found.evidence


def test_what_stands_still_is_no_contention():
    namespace = os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116
    parent = os.getppid()
    if Path(f"/proc/{parent}").stat().st_uid != os.geteuid():
        pytest.skip("whether a process stands still can be told of one's own only")
    looks = Looks(parent)
    with Watch(["GPU-a"], (namespace,), lambda _: None, looks, every=0.001) as watch:
        watch.progress("warm-up")
        looks.wait(3)
    assert watch.finding is None
    with Watch(["GPU-a"], (), lambda _: None, looks, every=0.001) as watch:
        watch.progress("warm-up")
        looks.wait(3)
    assert watch.finding is not None


def test_nobody_looks_outside_of_timing_or_without_devices():
    looks = Looks(1)
    with Watch(["GPU-a"], (), lambda _: None, looks, every=0.001) as watch:
        watch.progress("correctness 1/2: small")
    assert watch.finding is None
    with Watch([], (), lambda _: None, looks, every=0.001) as watch:
        watch.progress("timing pair 1")
    assert (watch.finding, looks.asked) == (None, 0)


def test_one_verifier_at_a_time_measures_on_a_device():
    with (
        tenancy.turn(["GPU-x", "GPU-y"]),
        pytest.raises(NotJudgedError, match="measuring on GPU-y") as caught,
        tenancy.turn(["GPU-y"], patience=0.05),
    ):
        pass
    assert caught.value.cause == "contention"
    with tenancy.turn(["GPU-y"], patience=0.05), tenancy.turn(["GPU-x"], patience=0.05):
        pass


def test_without_a_device_a_gpu_task_is_not_judged(monkeypatch):
    monkeypatch.setattr(inventory, "present", lambda: Inventory((), "there is no driver"))
    with pytest.raises(NotJudgedError, match="it needs 1 GPU, and there is no driver"):
        tenancy.devices(VerifyRequest(task="x"), Want(1))
    assert tenancy.devices(VerifyRequest(task="x"), Want(0)).uuids == ()


def test_a_driver_that_hangs_is_given_up():
    never = threading.Event()
    assert inventory.patiently(never.wait, 0.01, False) is False
    never.set()
