"""The puzzles: what the agent is told is what is judged, and no artifact breaks a judge."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import random
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import Task, load_suite
from verifier.scoring import scale_of

SUITE = load_suite()
CAMPAIGN, DRUM, REFUTATION = (
    SUITE.get(name) for name in ("test_campaign", "drum_signature", "short_refutation")
)
PUZZLES = (CAMPAIGN, DRUM, REFUTATION)
SCORER = {"test_campaign": "score.py", "drum_signature": "drum.py", "short_refutation": "score.py"}
SEED = 20250611
each_puzzle = pytest.mark.parametrize("task", PUZZLES, ids=lambda task: task.name)


def module(path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(f"{path.stem}_{path.parts[-3]}", path)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def judged(task: Task, files: dict[str, bytes]) -> dict[str, Any]:
    judge = module(task.tests / "judge.py").judge
    more = (SEED,) if len(inspect.signature(judge).parameters) == 3 else ()
    result: dict[str, Any] = judge(files, task.size("full").params, *more)
    return result


def name_of(task: Task) -> str:
    (name,) = task.baseline()
    return name


def run_python(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", *words], capture_output=True, text=True, check=False
    )


@each_puzzle
def test_the_agents_scorer_says_what_the_judge_says(task: Task, tmp_path: Path) -> None:
    metrics = []
    for artifact in (task.baseline(), *(dict(step.artifact) for step in task.steps())):
        result = judged(task, artifact)
        assert all(passed for _, passed, _ in result["gates"])
        assert task.autolab is not None
        assert [gate[0] for gate in result["gates"]] == [gate.name for gate in task.autolab.gates]
        file = tmp_path / name_of(task)
        file.write_bytes(artifact[name_of(task)])
        said = run_python(task.workspace / SCORER[task.name], file).stdout
        assert said.split()[-1] == f"{result['metric']:.0f}"
        metrics.append(result["metric"])
    size = task.size("full")
    assert metrics == sorted(set(metrics), reverse=True)
    assert (metrics[0], metrics[-1]) == (size.baseline, size.reference)


@each_puzzle
def test_cheats_stop_at_their_gate_and_fail_the_agents_scorer(task: Task, tmp_path: Path) -> None:
    for cheat in task.cheats():
        result = judged(task, dict(cheat.artifact))
        assert result["metric"] is None
        assert [name for name, passed, _ in result["gates"] if not passed] == [cheat.gate]
        file = tmp_path / name_of(task)
        file.write_bytes(cheat.artifact[name_of(task)])
        assert run_python(task.workspace / SCORER[task.name], file).returncode == 1, cheat.name


HOSTILE = {
    "nothing": b"",
    "blank lines": b"\n\n\n",
    "a byte order mark": b"\xef\xbb\xbf0 0\n",
    "carriage returns": b"0 0\r\n0 0\r\n",
    "a zero byte": b"0\x000\n",
    "a vertical tab": b"0\x0b0\n",
    "digits of another script": "\u0661 \u0662\n".encode(),
    "raised digits": "\u00b2 \u00b3\n".encode(),
    "a sign": b"+1 -1\n",
    "an underscore": b"1_0 2\n",
    "not a number": b"nan inf\n",
    "an exponent": b"1e3 2\n",
    "four megabytes of digits": b"9" * (4 << 20),
    "a number of 100,000 digits": b"1" * 100_000 + b" 2\n",
    "a number of 60,000 digits": b"1" * 60_000 + b" 2\n",
    "deep nesting": b"[" * 100_000,
    "many lines": b"1 2\n" * 200_000,
    "many blank lines": b"\n" * 100_000,
    "many spaces": b" " * 60_000 + b"1 2\n",
    "broken UTF-8": b"\xc3\x28 \xff\n",
}


@each_puzzle
@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_text_does_not_parse(task: Task, what: str, tmp_path: Path) -> None:
    result = judged(task, {name_of(task): HOSTILE[what]})
    assert result["metric"] is None
    assert [gate[:2] for gate in result["gates"]] == [("parses", False)]
    assert 0 < len(result["gates"][0][2]) < 200
    assert result["gates"][0][2].isprintable()
    (tmp_path / "it").write_bytes(HOSTILE[what])
    told = run_python(task.workspace / SCORER[task.name], tmp_path / "it")
    assert (told.returncode, told.stderr) == (1, "")


@each_puzzle
@pytest.mark.parametrize(("old", "new"), [(b"\n", b"\r\n"), (b" ", b"  "), (b" ", b"\t")])
def test_the_agent_is_told_of_what_would_be_refused(
    task: Task, old: bytes, new: bytes, tmp_path: Path
) -> None:
    text = task.steps()[-1].artifact[name_of(task)].replace(old, new)
    assert judged(task, {name_of(task): text})["gates"][-1][:2] == ("parses", False)
    (tmp_path / "it").write_bytes(text)
    assert run_python(task.workspace / SCORER[task.name], tmp_path / "it").returncode == 1


@each_puzzle
def test_a_missing_file_does_not_parse(task: Task) -> None:
    assert judged(task, {})["gates"][-1][:2] == ("parses", False)


@each_puzzle
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_damaged_artifact_is_judged(task: Task, data: st.DataObject) -> None:
    good = task.steps()[-1].artifact[name_of(task)]
    at = data.draw(st.integers(0, len(good)))
    cut = data.draw(st.integers(0, 40))
    put = data.draw(st.one_of(st.binary(max_size=8), st.text("0123456789 \n", max_size=8)))
    added = put if isinstance(put, bytes) else put.encode()
    result = judged(task, {name_of(task): good[:at] + added + good[at + cut :]})
    passed = [gate[1] for gate in result["gates"]]
    assert passed[:-1] == [True] * (len(passed) - 1)
    assert (result["metric"] is None) is not passed[-1]
    reference = task.size("full").reference
    assert reference is not None
    assert result["metric"] is None or result["metric"] >= reference - 3


@pytest.mark.parametrize(
    ("task", "file"), [(CAMPAIGN, "settings.txt"), (REFUTATION, "formula.txt")]
)
def test_the_judge_has_what_the_agent_sees_and_the_script_makes(task: Task, file: str) -> None:
    seen = (task.workspace / file).read_text()
    assert (task.tests / file).read_text() == seen
    assert run_python(task.solution / "scripts" / f"make_{file[:-4]}.py").stdout == seen


@pytest.mark.parametrize(
    ("task", "file"), [(CAMPAIGN, "settings.txt"), (REFUTATION, "formula.txt")]
)
def test_the_bound_is_what_the_script_proves(task: Task, file: str) -> None:
    proved = run_python(task.solution / "scripts" / "bound.py", task.tests / file).stdout
    scale = scale_of(task, "full")
    assert not scale.beyond_bound(float(proved))
    assert scale.beyond_bound(float(proved) - 1)
    assert f" {proved.strip()} " in task.instruction


def test_the_drums_bound_is_two_cycles_a_word_and_a_halt() -> None:
    scale = scale_of(DRUM, "full")
    bound = 2 * DRUM.size("full").params["words"] + 1
    assert not scale.beyond_bound(bound)
    assert scale.beyond_bound(bound - 1)


@pytest.mark.parametrize("step", DRUM.steps()[:-1], ids=lambda step: step.name)
def test_drum_programs_are_made_by_their_script(step: Any) -> None:
    made = run_python(DRUM.solution / "scripts" / "make.py", step.name[3:]).stdout
    assert made.encode() == step.files["program.txt"]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_refutations_are_made_by_their_script(number: int) -> None:
    step = REFUTATION.steps()[number]
    script = REFUTATION.solution / "scripts" / "prove.py"
    made = run_python(script, step.name[3:], REFUTATION.tests / "formula.txt").stdout
    assert made.encode() == step.files["refutation.txt"]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_campaigns_are_made_by_their_script(tmp_path: Path) -> None:
    scripts, search = CAMPAIGN.solution / "scripts", tmp_path / "search"
    subprocess.run(["gcc", "-O2", "-o", search, scripts / "search.c", "-lm"], check=True)
    table = CAMPAIGN.tests / "settings.txt"

    def made(*words: str | Path) -> bytes:
        words = (words[0], table, *words[1:])
        return subprocess.run([search, *words], capture_output=True, check=True).stdout

    steps = CAMPAIGN.steps()
    assert made("drawn", "1") == CAMPAIGN.baseline()["campaign.txt"]
    assert made("sampled", "1", "50") == steps[0].files["campaign.txt"]
    assert made("built", "1", "50") == steps[1].files["campaign.txt"]
    before = steps[1].path / "campaign.txt"
    assert made("shrunk", "1", "200000", before) == steps[2].files["campaign.txt"]


def any_program(rng: random.Random) -> str:
    """Thirty instructions in random slots, some of which go nowhere."""
    slots = [0, *rng.sample(range(1, 1024), 29)]
    memory = ["load", "store", "add", "sub", "and", "or", "xor", "loadx", "storex", "xorx"]
    lines = [
        f"data {address} {rng.randrange(1 << 16)}" for address in rng.sample(range(32, 2048), 9)
    ]
    for slot in slots:
        to = rng.choice(slots)
        kind = rng.randrange(10)
        if kind < 5:
            near = rng.choice((rng.randrange(2048), rng.randrange(32), slot))
            lines.append(f"{slot} {rng.choice(memory)} {near} {to}")
        elif kind < 6:
            lines.append(
                f"{slot} {rng.choice(('left', 'right', 'turn'))} {rng.randint(1, 15)} {to}"
            )
        elif kind < 8:
            lines.append(f"{slot} {rng.choice(('copy', 'take', 'mix'))} {rng.choice('BCX')} {to}")
        elif kind < 9 or rng.random() < 0.3:
            branch = rng.choice(("count", "negative", "zero"))
            lines.append(f"{slot} {branch} {to} {rng.choice(slots)}")
        else:
            lines.append(f"{slot} halt")
    return "\n".join(lines)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_two_drum_machines_do_the_same(seed: int) -> None:
    rng = random.Random(seed)
    text = any_program(rng)
    message = [rng.randrange(1 << 16) for _ in range(32)]
    theirs, ours = module(DRUM.workspace / "drum.py"), module(DRUM.tests / "judge.py")
    limits = {"steps": 500, "cycles": 1_000_000}
    theirs.MOST_STEPS = limits["steps"]
    program, data = ours.parse(text.encode(), 32)
    ended: list[Any] = [None, None]
    with contextlib.suppress(ours.RejectedError):
        ended[0] = ours.run(program, data, message, limits)
    with contextlib.suppress(ValueError):
        ended[1] = theirs.run(*theirs.read(text), message)
    assert ended[0] == ended[1]


def test_both_definitions_of_the_signature_agree() -> None:
    theirs, ours = module(DRUM.workspace / "drum.py"), module(DRUM.tests / "judge.py")
    polynomial = DRUM.size("full").params["polynomial"]
    for message in ours.messages(32, 40, random.Random(SEED)):
        assert ours.signature(message, polynomial) == theirs.signature(message)


def test_the_drums_messages_are_fresh() -> None:
    ours = module(DRUM.tests / "judge.py")
    first, second = (ours.messages(32, 40, random.Random(seed)) for seed in (1, 2))
    assert sum(a != b for a, b in zip(first, second, strict=True)) >= 30
