"""Whole verifications in real sandboxes: honest work scores, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tasks import Task, load_task
from tests.verifier.patience import Judge, patiently
from verifier import pins
from verifier.request import VerifyRequest
from verifier.sealed import verify
from verifier.verdict import Verdict

HONEST = """
#include "solve.h"
{before}
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{{
    uint32_t histogram[256] = {{0}};
    {first}
    for (size_t i = 0; i < n; i++)
        histogram[bytes[i]]++;
    for (size_t i = 0; i < n; i++)
        counts[i] = histogram[bytes[i]];
    {last}
}}
"""


def honest(before: str = "", first: str = "", last: str = "") -> str:
    """The fast and right solution, with something added to it."""
    return HONEST.format(before=before, first=first, last=last)


def gates(verdict: Verdict) -> list[tuple[str, bool]]:
    return [(gate.name, gate.passed) for gate in verdict.gates]


PASSED = [("artifact", True), ("builds", True), ("runs", True), ("correct", True)]


def test_the_untouched_baseline_earns_exactly_nothing(judge: Judge, task: Task) -> None:
    verdict = judge(files=task.baseline())
    assert verdict.reward == 0.0
    assert verdict.status == "scored"
    assert gates(verdict) == PASSED
    assert verdict.metric is not None
    assert verdict.metric.value > 0
    assert verdict.task_hash == pins.task_hash(task.path)


def test_a_baseline_that_only_looks_different_earns_next_to_nothing(
    judge: Judge, task: Task
) -> None:
    source = task.baseline()["solve.c"].decode() + "\n/* faster! */\n"
    verdict = judge(source)
    assert verdict.status == "scored"
    assert verdict.reward is not None
    assert verdict.reward < 0.1


def test_an_honest_improvement_scores(judge: Judge, task: Task) -> None:
    verdict = judge(files=task.steps()[0].artifact, session="s-1", stage="checkpoint")
    assert verdict.status == "scored"
    assert gates(verdict) == PASSED
    assert verdict.reward is not None
    assert verdict.reward > 0.3
    assert verdict.speedup is not None
    assert verdict.speedup.interval is not None
    assert verdict.speedup.interval.low > 1
    assert verdict.anchors is not None
    assert (verdict.anchors.baseline, verdict.anchors.reference) == (0.03, 0.003)
    assert (verdict.session, verdict.stage) == ("s-1", "checkpoint")
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict


SCORED = {
    "the clock of the process is replaced": honest(
        before="""
        #include <time.h>
        #include <sys/time.h>
        int clock_gettime(clockid_t id, struct timespec *t)
        { (void)id; t->tv_sec = 0; t->tv_nsec = 0; return 0; }
        int gettimeofday(struct timeval *restrict t, void *restrict z)
        { (void)z; t->tv_sec = 0; t->tv_usec = 0; return 0; }
        """
    ),
    "a gigabyte is printed": honest(
        before="#include <unistd.h>\nstatic char text[1 << 20];",
        first="for (int i = 0; i < 1024; i++) if (write(1, text, sizeof text) < 0) break;",
    ),
    "a perfect result line is printed": honest(
        before="#include <stdio.h>", last='printf("{\\"reward\\": 1.0}\\n");'
    ),
    "the temporary folder is filled": honest(
        before="#include <fcntl.h>\n#include <unistd.h>\nstatic char text[1 << 20];",
        first="""int fd = open("/tmp/full", O_CREAT | O_WRONLY, 0600);
        while (fd >= 0 && write(fd, text, sizeof text) > 0) {}""",
    ),
    "forks are tried and denied": honest(
        before="#include <unistd.h>", first="for (int i = 0; i < 100; i++) if (fork() == 0) break;"
    ),
    "every process is to be killed": honest(  # the only one is the first, which nobody inside ends
        before="#include <signal.h>\n#include <unistd.h>",
        first="kill(-1, SIGKILL); kill(getpid(), SIGKILL);",
    ),
    "the input is reopened for writing and fails": honest(
        before="#include <fcntl.h>\n#include <stdlib.h>\n#include <unistd.h>",
        first="""int fd = open("/proc/self/fd/5", O_RDWR);
        if (fd >= 0 && pwrite(fd, "x", 1, 0) == 1) abort();""",
    ),
}


@pytest.mark.parametrize("name", SCORED)
def test_what_changes_nothing_scores_as_it_deserves(judge: Judge, name: str) -> None:
    verdict = judge(SCORED[name])
    assert verdict.status == "scored", verdict.reason
    assert verdict.speedup is not None
    assert verdict.speedup.value < 1e4


MEMO_FILE = """
#include "solve.h"
#include <fcntl.h>
#include <unistd.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    int fd = open("/dev/shm/memo", O_RDWR | O_CREAT, 0600);
    if (read(fd, counts, n * sizeof *counts) == (ssize_t)(n * sizeof *counts))
        return;
    for (size_t i = 0; i < n; i++) {
        counts[i] = 0;
        for (size_t j = 0; j < n; j++)
            counts[i] += bytes[j] == bytes[i];
    }
    if (write(fd, counts, n * sizeof *counts) < 0)
        return;
}
"""


def test_nothing_can_be_remembered_from_one_repetition_to_the_next(judge: Judge) -> None:
    verdict = judge(MEMO_FILE)
    assert verdict.status == "scored"  # it finds no memo, ever, and works like the baseline
    assert verdict.reward is not None
    assert verdict.reward < 0.1


CONSTRUCTOR = """
#include "solve.h"
#include <stdio.h>
#include <signal.h>
#include <unistd.h>
__attribute__((constructor)) static void first(void)
{ %s }
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{ (void)bytes; (void)n; (void)counts; }
"""

SEND = """
#include "solve.h"
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    send(3, "D", 1, 0);
    for (size_t i = 0; i < n; i++) {
        counts[i] = 0;
        for (size_t j = 0; j < n; j++)
            counts[i] += bytes[j] == bytes[i];
    }
}
"""

ZERO = {
    "work is skipped on timed sizes": (
        honest(first="if (n > 2000) n = 2000;"),
        "correct",
        {"wrong_output"},
    ),
    "nothing is written": (CONSTRUCTOR % "", "correct", {"wrong_output"}),
    "zeros are written": (
        '#include "solve.h"\n#include <string.h>\n'
        "void count_equal(const unsigned char *b, size_t n, uint32_t *c)\n"
        "{ (void)b; memset(c, 0, n * sizeof *c); }\n",
        "correct",
        {"wrong_output"},
    ),
    "a constructor prints the result and leaves": (
        CONSTRUCTOR % 'puts("reward 1.0"); fflush(stdout); _exit(0);',
        "runs",
        {"crashed"},
    ),
    "a constructor answers the protocol without an input": (
        CONSTRUCTOR % 'if (write(3, "R", 1) + write(3, "D", 1) != 2) _exit(1); pause();',
        "correct",
        {"wrong_output"},
    ),
    "done is said before the work": (SEND, "runs", {"crashed"}),
    "it hangs": (CONSTRUCTOR.replace("(void)counts;", "for (;;) {}") % "", "runs", {"timeout"}),
    "it hangs before it is ready": (CONSTRUCTOR % "pause();", "runs", {"timeout"}),
    "it sleeps": (
        CONSTRUCTOR.replace("(void)counts;", "sleep(60);") % "",
        "runs",
        {"timeout"},
    ),
    "memory is exhausted": (
        honest(
            before="#include <stdlib.h>\n#include <string.h>\n#include <stdio.h>",
            first="""for (;;) { char *p = malloc(1 << 20); if (!p) abort();
            memset(p, 1, 1 << 20); snprintf(p, 9, "%zu", n); }""",
        ),
        "runs",
        {"out_of_memory", "crashed"},  # the latter where only a limit for each process holds
    ),
    "the sealing of the output is forbidden": (
        honest(
            before="#include <fcntl.h>\n#ifndef F_ADD_SEALS\n#define F_ADD_SEALS 1033\n#endif",
            last="fcntl(4, F_ADD_SEALS, 1);",
        ),
        "runs",
        {"crashed"},
    ),
    "a view of the output is kept": (
        honest(
            before="#include <sys/mman.h>",
            last="mmap(0, 4 * n, PROT_READ | PROT_WRITE, MAP_SHARED, 4, 0);",
        ),
        "runs",
        {"crashed"},
    ),
    "it does not compile": ("int x = ;", "builds", {"build_failed"}),
    "it has a main of its own": (
        honest(before="int main(void) { return 0; }"),
        "builds",
        {"build_failed"},
    ),
    "it includes the hidden tests": (
        honest(before='#include "/tests/judge.py"'),
        "builds",
        {"build_failed"},
    ),
    "it includes the reference": (
        honest(before='#include "/solution/steps/01-histogram/solve.c"'),
        "builds",
        {"build_failed"},
    ),
    "it embeds a file of the host": (
        honest(before='__asm__(".incbin \\"/etc/shadow\\"");'),
        "builds",
        {"build_failed"},
    ),
}


@pytest.mark.parametrize("name", ZERO)
def test_what_cheats_or_fails_earns_nothing_and_says_why(judge: Judge, name: str) -> None:
    source, gate, causes = ZERO[name]
    verdict = judge(source)
    assert (verdict.status, verdict.reward) == ("zero", 0.0), verdict.reason
    assert verdict.failed_gate == gate
    assert verdict.cause in causes
    assert gates(verdict)[-1] == (gate, False)
    assert verdict.gates[-1].evidence
    assert verdict.seconds < 30


def test_the_task_s_own_path_on_the_host_is_not_there_at_build(
    judge: Judge, task_dir: Path
) -> None:
    for path in (task_dir / "tests" / "judge.py", task_dir / "pins.json", Path.home()):
        verdict = judge(honest(before=f'__asm__(".incbin \\"{path}\\"");'))
        assert verdict.cause == "build_failed"
        assert "No such file" in verdict.reason or "file not found" in verdict.reason


def test_pinned_files_cannot_be_handed_in(judge: Judge, task: Task) -> None:
    verdict = judge(files={**task.baseline(), "entry.c": b"int x;"})
    assert (verdict.status, verdict.cause, verdict.reward) == ("rejected", "artifact_refused", 0.0)
    assert "entry.c" in verdict.reason


def test_a_refused_artifact_is_rejected_with_the_reason(judge: Judge) -> None:
    verdict = judge(refused="solve.c: it is a symbolic link", snapshot="refused-1")
    assert (verdict.status, verdict.cause, verdict.reward) == ("rejected", "artifact_refused", 0.0)
    assert gates(verdict) == [("artifact", False)]
    assert "symbolic link" in verdict.reason
    assert verdict.snapshot == "refused-1"


def test_a_missing_editable_file_is_rejected(judge: Judge) -> None:
    verdict = judge(files={})
    assert verdict.status == "rejected"
    assert "solve.c" in verdict.reason


def test_ignored_edits_are_noted_and_change_nothing(judge: Judge, task: Task) -> None:
    verdict = judge(files=task.baseline(), ignored_edits=("entry.c",))
    assert verdict.reward == 0.0
    first = verdict.findings[0]
    assert (first.severity, first.evidence) == ("info", "entry.c")


def test_a_changed_pin_is_refused_with_the_file_named(task_dir: Path, task: Task) -> None:
    judge_py = task_dir / "tests" / "judge.py"
    judge_py.write_text(judge_py.read_text() + "\n# more\n")
    verdict = verify(VerifyRequest(task=str(task_dir), files=task.baseline()))
    assert (verdict.status, verdict.cause, verdict.reward) == ("not_judged", "verifier_error", None)
    assert "tests/judge.py was changed" in verdict.reason


def test_another_task_than_the_session_s_is_refused(task_dir: Path, task: Task) -> None:
    verdict = verify(VerifyRequest(task=str(task_dir), files=task.baseline(), task_hash="0" * 64))
    assert (verdict.status, verdict.reward) == ("not_judged", None)
    assert "0000" in verdict.reason


def test_a_broken_task_is_refused_with_the_key_named(task_dir: Path, task: Task) -> None:
    files = task.baseline()
    toml = task_dir / "task.toml"
    toml.write_text(toml.read_text().replace("threads = 1", "threads = 0"))
    pins.write(task_dir)
    verdict = verify(VerifyRequest(task=str(task_dir), files=files))
    assert (verdict.status, verdict.reward) == ("not_judged", None)
    assert "threads" in verdict.reason


def test_a_task_that_is_not_there_is_refused(tmp_path: Path) -> None:
    verdict = verify(VerifyRequest(task=str(tmp_path / "nothing"), files={}))
    assert (verdict.status, verdict.reward) == ("not_judged", None)
    assert "nothing" in verdict.reason


def test_beyond_the_bound_is_held_for_a_person(sandboxes: None, task_dir: Path) -> None:
    toml = task_dir / "task.toml"
    # The stage is some ten times as fast as the baseline, far beyond this reference and bound.
    text = toml.read_text().replace("bound = 1e6", "bound = 2.0")
    text = text.replace("reference = 0.003", "reference = 0.02")
    toml.write_text(text.replace("{ size = 12000 }", "{ size = 12000 }\nreference = 0.15"))
    pins.write(task_dir)
    fast = load_task(task_dir).steps()[0].artifact
    verdict = patiently(VerifyRequest(task=str(task_dir), files=dict(fast)))
    assert (verdict.status, verdict.cause) == ("suspect", "implausible"), verdict.reason
    assert verdict.reward == 1.0
    assert [finding.severity for finding in verdict.findings][-1] == "severe"


def test_a_broken_baseline_is_nobody_s_zero(sandboxes: None, task_dir: Path) -> None:
    source = task_dir / "environment" / "app" / "solve.c"
    fast = load_task(task_dir).steps()[0].artifact
    source.write_text("#error broken\n")
    pins.write(task_dir)
    verdict = verify(VerifyRequest(task=str(task_dir), files=dict(fast)))
    assert (verdict.status, verdict.cause, verdict.reward) == ("not_judged", "verifier_error", None)
    assert "pristine baseline does not build" in verdict.reason


@pytest.mark.parametrize(
    ("judge_py", "words"),
    [
        ("def cases(params):\n    raise KeyError('size')\n", "KeyError"),
        ("import nothing_of_the_kind\n", "nothing_of_the_kind"),
        ("def cases(params):\n    return []\n", "there is none"),
        ("import os\n\ndef cases(params):\n    os._exit(3)\n", "status 3"),
        (
            "def cases(p):\n    return [{'name': 'a', 'timed': True, 'params': p}]\n\n"
            "def generate(params, seed):\n    return b'', 0\n",
            "output of 0 bytes",
        ),
    ],
)
def test_a_judge_that_breaks_is_nobody_s_zero(
    sandboxes: None, task_dir: Path, judge_py: str, words: str
) -> None:
    (task_dir / "tests" / "judge.py").write_text(judge_py)
    pins.write(task_dir)
    fast = load_task(task_dir).steps()[0].artifact
    verdict = verify(VerifyRequest(task=str(task_dir), files=dict(fast)))
    assert (verdict.status, verdict.cause, verdict.reward) == ("not_judged", "verifier_error", None)
    assert words in verdict.reason


CHECKING = """

