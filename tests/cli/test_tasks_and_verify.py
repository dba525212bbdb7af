"""Commands on tasks and verdicts, which need no engine."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

import tasks
from tests.cli import shapes
from tests.cli.conftest import Shell
from verifier.verdict import Verdict

SHIPPED = Path(tasks.__file__).parent
RACKS = SHIPPED / "puzzle_and_challenge" / "rack_placement"
HARBOR = """
schema_version = "1.4"
[task]
name = "org/stranger"
[metadata]
domain = "elsewhere"
[agent]
timeout_sec = 60
"""


def printed(shell: Shell, *line: str, code: int = 0) -> dict[str, Any]:
    done = shell(*line, "--json", timeout=180)
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    if found["schema"] != "autolab/verdict/1":
        shapes.check(found)
    return found


def stranger(place: Path, name: str, text: str = HARBOR) -> Path:
    """A task of another suite, without an [autolab] table."""
    folder = place / name
    (folder / "environment").mkdir(parents=True)
    (folder / "task.toml").write_text(text)
    (folder / "instruction.md").write_text("Do it.\n")
    return folder


def test_the_documented_shapes_are_read() -> None:
    assert shapes.promised()["autolab/tasks/1"] == {
        "tasks": [dict.fromkeys(("name", "domain", "path", "available", "why_not", "pins"))],
        "broken": [{"path": None, "error": None}],
    }


def test_the_shipped_suite_is_listed(shell: Shell) -> None:
    listed = printed(shell, "tasks", "list")
    assert {"median_filter", "build_flags", "rack_placement"} <= {
        t["name"] for t in listed["tasks"]
    }
    assert {task["pins"] for task in listed["tasks"]} == {"ok"}
    assert listed["broken"] == []
    assert "rack_placement" in shell("tasks", "list").stdout


def test_a_strangers_suite_is_listed_and_its_broken_task_named(
    shell: Shell, tmp_path: Path
) -> None:
    stranger(tmp_path, "fine")
    stranger(tmp_path, "broken", "schema_version = [")
    listed = printed(shell, "tasks", "list", "--suite", str(tmp_path), code=3)
    [task], [broken] = listed["tasks"], listed["broken"]
    assert (task["domain"], task["available"], task["pins"]) == ("elsewhere", False, None)
    assert task["why_not"]
    assert "task.toml" in broken["error"]


def test_a_task_whose_files_cannot_be_read_is_named_and_the_others_are_listed(
    shell: Shell, tmp_path: Path
) -> None:
    stranger(tmp_path, "fine")
    shutil.copytree(RACKS, tmp_path / "racks")
    os.mkfifo(tmp_path / "racks" / "tests" / "pipe")
    listed = printed(shell, "tasks", "list", "--suite", str(tmp_path), code=3)
    [task], [broken] = listed["tasks"], listed["broken"]
    assert task["path"].endswith("/fine")
    assert "tests/pipe" in broken["error"]
    assert "tests/pipe" in shell("tasks", "list", "--suite", str(tmp_path)).stderr


def test_what_a_suite_wrote_is_no_command_to_the_terminal(shell: Shell, tmp_path: Path) -> None:
    name = HARBOR.replace("org/stranger", "org/a\\u001b[2Jb").replace("elsewhere", "x\\u009by")
    stranger(tmp_path, "sly", name)
    for line in (("show", str(tmp_path / "sly")), ("list", "--suite", str(tmp_path))):
        done = shell("tasks", *line)
        assert done.returncode == 0
        assert not {"\x1b", "\x9b"} & set(done.stdout + done.stderr)
        assert "org/a" in done.stdout


def test_one_task_is_shown(shell: Shell) -> None:
    shown = printed(shell, "tasks", "show", "rack_placement")
    assert shown["editable"] == ["placement.txt"]
    assert shown["gates"][0] == "artifact"
    assert len(shown["stages"]) >= 3
    assert "Rack placement" in shell("tasks", "show", str(RACKS)).stdout
    wrong = shell("tasks", "show", "rack_placment")
    assert wrong.returncode == 1
    assert "rack_placement" in wrong.stderr


@pytest.mark.usefixtures("sandbox_backend")
def test_a_new_task_passes_its_check(shell: Shell, tmp_path: Path) -> None:
    target = tmp_path / "mine"
    line = ("tasks", "new", "mine", "--into", str(tmp_path), "--kind", "data")
    assert printed(shell, *line, "--dry-run") == {
        "schema": "autolab/tasks-new/1",
        "path": str(target),
        "dry_run": True,
    }
    assert not target.exists()
    assert printed(shell, *line)["path"] == str(target)
    [checked] = printed(shell, "tasks", "check", str(target))["tasks"]
    assert checked["ok"]
    assert checked["baseline_reward"] == 0
    again = shell(*line)
    assert again.returncode == 1
    assert str(target) in again.stderr


@pytest.mark.usefixtures("sandbox_backend")
def test_a_changed_task_is_found_and_pinned_again(shell: Shell, tmp_path: Path) -> None:
    copy = tmp_path / "rack_placement"
    shutil.copytree(RACKS, copy)
    (copy / "tests" / "judge.py").write_text(
        (RACKS / "tests" / "judge.py").read_text() + "\n# one more line\n"
    )
    refused = printed(shell, "verify", str(copy), code=1)
    assert (refused["status"], refused["reward"]) == ("not_judged", None)
    assert "judge.py" in refused["reason"]
    [dry] = printed(shell, "tasks", "pin", str(copy), "--dry-run")["tasks"]
    assert dry["changed"] == ["tests/judge.py was changed"]
    printed(shell, "tasks", "pin", str(copy))
    assert printed(shell, "verify", str(copy))["reward"] == 0


@pytest.mark.usefixtures("sandbox_backend")
def test_verify_prints_the_verdict_and_its_exit_code_says_how_it_went(
    shell: Shell, tmp_path: Path
) -> None:
    def verdict(*line: str, code: int) -> Verdict:
        found = printed(shell, "verify", "rack_placement", *line, code=code)
        assert found.pop("schema") == "autolab/verdict/1"
        return msgspec.convert(found, Verdict)

    assert verdict(code=0).reward == 0
    better = RACKS / "solution" / "steps" / "01-neighbours"
    good = verdict(str(better), code=0)
    assert good.reward is not None
    assert good.reward > 0
    work = tmp_path / "work"
    shutil.copytree(RACKS / "environment" / "app", work)
    (work / "score.py").write_text("print(0)\n")
    (work / "placement.txt").write_text("0 0\n" * 64)
    bad = verdict(str(work), code=3)
    assert (bad.reward, bad.failed_gate) == (0, "one_each")
    assert "score.py" in str(bad.findings)
    (work / "placement.txt").unlink()
    (work / "placement.txt").symlink_to("/etc/passwd")
    assert verdict(str(work), code=3).status == "rejected"
    missing = shell("verify", "rack_placement", str(tmp_path / "none"))
    assert missing.returncode == 1
    assert "none" in missing.stderr
    plain = shell("verify", "rack_placement", str(better)).stdout
    assert "reward: 0." in plain
    assert "gate one_each: pass" in plain


@pytest.mark.usefixtures("sandbox_backend")
def test_doctor_names_a_remedy_for_whatever_is_not_ok(shell: Shell) -> None:
    done = shell("doctor", "--json")
    found = json.loads(done.stdout)
    shapes.check(found)
    assert all(check["remedy"] for check in found["checks"] if not check["ok"])
    assert done.returncode == (0 if all(check["ok"] for check in found["checks"]) else 3)
    assert {"python", "state folder", "bubblewrap", "shipped tasks"} <= {
        check["name"] for check in found["checks"]
    }


def test_without_bubblewrap_the_demo_and_doctor_name_the_remedy(shell: Shell) -> None:
    path = shell.folder.parent / "bin"
    path.mkdir()
    for name in ("python3", "gcc", "tmux"):
        found = shutil.which(name)
        if found:
            (path / name).symlink_to(found)
    bare = Shell(shell.folder, {**shell.env, "PATH": str(path)})
    demo = bare("demo", "--headless")
    assert demo.returncode == 1
    assert "apt-get install" in demo.stderr
    assert len(demo.stderr.splitlines()) == 1
    doctor = bare("doctor")
    assert doctor.returncode == 3
    assert "apt-get install" in doctor.stdout
