"""The shipped tasks agree with themselves: every file that must match another does."""

from __future__ import annotations

import importlib.util
import itertools
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from tasks import Task, load_suite
from verifier import pins

SUITE = load_suite()
NATIVE = [t for t in SUITE.tasks if t.autolab and t.autolab.driver.kind == "native"]
DOMAINS = {"system_optimization", "puzzle_and_challenge", "model_development", "cuda"}
SANDBOX_PATH = "/usr/local/bin:/usr/bin:/bin"  # not a toolchain of somebody's home
needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
each_task = pytest.mark.parametrize("task", SUITE.tasks, ids=lambda task: task.name)
each_native = pytest.mark.parametrize("task", NATIVE, ids=lambda task: task.name)


def _built(task: Task) -> Any:
    """C compiles in no time; a stage in C++ or Rust takes seconds, and a task has half a dozen."""
    assert task.autolab is not None
    slow = {"g++", "rustc"} & set(task.autolab.needs.commands)
    return pytest.param(task, id=task.name, marks=[pytest.mark.slow] if slow else [])


each_built = pytest.mark.parametrize("task", [_built(task) for task in NATIVE])


def judge_of(task: Task) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(f"judge_{task.name}", task.tests / "judge.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def params(task: Task, size: str) -> dict[str, Any]:
    return dict(task.size(size).params)


@each_task
def test_it_is_whole(task: Task) -> None:
    assert task.native
    assert task.unknown_keys == ()
    assert task.domain in DOMAINS
    assert task.path.parent.name == task.domain
    assert task.path.name == task.name
    assert task.config.metadata["domain"] == task.domain
    assert task.config.environment.network == "no-network"
    assert pins.check(task.path) == ()
    assert len(task.instruction.split()) > 100


@each_task
def test_its_stages_are_at_least_three_and_explained(task: Task) -> None:
    steps = task.steps()
    assert len(steps) >= 3
    assert [int(step.name[:2]) for step in steps] == list(range(1, len(steps) + 1))
    artifacts = [task.baseline(), *(step.artifact for step in steps)]
    for before, after in itertools.pairwise(artifacts):
        assert before != after
    for step in steps:
        assert len((step.path / "README.md").read_text().split()) > 20


@each_task
def test_its_cheats_differ_from_the_baseline_and_the_solution(task: Task) -> None:
    cheats = task.cheats()
    assert len(cheats) >= 4
    assert len({cheat.gate for cheat in cheats}) >= 2
    good = [task.baseline(), *(step.artifact for step in task.steps())]
    for cheat in cheats:
        assert cheat.artifact not in good


@each_task
def test_the_hidden_parts_are_not_in_the_workspace(task: Task) -> None:
    seen = {path.read_bytes() for path in task.workspace.rglob("*") if path.is_file()}
    for step in task.steps():
        assert not seen & set(step.files.values())
    assert (task.tests / "judge.py").read_bytes() not in seen


@each_task
def test_a_quick_session_is_short(task: Task) -> None:
    active = task.size("quick").active_sec
    assert active is not None and active <= 120
    assert task.config.agent.timeout_sec is not None and task.config.agent.timeout_sec >= 1800


@each_native
@pytest.mark.parametrize("size", ["quick", "full"])
def test_native_cases_are_tested_and_timed(task: Task, size: str) -> None:
    judge = judge_of(task)
    cases = judge.cases(params(task, size))
    assert len({case["name"] for case in cases}) == len(cases)
    assert sum(case["timed"] for case in cases) == 1
    assert len(cases) >= 5
    for case in cases:
        first = judge.generate(case["params"], 1)
        assert first == judge.generate(case["params"], 1)
        assert first[1] > 0
        if case["timed"]:
            assert first[0] != judge.generate(case["params"], 2)[0]


@each_native
def test_the_agent_compiles_as_the_verifier_does(task: Task) -> None:
    assert task.autolab is not None and task.autolab.build is not None
    makefile = (task.workspace / "Makefile").read_text()
    words = [
        word
        for command in task.autolab.build.commands
        for word in command
        if "{shim}" not in command and re.match(r"--?(O|C|F|std|march|edition)", word)
    ]
    assert words
    for word in words:
        assert word in makefile
    kinds = (".c", ".cpp", ".rs")
    sources = {w for c in task.autolab.build.commands for w in c if w.endswith(kinds)}
    present = {path.name for path in task.workspace.iterdir() if path.suffix in kinds}
    assert sources == {name for name in present if not name.startswith("bench.")}


MAIN = r"""
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
int autolab_solve(const void *, size_t, void *, size_t);
int main(int argc, char **argv)
{
    size_t out = (size_t)atol(argv[1]), room = 1 << 24;
    char *input = malloc(room), *output = calloc(1, out);
    size_t in = fread(input, 1, room, stdin);
    int code = autolab_solve(input, in, output, out);
    fwrite(output, 1, out, stdout);
    return code + (argc != 2);
}
"""


def require_needs(task: Task) -> None:
    """Skip where the task would be unavailable for want of a command or a header."""
    assert task.autolab is not None
    for command in task.autolab.needs.commands:
        if shutil.which(command, path=SANDBOX_PATH) is None:
            pytest.skip(f"needs {command}")
    for header in task.autolab.needs.headers:
        if not (Path("/usr/include") / header).exists():
            pytest.skip(f"needs {header}")


def program(task: Task, artifact: dict[str, bytes], folder: Path) -> Path:
    """The task's program around a plain main, built as task.toml says."""
    assert task.autolab is not None and task.autolab.build is not None
    shutil.copytree(task.workspace, folder)
    for name, data in artifact.items():
        (folder / name).write_bytes(data)
    (folder / "plain_main.c").write_text(MAIN)
    flags: list[str] = []
    if task.autolab.flags is not None:
        text = (folder / task.autolab.flags.file).read_text()
        flags = re.sub(r"#.*", "", text).split()
    for command in task.autolab.build.commands:
        words: list[str] = []
        for word in command:
            words += flags if word == "{flags}" else [word.replace("{shim}", "plain_main.c")]
        subprocess.run(
            words, cwd=folder, env={"PATH": SANDBOX_PATH}, check=True, capture_output=True
        )
    return folder / task.autolab.build.output


@needs_gcc
@each_built
def test_every_stage_computes_what_the_baseline_does(task: Task, tmp_path: Path) -> None:
    require_needs(task)
    judge = judge_of(task)
    cases = [case for case in judge.cases(params(task, "quick")) if not case["timed"]]
    inputs = [judge.generate(case["params"], 11) for case in cases]
    env = {"TMPDIR": str(tmp_path)}

    def outputs(program: Path) -> list[bytes]:
        return [
            subprocess.run(
                [program, str(size)], input=data, env=env, capture_output=True, check=True
            ).stdout
            for data, size in inputs
        ]

    expected = outputs(program(task, task.baseline(), tmp_path / "baseline"))
    assert [len(output) for output in expected] == [size for _, size in inputs]
    for step in task.steps():
        found = outputs(program(task, dict(step.artifact), tmp_path / step.name))
        if not hasattr(judge, "check"):
            assert found == expected
            continue
        for case, (data, _), one, truth in zip(cases, inputs, found, expected, strict=True):
            views = (memoryview(data), memoryview(one), memoryview(truth))
            assert all(passed for _, passed, _ in judge.check(case["params"], *views))


@needs_gcc
@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@each_built
def test_the_agents_own_check_tells_right_from_wrong(task: Task, tmp_path: Path) -> None:
    require_needs(task)
    env = {**os.environ, "PATH": SANDBOX_PATH, "TMPDIR": str(tmp_path)}

    def check(artifact: dict[str, bytes], folder: Path) -> int:
        shutil.copytree(task.workspace, folder)
        for name, data in artifact.items():
            (folder / name).write_bytes(data)
        done = subprocess.run(
            ["make", "-s", "check"], cwd=folder, env=env, capture_output=True, check=False
        )
        return done.returncode

    assert check({}, tmp_path / "untouched") == 0
    assert check(dict(task.steps()[-1].artifact), tmp_path / "right") == 0
    gates = {gate.name for gate in task.autolab.gates} if task.autolab else set()
    cheat = next(cheat for cheat in task.cheats() if cheat.gate in gates)
    assert check(dict(cheat.artifact), tmp_path / "wrong") != 0


def test_build_flags_tells_the_agent_what_is_allowed() -> None:
    task = SUITE.get("build_flags")
    assert task.autolab is not None and task.autolab.flags is not None
    lines = (task.workspace / "allowed.txt").read_text().splitlines()
    told = [line for line in lines if not line.startswith("#")]
    assert tuple(told) == task.autolab.flags.allow


RACKS = SUITE.get("rack_placement")


def run_python(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", *words], capture_output=True, text=True, check=False
    )


def test_rack_placement_judges_the_traffic_that_the_agent_sees() -> None:
    seen = (RACKS.workspace / "traffic.txt").read_bytes()
    assert (RACKS.tests / "traffic.txt").read_bytes() == seen
    made = run_python(RACKS.solution / "scripts" / "make_traffic.py").stdout
    assert made.encode() == seen
    head = seen.split(b"\n", 1)[0].split()
    assert [int(word) for word in head[1::2]] == [
        RACKS.size("full").params[key] for key in ("racks", "rows", "columns")
    ]


def test_rack_placement_states_the_bound_that_is_proved() -> None:
    bound = run_python(
        RACKS.solution / "scripts" / "bound.py", RACKS.workspace / "traffic.txt"
    ).stdout
    assert RACKS.autolab is not None
    assert float(bound) == RACKS.autolab.reward.bound
    assert f"({bound.strip()})" in RACKS.instruction


def test_rack_placement_scores_alike_inside_and_outside(tmp_path: Path) -> None:
    judge = judge_of(RACKS)
    lengths = []
    for artifact in (RACKS.baseline(), *(dict(step.artifact) for step in RACKS.steps())):
        result = judge.judge(artifact, params(RACKS, "full"))
        assert [gate[:2] for gate in result["gates"]] == [
            ("parses", True),
            ("in_grid", True),
            ("one_each", True),
        ]
        file = tmp_path / "placement.txt"
        file.write_bytes(artifact["placement.txt"])
        said = run_python(RACKS.workspace / "score.py", file)
        assert said.stdout == f"cable length {result['metric']:.0f}\n"
        lengths.append(result["metric"])
    full = RACKS.size("full")
    assert lengths == sorted(set(lengths), reverse=True)
    assert (lengths[0], lengths[-1]) == (full.baseline, full.reference)


@pytest.mark.parametrize("cheat", RACKS.cheats(), ids=lambda cheat: cheat.name)
def test_rack_placement_stops_each_cheat_at_its_gate(cheat: Any, tmp_path: Path) -> None:
    result = judge_of(RACKS).judge(dict(cheat.artifact), params(RACKS, "full"))
    assert result["metric"] is None
    assert [name for name, passed, _ in result["gates"] if not passed] == [cheat.gate]
    assert result["gates"][-1][2]
    (tmp_path / "placement.txt").write_bytes(cheat.artifact["placement.txt"])
    assert run_python(RACKS.workspace / "score.py", tmp_path / "placement.txt").returncode == 1


@pytest.mark.parametrize("method", ["neighbours", "greedy", "descent"])
def test_rack_placement_stages_are_made_by_their_script(method: str) -> None:
    (step,) = [step for step in RACKS.steps() if step.name.endswith(method)]
    made = run_python(
        RACKS.solution / "scripts" / "search.py",
        method,
        RACKS.workspace / "traffic.txt",
        RACKS.workspace / "placement.txt",
    )
    assert made.stdout.encode() == step.files["placement.txt"]
