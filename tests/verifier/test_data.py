"""Artifacts that are data, judged in a real sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks import load_task
from verifier import pins
from verifier.check import check_task
from verifier.request import VerifyRequest
from verifier.sealed import verify
from verifier.verdict import Verdict

TOML = """
schema_version = "1.4"
[metadata]
domain = "puzzle_and_challenge"
[agent]
timeout_sec = 60
[optimization]
metric = "total"
direction = "lower"
baseline = { score = 100.0 }
reference = { score = 20.0 }
[autolab]
domain = "puzzle_and_challenge"
editable = ["number.txt"]
unit = "points"
driver = { kind = "data" }
reward = { rule = "linear", bound = 0.0, bound_reason = "totals are not negative" }
[autolab.sizes]
quick = { params = { most = 1000 } }
full = { params = { most = 1000 } }
[[autolab.gates]]
name = "parses"
description = "one number"
[[autolab.gates]]
name = "in_range"
description = "not too large"
"""

JUDGE = """
def judge(files, params):
    text = files["number.txt"].strip()
    if text == b"break":
        raise ValueError("cannot go on")
    if text == b"nothing":
        return {"gates": [("parses", True, "")], "metric": None}
    if text == b"other":
        return {"gates": [("surprise", True, "")], "metric": 1}
    if not text.lstrip(b"-").isdigit():
        return {"gates": [("parses", False, "not a number: %r" % text[:20])], "metric": None}
    number = int(text)
    small = number <= params["most"]
    return {"gates": [("parses", True, "a number"), ("in_range", small, str(number))],
            "metric": number}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "totals"
    files = {
        "task.toml": TOML,
        "instruction.md": "Make the number small.\n",
        "environment/app/number.txt": "100\n",
        "tests/judge.py": JUDGE,
        "tests/cheats/words/number.txt": "small\n",
        "tests/cheats/words/expect.toml": 'gate = "parses"\n',
        "solution/steps/01-half/number.txt": "50\n",
        "solution/steps/02-fifth/number.txt": "20\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    pins.write(root)
    return root


@pytest.fixture
def say(sandboxes: None, folder: Path):
    def judged(text: str) -> Verdict:
        return verify(VerifyRequest(task=str(folder), files={"number.txt": text.encode()}))

    return judged


def test_a_better_number_earns_its_share(say) -> None:
    verdict = say("20\n")
    assert (verdict.status, verdict.reward) == ("scored", 0.8)
    assert [(gate.name, gate.passed) for gate in verdict.gates] == [
        ("artifact", True),
        ("parses", True),
        ("in_range", True),
    ]
    assert verdict.metric is not None
    assert (verdict.metric.name, verdict.metric.value, verdict.metric.unit) == (
        "total",
        20.0,
        "points",
    )
    assert verdict.speedup is not None
    assert verdict.speedup.value == 5.0
    assert verdict.seal.official


def test_the_baseline_and_what_is_worse_earn_nothing(say) -> None:
    for text in ("100\n", "100", "300"):
        verdict = say(text)
        assert (verdict.status, verdict.reward) == ("scored", 0.0)


def test_a_failed_gate_is_named_and_later_ones_are_not_reached(say) -> None:
    verdict = say("many\x1b[2J")
    assert (verdict.status, verdict.cause, verdict.reward) == ("zero", "gate", 0.0)
    assert verdict.failed_gate == "parses"
    assert verdict.reason.isprintable()
    verdict = say("1001")
    assert verdict.failed_gate == "in_range"
    assert [gate.passed for gate in verdict.gates] == [True, True, False]


def test_beyond_the_bound_is_suspect(say) -> None:
    verdict = say("-5")
    assert (verdict.status, verdict.cause, verdict.reward) == ("suspect", "implausible", 1.0)


@pytest.mark.parametrize(
    ("text", "words"), [("nothing", "metric None"), ("other", "surprise"), ("break", "ValueError")]
)
def test_a_judge_without_an_answer_is_nobody_s_zero(say, text: str, words: str) -> None:
    verdict = say(text)
    assert (verdict.status, verdict.cause, verdict.reward) == ("not_judged", "verifier_error", None)
    assert words in verdict.reason


def test_an_artifact_that_breaks_the_judge_is_pointed_out(say) -> None:
    assert [finding.severity for finding in say("break").findings] == ["severe"]


def test_the_whole_task_passes_its_check(sandboxes: None, folder: Path) -> None:
    told: list[str] = []
    checked = check_task(load_task(folder), progress=told.append)
    assert checked.ok, checked.problems
    assert checked.baseline_reward == 0.0
    assert [(s.name, s.reward) for s in checked.stages] == [("01-half", 0.5), ("02-fifth", 0.8)]
    assert checked.reference_reward == 0.8
    assert [(c.name, c.reward, c.gate) for c in checked.cheats] == [("words", 0.0, "parses")]
    assert (checked.available, checked.why_not, checked.pins) == (True, None, "ok")
    assert any("02-fifth" in line for line in told)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("solution/steps/02-fifth/number.txt", "60\n", "earns no more"),
        ("solution/steps/02-fifth/number.txt", "40\n", "away from"),
        ("solution/steps/01-half/number.txt", "x\n", "stage 01-half must score"),
        ("tests/cheats/words/number.txt", "5\n", "cheat words must fail at gate parses"),
        ("environment/app/number.txt", "x\n", "baseline must score 0"),
    ],
)
def test_every_false_claim_is_found(
    sandboxes: None, folder: Path, name: str, text: str, problem: str
) -> None:
    (folder / name).write_text(text)
    pins.write(folder)
    checked = check_task(load_task(folder))
    assert not checked.ok
    assert any(problem in line for line in checked.problems), checked.problems


def test_a_task_that_is_not_pinned_is_not_ok(sandboxes: None, folder: Path) -> None:
    (folder / "pins.json").unlink()
    checked = check_task(load_task(folder))
    assert (checked.ok, checked.pins) == (False, "missing")
    assert "autolab tasks pin" in checked.problems[0]


def test_a_judge_that_asks_for_a_seed_gets_a_new_one_each_time(
    sandboxes: None, folder: Path
) -> None:
    (folder / "tests" / "judge.py").write_text("""
import os
def judge(files, params, seed):
    threads = os.environ["OPENBLAS_NUM_THREADS"]
    return {"gates": [("parses", True, "seed %d, threads %s" % (seed, threads))], "metric": 50}
""")
    pins.write(folder)
    request = VerifyRequest(task=str(folder), files={"number.txt": b"50"})
    said = [verify(request).gates[-1].evidence for _ in range(2)]
    assert said[0] != said[1]
    assert all(text.endswith(", threads 1") for text in said)


def test_a_task_whose_tools_are_missing_is_unavailable(sandboxes: None, folder: Path) -> None:
    toml = folder / "task.toml"
    text = toml.read_text() + '\n[autolab.needs]\ncommands = ["no-such-compiler"]\n'
    toml.write_text(text)
    pins.write(folder)
    checked = check_task(load_task(folder))
    assert (checked.ok, checked.available) == (False, False)
    assert checked.why_not == "missing inside the sandbox: no-such-compiler"
    assert checked.problems == ()
