"""The table of docs/verifier.md: what becomes of whatever a judge says, or does not say.

Every row is a real judge in its sandbox. None of them may become a 0 that looks like a score.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from verifier import cpus
from verifier.cpus import Machine
from verifier.data import judge_data
from verifier.judge import Judge, JudgeError
from verifier.outcomes import FailedError, NotJudgedError
from verifier.request import VerifyRequest
from verifier.sandbox import get_backend

pytestmark = pytest.mark.usefixtures("sandboxes")

JUDGE = """
import json, os, sys, time
GOOD = {"gates": [("fine", True, "")], "metric": 1}
ROWS = {
    "good": lambda: GOOD,
    "nan": lambda: {**GOOD, "metric": float("nan")},
    "infinite": lambda: {**GOOD, "metric": float("-inf")},
    "huge": lambda: {**GOOD, "metric": 10 ** 400},
    "word": lambda: {**GOOD, "metric": "fast"},
    "no metric": lambda: {"gates": GOOD["gates"]},
    "no gate": lambda: {"gates": [], "metric": 1},
    "twice a gate": lambda: {"gates": [("fine", True, ""), ("fine", True, "")], "metric": 1},
    "strange gate": lambda: {"gates": [("odd", True, "")], "metric": 1},
    "half a gate": lambda: {"gates": [("fine", True)], "metric": 1},
    "nothing": lambda: None,
    "list": lambda: [1, 2],
    "failed and nan": lambda: {"gates": [("fine", False, "x")], "metric": float("nan")},
    "failed": lambda: {"gates": [("fine", False, "y" * 5000)], "metric": 0},
    "long": lambda: {"gates": [("fine", True, "z" * 390)] * 400, "metric": 1},
    "raises": lambda: 1 / 0,
    "leaves": lambda: sys.exit(0),
    "dies": lambda: os._exit(0),
    "prints": lambda: [print('{"ok": true, "n": 1, "metric": 0}', flush=True), GOOD][1],
    "late": lambda: [time.sleep(3), GOOD][1],
    "double": lambda: [say(1), GOOD][1],
    "early": lambda: [say(2), GOOD][1],
    "raw": lambda: [os.write(3, b"\\xff\\x00 no JSON"), GOOD][1],
    "flood": lambda: [os.write(3, b" " * 100_000), GOOD][1],
}
def say(number):
    answer = {"ok": True, "n": number, "gates": [["fine", True, ""]], "metric": 9}
    os.write(3, json.dumps(answer).encode())
def judge(files, params):
    return ROWS[files["row"].decode()]()
"""
INFRASTRUCTURE = {
    "nan": "cannot be read",
    "infinite": "cannot be read",
    "huge": "OverflowError",
    "word": "ValueError",
    "no metric": "gave the metric None",
    "no gate": "names no gate",
    "twice a gate": 'the gate "fine" twice',
    "strange gate": 'a gate "odd" not in task.toml',
    "half a gate": "ValueError",
    "nothing": "AttributeError",
    "list": "AttributeError",
    "failed and nan": "cannot be read",
    "long": "the answer is too long",
    "raises": "ZeroDivisionError",
    "leaves": "SystemExit",
    "dies": "ended without an answer (status 0)",
    "late": "no answer within 1 s",
    "double": "it answered twice, or late",
    "early": "it answered twice, or late",
    "raw": "cannot be read",
    "flood": "cannot be read",
}


def judged(row: str) -> float:
    machine = Machine(get_backend(), cpus.choose(VerifyRequest(task="")))
    files, pristine = {"row": row.encode()}, {"row": b"good"}
    with Judge(machine, {"judge.py": JUDGE.encode()}, patience=1.0 if row == "late" else 20) as on:
        found = judge_data(on, files, pristine, {}, seed=1, declared=["fine"], passed=[])
    return found.metric


@pytest.mark.parametrize("row", INFRASTRUCTURE)
def test_what_is_no_answer_is_an_infrastructure_error(row: str) -> None:
    with pytest.raises(NotJudgedError) as caught:
        judged(row)
    assert INFRASTRUCTURE[row] in caught.value.reason
    assert caught.value.cause == "verifier_error"


def test_a_gate_that_fails_is_a_gate_failure_with_bounded_evidence() -> None:
    with pytest.raises(FailedError) as caught:
        judged("failed")
    assert (caught.value.gate, caught.value.cause) == ("fine", "gate")
    assert len(caught.value.evidence) <= 400


@pytest.mark.parametrize("row", ["good", "prints"])
def test_what_a_judge_prints_is_no_answer(row: str) -> None:
    assert judged(row) == 1.0


@pytest.mark.parametrize(
    ("text", "said"), [("raise ValueError('no')", "ValueError"), ("import os; os._exit(3)", "3")]
)
def test_a_judge_that_does_not_start_is_an_infrastructure_error(text: str, said: str) -> None:
    machine = Machine(get_backend(), cpus.choose(VerifyRequest(task="")))
    with pytest.raises(JudgeError, match=said), Judge(machine, {"judge.py": text.encode()}):
        pass


def test_every_row_is_in_the_document() -> None:
    document = (Path(__file__).resolve().parents[2] / "docs" / "verifier.md").read_text()
    table = document.split("## What a judge says")[1].split("\n## ")[0]
    for words in ("not finite", "missing", "late", "too large", "twice", "unknown gate", "prints"):
        assert words in table
