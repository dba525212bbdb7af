"""Whole verifications of foreign tasks, in real sandboxes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks import Task, load_task
from tests.verifier.foreign import making
from tests.verifier.foreign.conftest import Make
from tests.verifier.patience import patiently
from verifier.availability import availability
from verifier.check import check_task
from verifier.foreign import image
from verifier.foreign.workspace import OracleError, Workspace, workspace_of
from verifier.request import VerifyRequest
from verifier.verdict import Verdict

# Gives 0 until it knows better, in a file that it then replaces.
REPLACED = "cd /logs/verifier; echo 0.5 > other; mv other reward.txt\n"


def judged(task: Task, files: dict[str, bytes] | None = None, **parts: object) -> Verdict:
    """The verdict on the baseline with these files over it."""
    given = {**workspace_of(task).baseline, **(files or {})}
    request = VerifyRequest(task=str(task.path), files=given, size="full", **parts)  # type: ignore[arg-type]
    return patiently(request)


def test_a_well_behaved_task_end_to_end(make: Make) -> None:
    task = make()
    place = workspace_of(task)
    assert sorted(place.baseline) == ["count.c", "text.txt"]
    assert place.layout.pinned == {"Makefile": "its hash stands in /orig"}
    base = judged(task)
    assert (base.status, base.reward, base.metric and base.metric.value) == ("scored", 0.0, 18.0)
    assert "the baseline's own" in base.reason
    solved = place.solve()
    assert solved.files["text.txt"] == making.SHORT.encode()
    found = judged(task, dict(solved.files))
    assert (found.status, found.reward) == ("scored", pytest.approx(0.8))
    assert [(gate.name, gate.passed) for gate in found.gates] == [
        ("artifact", True),
        ("test_sh", True),
        ("correct", True),
    ]
    assert found.seal.timed_by == "task" and not found.seal.official
    assert "could print the line" in found.seal.why
    other = judged(task, task_hash="0" * 64)
    assert other.status == "not_judged" and "not the one" in other.reason


def test_what_an_agent_left_changes_nothing(make: Make, tmp_path: Path) -> None:
    """Forged rewards, stale programs with future times, trojans and edited pins stay behind."""
    place = workspace_of(make())
    left = tmp_path / "left"
    left.mkdir()
    for name, data in place.baseline.items():
        (left / name).write_bytes(data)
    (left / "Makefile").write_text("count:\n\techo '#!/bin/sh\\necho letters=1' > count\n")
    (left / "count").write_bytes(b"\x7fELF stale")
    (left / "count.o").write_bytes(b"stale")
    os.utime(left / "count", (2**31, 2**31))
    (left / "target").mkdir()
    (left / "target" / "stale.txt").write_text("stale")
    (left / "python3").write_bytes(b"\x7fELF trojan")
    (left / "link").symlink_to("/etc/passwd")
    os.mkfifo(left / "pipe")
    taken = place.take(left)
    assert taken.files == place.baseline
    assert place.edits(left) == ("Makefile",)
    (left / "text.txt").unlink()
    (left / "text.txt").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match=r"text\.txt"):
        place.take(left)


def test_files_that_are_not_the_agents_are_ignored(make: Make) -> None:
    forged = b"count:\n\tprintf '#!/bin/sh\\necho letters=1' > count && chmod +x count\n"
    verdict = judged(make(), {"Makefile": forged, "count": b"#!/bin/sh\necho letters=1\n"})
    assert (verdict.status, verdict.reward) == ("scored", 0.0)
    behind = next(f for f in verdict.findings if "stay behind" in f.what)
    assert "Makefile" in behind.evidence and "count" in behind.evidence
    program = judged(make("second"), {"tool": b"\x7fELF"})
    assert (program.status, program.cause) == ("rejected", "artifact_refused")


def test_a_new_source_file_crosses_and_a_deleted_one_is_gone(make: Make) -> None:
    task = make()
    header = {
        "n.h": b"#define N 3\n",
        "count.c": b'#include "n.h"\n#include <stdio.h>\n'
        b'int main(void) { printf("letters=%d\\n", N); return 0; }\n',
    }
    assert judged(task, header).reward == pytest.approx(0.85)
    only = {k: v for k, v in workspace_of(task).baseline.items() if k != "text.txt"}
    gone = patiently(VerifyRequest(task=str(task.path), files=only, size="full"))
    assert (gone.status, gone.failed_gate) == ("zero", "correct")


def test_forging_from_within_is_held_or_not_judged(make: Make) -> None:
    """What runs under test.sh can write where test.sh writes; it gains nothing by it here."""
    task = make()
    forge = making.COUNT.replace(
        "int n = 0, c;",
        'int n = 0, c; FILE *r = fopen("/logs/verifier/reward.json", "w");'
        ' if (r) { fputs("{\\"reward\\": 1.0}", r); fclose(r); } MORE',
    ).replace("#include <stdio.h>", "#include <stdio.h>\n#include <signal.h>\n#include <unistd.h>")
    killing = judged(
        task, {"count.c": forge.replace("MORE", "kill(getppid(), 9); kill(-1, 9);").encode()}
    )
    assert (killing.status, killing.reward) == ("not_judged", None)
    assert any("without test.sh ending well" in f.what for f in killing.findings)
    crashing = judged(task, {"count.c": forge.replace("MORE", "return 7;").encode()})
    assert (crashing.status, crashing.reward) == ("not_judged", None)
    text = {"text.txt": b"abc"}
    quiet = judged(task, {**text, "count.c": forge.replace("MORE", "").encode()})
    assert (quiet.status, quiet.cause) == ("suspect", "tampered")
    plain = judged(task, {"count.c": making.COUNT.replace("return 0", "return 9").encode()})
    assert (plain.status, plain.cause, plain.reward) == ("zero", "crashed", 0.0)


def test_the_perfect_line_before_main_is_held_and_its_honest_twin_is_not(make: Make) -> None:
    task = make()
    early = (
        "#include <unistd.h>\n__attribute__((constructor)) static void go(void)"
        ' { write(1, "letters=1\\n", 10); _exit(0); }\n'
    )
    cheat = judged(task, {"count.c": (early + making.COUNT).encode()})
    assert (cheat.status, cheat.cause) == ("suspect", "tampered")
    assert "constructor" in " ".join(f.evidence for f in cheat.findings if f.severity == "severe")
    commented = "// constructor _exit kill getppid\n" + making.COUNT
    twin = judged(task, {"count.c": commented.encode(), "text.txt": b"abc"})
    assert (twin.status, twin.reward) == ("scored", pytest.approx(0.85))
    assert {f.severity for f in twin.findings} == {"info"}


def test_a_daemon_does_not_outlive_test_sh(make: Make) -> None:
    """It would write a better reward a little later; by then it is gone, and the room with it."""
    late = making.COUNT.replace("#include <stdio.h>", "#include <stdio.h>\n#include <unistd.h>")
    late = late.replace(
        "int n = 0, c;",
        "int n = 0, c; if (!fork()) { setsid(); fclose(stdout); fclose(stderr); if (!fork()) {"
        " for (;;) sleep(1); } return 0; }",
    )
    verdict = judged(make(), {"count.c": late.encode(), "text.txt": b"abcd"})
    assert (verdict.status, verdict.reward) == ("scored", pytest.approx(0.8))


def test_a_daemon_that_writes_the_reward_again_is_held(make: Make) -> None:
    """It hides the path from screening, waits for test.sh's reward and puts its own there."""
    hidden = "".join(f"\\x{ord(letter) + 1:02x}" for letter in "/logs/verifier/reward.json")
    daemon = making.COUNT.replace("#include <stdio.h>", "#include <stdio.h>\n#include <unistd.h>")
    daemon = daemon.replace(
        "int n = 0, c;",
        f'int n = 0, c; char path[] = "{hidden}"; for (char *p = path; *p; p++) --*p;'
        " if (!fork()) { setsid(); fclose(stdout); fclose(stderr); if (fork()) return 0;"
        ' for (int t = 0; t < 40; t++) { usleep(60000); FILE *r = fopen(path, "r"); int some = 0;'
        " if (r) { while ((c = fgetc(r)) != EOF) some |= c == '}'; fclose(r); }"
        ' if (some && (r = fopen(path, "w"))) {'
        ' fputs("{\\"reward\\": 0.95, \\"metric\\": 1}", r); fclose(r); break; } } return 0; }',
    )
    lasting = make(test=making.TEST + "sleep 0.7\n")
    cheat = judged(lasting, {"count.c": daemon.encode(), "text.txt": b"abcd"})
    assert (cheat.status, cheat.cause, cheat.reward) == ("suspect", "tampered", 0.95)
    assert "0.8 first and 0.95 in the end" in cheat.reason
    twin = judged(lasting, {"text.txt": b"abcd"})
    assert (twin.status, twin.reward) == ("scored", pytest.approx(0.8))
    default = make("default", test="echo 0 > /logs/verifier/reward.txt\n" + REPLACED)
    honest = judged(default, {"text.txt": b"abcd"})
    assert (honest.status, honest.reward) == ("scored", 0.5)
    assert {f.severity for f in honest.findings} == {"info"}


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        ('{"reward": NaN}', "not_judged", "NaN"),
        ('{"reward": -0.5}', "not_judged", "outside of 0 to 1"),
        ('{"reward": 7}', "not_judged", "outside of 0 to 1"),
        ('{"reward": 0.2, "reward": 0.9}', "not_judged", "twice"),
        ('{"reward": "1.0"}', "not_judged", "not a number"),
        ("nonsense", "not_judged", "cannot be read"),
    ],
)
def test_a_reward_that_cannot_be_used(make: Make, line: str, status: str, words: str) -> None:
    verdict = judged(make(test=making.says(line), dockerfile=_BARE), {"text.txt": b"x"})
    assert (verdict.status, words in verdict.reason) == (status, True), verdict.reason


