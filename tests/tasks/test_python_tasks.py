"""The shipped tasks in Python agree with themselves, run by the Python that judges them."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tasks import Task, load_suite

PYTHON = "/usr/bin/python3"
TIMED = [t for t in load_suite().tasks if t.autolab and t.autolab.driver.kind == "python"]
each_timed = pytest.mark.parametrize("task", TIMED, ids=lambda task: task.name)

COMPARE = """
import importlib.util, json, pathlib, sys
tests, size, params, entry, *folders = sys.argv[1:]
def load(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
judge = load(tests + "/judge.py", "judge")
cases = judge.cases(json.loads(params))
assert len({case["name"] for case in cases}) == len(cases) >= 5
assert sum(case["timed"] for case in cases) == 1
for case in cases:
    first = judge.generate(case["params"], 1)
    assert first == judge.generate(case["params"], 1) and first[1] > 0
    assert not case["timed"] or first[0] != judge.generate(case["params"], 2)[0]
sys.path.insert(0, folders[0])
solvers = [load(f"{folder}/{entry}", f"solver{n}").solve for n, folder in enumerate(folders)]
for case in cases:
    if size == "quick" and not case["timed"]:
        given, length = judge.generate(case["params"], 11)
        outputs = [bytes(memoryview(solve(memoryview(given))).cast("B")) for solve in solvers]
        assert [len(output) for output in outputs] == [length] * len(outputs), case["name"]
        same = [output == outputs[0] for output in outputs]
        assert all(same), (case["name"], same)
"""


@functools.cache
def has(module: str) -> bool:
    done = subprocess.run(
        [PYTHON, "-I", "-c", f"import {module}"], check=False, capture_output=True
    )
    return done.returncode == 0


def skip_without_needs(task: Task) -> None:
    assert task.autolab is not None
    missing = [name for name in task.autolab.needs.modules if not has(name)]
    missing += [name for name in task.autolab.needs.commands if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")


def laid_out(task: Task, artifact: dict[str, bytes], folder: Path) -> Path:
    shutil.copytree(task.workspace, folder)
    for name, data in artifact.items():
        (folder / name).write_bytes(data)
    return folder


@each_timed
@pytest.mark.parametrize("size", ["quick", "full"])
def test_every_stage_computes_what_the_baseline_does(task: Task, size: str, tmp_path: Path) -> None:
    skip_without_needs(task)
    assert task.autolab is not None and task.autolab.driver.entry is not None
    folders = [laid_out(task, task.baseline(), tmp_path / "baseline")]
    if size == "quick":
        folders += [laid_out(task, dict(s.artifact), tmp_path / s.name) for s in task.steps()]
    params = json.dumps(dict(task.size(size).params))
    entry = task.autolab.driver.entry
    words = [PYTHON, "-B", "-c", COMPARE, str(task.tests), size, params, entry, *map(str, folders)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@each_timed
def test_the_agents_own_check_tells_right_from_wrong(task: Task, tmp_path: Path) -> None:
    skip_without_needs(task)

    def check(artifact: dict[str, bytes], name: str) -> int:
        folder = laid_out(task, artifact, tmp_path / name)
        return subprocess.run(
            ["make", "-s", "check"], cwd=folder, capture_output=True, check=False
        ).returncode

    assert check(dict(task.steps()[-1].artifact), "right") == 0
    refused = [cheat for cheat in task.cheats() if cheat.gate == "builds"]
    wrong = [cheat for cheat in task.cheats() if cheat.gate != "builds"]
    assert check(dict(refused[0].artifact), "refused") != 0
    assert check(dict(wrong[-1].artifact), "wrong") != 0


@each_timed
def test_its_source_check_refuses_what_the_build_shall_refuse(task: Task, tmp_path: Path) -> None:
    assert task.autolab is not None and task.autolab.build is not None
    artifacts = [(task.baseline(), True), *((dict(s.artifact), True) for s in task.steps())]
    artifacts += [(dict(cheat.artifact), cheat.gate != "builds") for cheat in task.cheats()]
    for number, (artifact, fine) in enumerate(artifacts):
        folder = laid_out(task, artifact, tmp_path / str(number))
        codes = [
            subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode
            for command in task.autolab.build.commands
        ]
        assert (max(codes) == 0) is fine


SOURCES = {
    "import os": False,
    "import numpy.ctypeslib": False,
    "from numpy import ctypeslib": False,
    "from numpy import *": False,
    "from . import wire": False,
    "import numpy as np\nx = np.ctypeslib": False,
    "import numpy as np\nx = np.zeros(3).ctypes": False,
    "import numpy as np\nx = np.load('a')": False,
    "x = ().__class__.__base__": False,
    "x = getattr(1, 'real')": False,
    "x = eval": False,
    "x = __builtins__": False,
    "import collections\nx = collections._sys": False,
    "from collections import _sys": False,
    "import dataclasses\nx = dataclasses.sys": False,
    "def f(:": False,
    "(" * 5000: False,
    "import numpy as np\nfrom collections import deque\nx = np.sort(np.zeros(3))": True,
    "class A:\n    def __init__(self): self._own = 1": True,
}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source[:40])
def test_the_billing_service_keeps_to_python_and_numpy(source: str, tmp_path: Path) -> None:
    (task,) = [task for task in TIMED if task.name == "usage_billing"]
    (tmp_path / "service.py").write_text(source)
    done = subprocess.run(
        [PYTHON, "-I", "-B", task.workspace / "check_source.py", "service.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) is SOURCES[source]
    assert done.stdout.startswith("service.py:") is not SOURCES[source]
    assert done.stderr == ""


RECIPE = load_suite().get("sensor_recipe")


def test_the_recipe_is_judged_by_the_code_that_the_agent_has() -> None:
    for name in ("recipe.py", "trainer.py", "world.py"):
        assert (RECIPE.tests / name).read_bytes() == (RECIPE.workspace / name).read_bytes()
    score = (RECIPE.workspace / "score.py").read_text()
    for size in ("quick", "full"):
        params = RECIPE.size(size).params
        assert (
            f'"{size}": trainer.Budget({params["readings"]}, {params["operations"]:.0e})'.replace(
                "e+0", "e"
            )
            in score
        )


JUDGE_RECIPES = """
import json, pathlib, sys
sys.path.insert(0, sys.argv[1])
import judge
params = json.loads(sys.argv[2])
for path in sys.argv[3:]:
    data = pathlib.Path(path).read_bytes()
    said = [judge.judge({"recipe.toml": data}, params, seed) for seed in (5, 5, 6)]
    assert said[0] == said[1]
    assert said[0]["metric"] is None or said[0]["metric"] != said[2]["metric"] > 0
    print(json.dumps(said[0]))
"""


def test_the_recipes_judge_is_repeatable_and_stops_each_cheat_at_its_gate() -> None:
    skip_without_needs(RECIPE)
    params = {**RECIPE.size("quick").params, "operations": 2e7, "readings": 500, "trainings": 1}
    cheats = RECIPE.cheats()
    good = [RECIPE.workspace, *(step.path for step in RECIPE.steps())]
    paths = [str(folder / "recipe.toml") for folder in (*good, *(c.path for c in cheats))]
    words = [PYTHON, "-B", "-c", JUDGE_RECIPES, str(RECIPE.tests), json.dumps(params), *paths]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    names = [gate.name for gate in RECIPE.autolab.gates] if RECIPE.autolab else []
    for result in said[: len(good)]:
        # So small a budget is too small for three networks, which is all that may fail here.
        failed = [gate[0] for gate in result["gates"] if not gate[1]]
        assert failed in ([], ["in_budget"])
        assert failed or [gate[0] for gate in result["gates"]] == names
    for cheat, result in zip(cheats, said[len(good) :], strict=True):
        assert [gate[0] for gate in result["gates"] if not gate[1]] == [cheat.gate]
        assert result["metric"] is None