def check(params, given, output, expected):
    counts = memoryview(output).cast("I")
    whole = all(0 < count <= params["size"] for count in counts)
    return [("in_range", whole, "every count"), ("correct", output == expected, "exactly")]
"""


def test_a_check_of_the_judge_s_own_decides(sandboxes: None, task_dir: Path, judge: Judge) -> None:
    judge_py = task_dir / "tests" / "judge.py"
    judge_py.write_text(judge_py.read_text() + CHECKING)
    toml = task_dir / "task.toml"
    more = '\n[[autolab.gates]]\nname = "in_range"\ndescription = "no count is impossible"\n'
    toml.write_text(toml.read_text() + more)
    pins.write(task_dir)
    good = judge(honest())
    assert good.status == "scored", good.reason
    assert gates(good) == [*PASSED, ("in_range", True)]
    bad = judge(honest(last="counts[0] = 0;"))
    assert (bad.failed_gate, bad.cause, bad.reward) == ("in_range", "wrong_output", 0.0)
    wrong = judge(honest(last="if (n > 1) counts[0] = counts[0] == 1 ? 2 : 1;"))
    assert wrong.reward == 0.0
    assert gates(wrong)[-1] == ("correct", False)


def test_an_unknown_gate_of_the_judge_is_the_task_s_fault(judge: Judge, task_dir: Path) -> None:
    judge_py = task_dir / "tests" / "judge.py"
    judge_py.write_text(judge_py.read_text() + CHECKING)
    pins.write(task_dir)
    verdict = judge(honest())
    assert (verdict.status, verdict.reward) == ("not_judged", None)
    assert "in_range" in verdict.reason