_BARE = "FROM debian:12\nWORKDIR /app\nCOPY text.txt .\n"


def test_no_reward_late_rewards_and_strange_files(make: Make) -> None:
    silent = judged(make("silent", test="true\n", dockerfile=_BARE))
    assert (silent.status, "left no reward" in silent.reason) == ("not_judged", True)
    sleepy = "grep -q slow text.txt && sleep 60\n" + making.says('{"reward": 0.0}')
    task = make("slow", test=sleepy, dockerfile=_BARE, timeout=1.0)
    slow = judged(task, {"text.txt": b"slow"})
    assert (slow.status, slow.cause, slow.reward) == ("zero", "timeout", 0.0)
    early = making.says('{"reward": 1.0}') + "sleep 60\n"
    hung = judged(make("hung", test=early, dockerfile=_BARE, timeout=0.3))
    assert (hung.status, hung.reward) == ("not_judged", None)
    linked = judged(
        make("linked", test="ln -s /etc/passwd /logs/verifier/reward.txt\n", dockerfile=_BARE)
    )
    assert linked.status == "not_judged" and "reward.txt" in linked.reason
    moved = "mv /logs/verifier /logs/v; ln -s /etc /logs/verifier\n"
    assert judged(make("moved", test=moved, dockerfile=_BARE)).status == "not_judged"
    two = making.says('{"reward": 0.5}') + "echo 0.9 > /logs/verifier/reward.txt\n"
    assert "two rewards" in judged(make("two", test=two, dockerfile=_BARE)).reason


