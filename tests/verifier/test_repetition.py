"""One repetition against real candidates that do not keep the rules."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks import load_task
from verifier import memfd
from verifier.build import BuildError, build
from verifier.cpus import Cpus, Machine, turn
from verifier.outcomes import FailedError, NotJudgedError
from verifier.programs import Program, native
from verifier.repetition import repeat
from verifier.sandbox import get_backend

SOLVE = """
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
{before}
int autolab_solve(const void *input, size_t n, void *output, size_t m)
{{
    (void)input; (void)n; (void)output; (void)m;
    {body}
}}
"""


@pytest.fixture
def machine(sandboxes: None) -> Machine:
    cpus = sorted(os.sched_getaffinity(0))
    return Machine(get_backend(), Cpus((cpus[-1],), tuple(cpus[:-1] or cpus)))


@pytest.fixture
def given() -> Iterator[int]:
    fd = memfd.holding(b"abc")
    yield fd
    os.close(fd)


@pytest.fixture
def compile_(machine: Machine, task_dir: Path):
    recipe = load_task(task_dir).autolab.build  # type: ignore[union-attr]

    def compiled(body: str, before: str = "", threads: int = 1) -> Program:
        sources = {"solve.c": SOLVE.format(before=before, body=body).encode(), "entry.c": b""}
        return native(build(machine, recipe, sources, ()), threads, 64, 2.0)

    return compiled


def test_an_output_comes_back_whole_and_final(machine: Machine, compile_, given: int) -> None:
    program = compile_("memcpy(output, input, n); memset((char *)output + n, 7, m - n); return 0;")
    run = repeat(machine, program, given, 10_000)
    try:
        assert memfd.read(run.output) == b"abc" + b"\7" * 9997
        assert 0 < run.seconds < 2
        with pytest.raises(PermissionError):
            os.pwrite(run.output, b"x", 0)
    finally:
        os.close(run.output)


def test_what_is_not_written_is_noise_and_never_the_same(
    machine: Machine, compile_, given: int
) -> None:
    program = compile_("return 0;")
    outputs = set()
    for _ in range(2):
        run = repeat(machine, program, given, 64)
        outputs.add(memfd.read(run.output))
        os.close(run.output)
    assert len(outputs) == 2


def test_a_thread_that_works_on_after_done_is_caught(
    machine: Machine, compile_, given: int
) -> None:
    # It has its own view of the output, since the one it was given is taken away in time.
    before = """
    #include <pthread.h>
    #include <sys/mman.h>
    static char *own;
    static void *late(void *unused)
    { usleep(200000); memset(own, 1, 64); return unused; }
    """
    body = """own = mmap(0, 64, PROT_READ | PROT_WRITE, MAP_SHARED, 4, 0);
    pthread_t thread; return pthread_create(&thread, 0, late, 0);"""
    with pytest.raises(FailedError, match="still write") as failure:
        repeat(machine, compile_(body, before, threads=2), given, 64)
    assert failure.value.gate == "runs"


def test_a_thread_without_a_view_of_its_own_is_too_late(
    machine: Machine, compile_, given: int
) -> None:
    before = """
    #include <pthread.h>
    static void *late(void *output)
    { usleep(200000); memset(output, 1, 64); return 0; }
    """
    body = "pthread_t thread; return pthread_create(&thread, 0, late, output);"
    run = repeat(machine, compile_(body, before, threads=2), given, 64)
    try:
        assert memfd.read(run.output) != b"\1" * 64
    finally:
        os.close(run.output)


def test_a_second_thread_is_denied_where_one_is_allowed(
    machine: Machine, compile_, given: int
) -> None:
    before = """
    #include <pthread.h>
    static void *work(void *unused) { return unused; }
    """
    body = "pthread_t thread; return pthread_create(&thread, 0, work, 0) ? 77 : 0;"
    with pytest.raises(FailedError, match="returned 77"):
        repeat(machine, compile_(body, before), given, 64)
    run = repeat(machine, compile_(body, before, threads=2), given, 64)
    os.close(run.output)


def test_nothing_else_is_open_and_nothing_of_the_host_is_there(
    machine: Machine, compile_, given: int
) -> None:
    body = """
    for (int fd = 0; fd < 1024; fd++) {
        int open_ = fcntl(fd, F_GETFD) >= 0;
        if (open_ != (fd <= 5)) return 1;
    }
    const char *paths[] = {"/root", "/work", "/var/lib", "/autolab", "/judge", "/tests", 0};
    for (int i = 0; paths[i]; i++)
        if (access(paths[i], F_OK) == 0) return 2 + i;
    return 0;"""
    run = repeat(machine, compile_(body, "#include <fcntl.h>"), given, 64)
    os.close(run.output)


def test_time_is_the_host_s_and_sleeping_counts(machine: Machine, compile_, given: int) -> None:
    run = repeat(machine, compile_("usleep(300000); return 0;"), given, 64)
    os.close(run.output)
    assert run.seconds >= 0.3
    assert run.delay is None or run.delay.queue < 0.2


def test_a_hang_ends_at_its_limit(machine: Machine, compile_, given: int) -> None:
    program = compile_("for (;;) {}")
    start = time.monotonic()
    with pytest.raises(FailedError, match="not done within 2 s") as failure:
        repeat(machine, program, given, 64)
    assert failure.value.cause == "timeout"
    assert time.monotonic() - start < 10


def test_what_is_no_program_is_the_candidate_s_failure(machine: Machine, given: int) -> None:
    with pytest.raises(FailedError):
        repeat(machine, native(b"no program at all", 1, 64, 2.0), given, 64)


@pytest.mark.parametrize(
    ("commands", "words"),
    [
        ((("nothing-of-the-kind",),), "nothing-of-the-kind"),
        ((("sh", "-c", "ln -s /bin/ls candidate"),), "made no"),
        ((("sh", "-c", "mkdir candidate"),), "not a regular file"),
        ((("true",),), "made no"),
        ((("sh", "-c", "kill -9 $PPID"),), "ended from within"),
        ((("sleep", "60"),), "longer than 1 s"),
        ((("sh", "-c", "yes | head -c 100000000; false"),), "left out"),
        ((("sh", "-c", "truncate -s 200M candidate"),), "more than"),
    ],
)
def test_a_build_that_fails_says_how(machine: Machine, commands: tuple, words: str) -> None:
    from tasks.autolab import Build

    recipe = Build(
        commands=commands, output="candidate", timeout_sec=1 if "60" in str(commands) else 20
    )
    with pytest.raises(BuildError) as failure:
        build(machine, recipe, {"a.c": b""}, ())
    assert words in str(failure.value)


def test_only_one_verifier_measures_on_a_cpu_at_a_time() -> None:
    cpus = Cpus((4099,), (0,))  # a CPU that no machine has, so that nobody else wants it
    with turn(cpus):
        with pytest.raises(NotJudgedError, match="CPU 4099") as refused, turn(cpus, patience=0.1):
            pass
        assert refused.value.cause == "contention"
    with turn(cpus, patience=0.1):
        pass
