"""`autolab tasks calibrate` and `tasks check --all`, as an operator types them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli import shapes
from tests.cli.conftest import Shell
from verifier import pins

FIXTURE = Path(__file__).parents[1] / "verifier" / "fixtures" / "equal_bytes"


@pytest.fixture
def task(tmp_path: Path) -> Path:
    folder = tmp_path / "suite" / "equal_bytes"
    shutil.copytree(FIXTURE, folder)
    pins.write(folder)
    return folder


@pytest.mark.slow
def test_anchors_are_measured_kept_and_used_when_asked_for(shell: Shell, task: Path) -> None:
    asked = shell("verify", str(task), "--anchors", "calibrated", "--json", timeout=180)
    assert "was not calibrated here" in asked.stderr
    if asked.returncode == 1:
        pytest.skip(f"this machine cannot verify now: {asked.stderr}")
    assert json.loads(asked.stdout)["anchors"]["source"] == "task"

    would = shell("tasks", "calibrate", str(task), "--dry-run", "--json")
    shapes.check(json.loads(would.stdout))
    assert not (shell.folder / "calibrations").exists()

    done = shell("tasks", "calibrate", str(task), "--json", timeout=180)
    if done.returncode == 1:
        pytest.skip(f"this machine is too busy to measure: {done.stderr}")
    printed = json.loads(done.stdout)
    shapes.check(printed)
    [row] = printed["tasks"]
    assert row["speedup"]["interval"]["low"] <= row["speedup"]["value"]
    assert row["baseline"] > row["reference"] > 0
    [kept] = (shell.folder / "calibrations").iterdir()
    assert kept.stat().st_mode & 0o077 == 0 or kept.parent.stat().st_mode & 0o077 == 0
    assert pins.check(task) == ()

    judged = shell("verify", str(task), "--anchors", "calibrated", "--json", timeout=180)
    anchors = json.loads(judged.stdout)["anchors"]
    assert anchors == {
        "source": "calibrated",
        "baseline": row["baseline"],
        "reference": row["reference"],
    }
    (task / "instruction.md").write_text("Something else.\n")
    pins.write(task)
    stale = shell("verify", str(task), "--anchors", "calibrated", "--json", timeout=180)
    assert "the task's files have changed" in stale.stderr
    assert json.loads(stale.stdout)["anchors"]["source"] == "task"


def test_what_cannot_be_calibrated_is_named(shell: Shell) -> None:
    done = shell("tasks", "calibrate", "rack_placement")
    assert done.returncode == 1
    assert "judged as data" in done.stderr


def test_all_tasks_are_checked_and_a_table_ends_the_list(shell: Shell, task: Path) -> None:
    broken = task.parent / "broken"
    broken.mkdir()
    (broken / "task.toml").write_text("schema_version = [")
    (broken / "instruction.md").write_text("Nothing.\n")
    # Without stages and cheats there is little to time, and it is found wanting.
    shutil.rmtree(task / "solution")
    shutil.rmtree(task / "tests" / "cheats")
    pins.write(task)
    done = shell("tasks", "check", "--all", "--suite", str(task.parent), timeout=180)
    assert done.returncode == 3
    last = done.stdout.strip().splitlines()
    assert last[-1] == "1 task: 0 ok, 1 not ok, 0 unavailable"
    assert "there is no reference" in last[-2]
    assert "task.toml" in done.stderr


def test_a_stranger_task_that_is_not_available_is_listed_and_held_against_nobody(
    shell: Shell, task: Path
) -> None:
    text = (task / "task.toml").read_text()
    (task / "task.toml").write_text(text.replace('["gcc"]', '["gcc", "no-such-tool-here"]'))
    pins.write(task)
    done = shell("tasks", "check", "--all", "--suite", str(task.parent), "--json", timeout=60)
    [row] = json.loads(done.stdout)["tasks"]
    assert (row["available"], row["problems"]) == (False, [])
    assert done.returncode == 0
    alone = shell("tasks", "check", str(task), timeout=60)
    assert alone.returncode == 3
    assert "no-such-tool-here" in alone.stdout
