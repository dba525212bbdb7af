"""Checking a timed task in real sandboxes; `test_data` has the false claims."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tasks import Task, load_task
from verifier import pins
from verifier.availability import availability, why_not
from verifier.check import TaskCheck, check_task
from verifier.sandbox.needs import Need

_TRIES = 3


def patient_check(folder: Path) -> TaskCheck:
    """The check, repeated while other work keeps the measuring CPU busy."""
    for _ in range(_TRIES):
        checked = check_task(load_task(folder))
        if not any("contention" in line or "not_judged" in line for line in checked.problems):
            return checked
    pytest.skip(f"this machine is too busy to measure: {checked.problems}")


def test_a_timed_task_is_checked_stage_by_stage(sandboxes: None, task_dir: Path) -> None:
    checked = patient_check(task_dir)
    assert checked.available
    assert checked.baseline_reward == 0.0
    assert checked.reference_reward == pytest.approx(0.5)
    [stage] = checked.stages
    assert stage.gain is not None
    assert stage.gain > 1.25
    assert stage.gain == stage.speedup
    assert [(c.name, c.reward, c.gate) for c in checked.cheats] == [
        ("wrong_output", 0.0, "correct")
    ]
    # Its anchors are nowhere near the truth, and the check says so.
    assert [line for line in checked.problems if "correct the anchors" not in line] == []
    assert not checked.ok


def test_a_stage_that_gains_too_little_is_found(sandboxes: None, task_dir: Path) -> None:
    steps = task_dir / "solution" / "steps"
    (steps / "02-again").mkdir()
    fast = (steps / "01-histogram" / "solve.c").read_text()
    # Counting to two million first is surely slower, and still beats the baseline.
    again = fast.replace("{0};", "{0};\n    for (volatile long w = 0; w < 2000000; w++) ;")
    (steps / "02-again" / "solve.c").write_text(again)
    pins.write(task_dir)
    checked = patient_check(task_dir)
    assert any("02-again" in line and "not 1.25" in line for line in checked.problems)


def test_tools_are_looked_for_inside(sandboxes: None, task_dir: Path) -> None:
    task = load_task(task_dir)
    assert availability([task]) == {"equal_bytes": None}
    python = Need("command", "python3")
    assert why_not(task, {python: True}) == (
        "missing inside the sandbox: gcc; run: apt-get install gcc libc6-dev"
    )
    task = with_needs(task_dir, modules=["numpy", "no.such.module"], headers=["zlib.h", "a/b.h"])
    here = {Need("module", "numpy"): True, Need("command", "gcc"): True, python: True}
    assert why_not(task, here) == (
        "missing inside the sandbox: Python module no.such.module, header zlib.h, header a/b.h; "
        "run: apt-get install zlib1g-dev"
    )


def test_modules_and_headers_are_looked_for_inside(sandboxes: None, task_dir: Path) -> None:
    task = with_needs(task_dir, modules=["json", "os.path"], headers=["stdio.h", "sys/mman.h"])
    assert availability([task]) == {"equal_bytes": None}
    task = with_needs(task_dir, modules=["json", "jsn"], headers=["stdio.h", "stdoi.h"])
    assert availability([task]) == {
        "equal_bytes": "missing inside the sandbox: Python module jsn, header stdoi.h"
    }


def with_needs(task_dir: Path, **needs: list[str]) -> Task:
    toml = task_dir / "task.toml"
    lines = [
        line for line in toml.read_text().splitlines() if not re.match("modules|headers", line)
    ]
    at = next(n for n, line in enumerate(lines) if line.startswith("[autolab.needs]"))
    lines[at + 1 : at + 1] = [f"{kind} = {json.dumps(names)}" for kind, names in needs.items()]
    toml.write_text("\n".join(lines) + "\n")
    return load_task(task_dir)
