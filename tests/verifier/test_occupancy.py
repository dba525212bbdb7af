"""Programs of several threads: where they are measured, and what others take of those CPUs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier import pins
from verifier.cpus import choose, measuring_set
from verifier.occupancy import Occupancy, occupancy
from verifier.request import VerifyRequest
from verifier.sealed import verify
from verifier.taskstats import waited
from verifier.verdict import Verdict

HALVES = """
#include <pthread.h>
#include "solve.h"

struct part { const unsigned char *bytes; size_t n, from, to; uint32_t *counts; };

static void *count(void *given)
{
    struct part *part = given;
    for (size_t i = part->from; i < part->to; i++) {
        uint32_t count = 0;
        for (size_t j = 0; j < part->n; j++)
            count += part->bytes[j] == part->bytes[i];
        part->counts[i] = count;
    }
    return NULL;
}

void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    struct part low = {bytes, n, 0, n / 2, counts}, high = {bytes, n, n / 2, n, counts};
    pthread_t other;
    int alone = pthread_create(&other, NULL, count, &low);
    if (alone)
        count(&low);
    count(&high);
    if (!alone)
        pthread_join(other, NULL);
}
"""
SPIN = "import time\nend = time.monotonic() + 0.15\nwhile time.monotonic() < end: pass\n"


@given(st.sets(st.integers(0, 300), min_size=1, max_size=40), st.integers(1, 64))
def test_as_many_cpus_measure_as_there_are_threads_if_there_are(
    every: set[int], threads: int
) -> None:
    chosen = measuring_set(tuple(every), threads)
    assert len(chosen) == min(threads, len(every))
    assert set(chosen) <= every
    assert all(cpu <= min(chosen) for cpu in every - set(chosen))


def test_where_no_cpu_is_left_building_happens_on_the_same_ones() -> None:
    ours = tuple(sorted(os.sched_getaffinity(0)))
    request = VerifyRequest(task="/t")
    chosen = choose(request, len(ours))
    assert chosen.measuring == chosen.working == ours
    one = choose(request, 1)
    assert one.measuring == ours[-1:]
    assert one.apart is (len(ours) > 1)


@given(*[st.floats(0, 1e4)] * 6)
def test_what_is_ones_own_is_nobody_elses_and_idle_cpus_are_free_for_all(
    before: float, own: float, others: float, stalled: float, holder: float, slack: float
) -> None:
    began = Occupancy(before, 0.0, 0.0, 0.0, 0.0, 0.0, slack)
    ended = Occupancy(before + own + others + holder, own, stalled, holder, 0.0, 0.0, slack)
    delay = ended.since(began)
    assert delay.queue == 0.0
    assert delay.others == pytest.approx(max(0.0, min(others - slack, stalled)), abs=1e-6)


class Waiting:
    """A sandbox that does nothing and always wants to."""

    init_pid = None

    def cpu_seconds(self) -> float | None:
        return 0.0

    def stalled_seconds(self) -> float | None:
        return time.monotonic()


class Unmetered:
    init_pid = None

    def cpu_seconds(self) -> float | None:
        return None

    def stalled_seconds(self) -> float | None:
        return 0.0


def test_other_work_on_those_cpus_is_found() -> None:
    cpu = max(os.sched_getaffinity(0))
    before = occupancy(Waiting(), (cpu,))  # type: ignore[arg-type]  # only its CPU time is asked for
    subprocess.run(
        [sys.executable, "-c", SPIN], check=True, preexec_fn=lambda: os.sched_setaffinity(0, {cpu})
    )
    after = occupancy(Waiting(), (cpu,))  # type: ignore[arg-type]
    if before is None or after is None:
        pytest.skip("this kernel does not tell")
    assert after.since(before).others > 0.02


def test_without_a_meter_nothing_is_known() -> None:
    assert occupancy(Unmetered(), (0,)) is None  # type: ignore[arg-type]


def test_what_an_ended_thread_waited_is_not_forgotten() -> None:
    if waited([os.getpid()]) is None:
        pytest.skip("needs the right to ask for task statistics")
    cpu = max(os.sched_getaffinity(0))

    def spin() -> None:
        os.sched_setaffinity(threading.get_native_id(), {cpu})
        end = time.monotonic() + 0.1
        while time.monotonic() < end:
            pass

    before = waited([os.getpid()])
    threads = [threading.Thread(target=spin) for _ in range(3)]
    for thread in threads:
        thread.start()
    rival = [sys.executable, "-c", SPIN]
    subprocess.run(rival, check=True, preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
    for thread in threads:
        thread.join()
    after = waited([os.getpid()])
    assert before is not None
    assert after is not None
    assert after - before > 0.01


@pytest.fixture
def threaded(sandboxes: None, task_dir: Path) -> Path:
    text = (task_dir / "task.toml").read_text()
    assert "threads = 1" in text
    text = text.replace("threads = 1", "threads = 2")
    (task_dir / "task.toml").write_text(text)
    pins.write(task_dir)
    return task_dir


def seal_fits(verdict: Verdict) -> bool:
    if len(os.sched_getaffinity(0)) < 2:
        return not verdict.seal.official and "2 threads were measured on 1 CPU" in verdict.seal.why
    told = "kernel does not tell" not in verdict.seal.why or waited([os.getpid()]) is None
    return told and "threads" not in verdict.seal.why


def test_two_threads_are_timed_on_two_cpus(threaded: Path) -> None:
    # Once: on a machine whose every CPU is busy, two threads have no place to be measured.
    verdict = verify(VerifyRequest(task=str(threaded), files={"solve.c": HALVES.encode()}))
    if verdict.cause == "contention":
        pytest.skip(f"this machine is too busy: {verdict.reason}")
    assert verdict.status == "scored", verdict.reason
    assert seal_fits(verdict), verdict.seal