def test_what_test_sh_finds_around_it(make: Make) -> None:
    """Its tests and /orig cannot be changed, there is no network and no host."""
    probe = """\
set -u
bad=""
echo x > /orig/Makefile.sha256 2>/dev/null && bad="$bad orig"
echo x > /tests/test.sh 2>/dev/null && bad="$bad tests"
mv /tests/test.sh /tests/other 2>/dev/null && bad="$bad moved"
touch /tests/made 2>/dev/null || bad="$bad made"
[ -e /solution ] && bad="$bad solution"
[ "$(ls /sys/class/net 2>/dev/null | grep -v lo)" = "" ] || bad="$bad net"
[ "$(pwd)" = /app ] || bad="$bad cwd"
out=/logs/verifier/reward.json
printf '{"reward": 0.0, "reason": "%s", "correctness": false}' "${bad:-none}" > $out
"""
    verdict = judged(make(test=probe), {"text.txt": b"x"})
    assert "fail here: none; the snapshot: none" in verdict.reason, verdict.reason


def test_an_image_that_cannot_be_made_says_which_line(make: Make) -> None:
    task = make(dockerfile=making.DOCKERFILE + "RUN echo no such luck >&2 && exit 3\n")
    request = VerifyRequest(task=str(task.path), size="full")
    verdict = patiently(request)
    assert verdict.status == "not_judged"
    assert "line 7" in verdict.reason and "no such luck" in verdict.reason
    assert "line 7" in (image.failure(task) or "")


def test_a_solution_that_does_not_work(make: Make) -> None:
    place: Workspace = workspace_of(make(solve="echo broken; exit 4\n"))
    with pytest.raises(OracleError, match="status 4: broken"):
        place.solve()


def test_put_back_keeps_to_what_counts(make: Make, tmp_path: Path) -> None:
    place = workspace_of(make())
    there = tmp_path / "there"
    there.mkdir()
    (there / "notes.txt").write_text("new")
    (there / "text.txt").write_text("changed")
    (there / "Makefile").write_text("mine")
    assert place.put_back(there, place.baseline, None) == ["notes.txt"]
    assert place.take(there).files == place.baseline
    assert (there / "Makefile").read_text() == "mine"


def test_a_failure_counts_only_where_the_untouched_files_pass(make: Make) -> None:
    """Too old a compiler fails every artifact alike: that is no zero of the artifact's."""
    broken = making.says('{"reward": 0.0, "correctness": false, "reason": "old compiler"}')
    task = make(test=broken, dockerfile=_BARE)
    assert availability([task]) == {"count_letters": None}
    verdict = judged(task, {"text.txt": b"x"})
    assert (verdict.status, verdict.reward) == ("not_judged", None)
    assert "untouched files fail here: old compiler" in verdict.reason
    again = availability([task])["count_letters"] or ""
    assert again.startswith("its untouched files fail here: old compiler")
    image.forget(task)
    stub = broken + "\n"
    (task.path / "tests" / "test.sh").write_text(stub)
    text = (task.path / "task.toml").read_text().replace("baseline = ", "start = ")
    (task.path / "task.toml").write_text(text)  # nobody says that these files work
    verdict = judged(load_task(task.path), {"text.txt": b"x"})
    assert (verdict.status, verdict.failed_gate) == ("zero", "correct")


def test_a_check_proves_baseline_and_solution(make: Make) -> None:
    found = check_task(make())
    assert found.ok and found.problems == () and found.pins == "missing"
    assert (found.baseline_reward, [stage.reward for stage in found.stages]) == (
        0.0,
        [pytest.approx(0.8)],
    )
    bad = check_task(make("bad", solve="exit 3\n"))
    assert not bad.ok and "status 3" in bad.problems[0]
    broken = making.says('{"reward": 0.0, "correctness": false, "reason": "old compiler"}')
    old = check_task(make("old", test=broken))
    assert not old.available and "old compiler" in (old.why_not or "") and old.problems == ()
    none = check_task(make("none", dockerfile="FROM alpine\n"))
    assert not none.available and none.problems == ()
