"""Pins: what is in a manifest, what differs from it, and the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from verifier import pins
from verifier.pins import PinnedTask, PinsError


def test_a_pinned_task_is_as_pinned(task_dir: Path) -> None:
    assert pins.check(task_dir) == ()
    assert pins.state(task_dir) == "ok"
    assert PinnedTask(task_dir).hash == pins.task_hash(task_dir)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: (d / "tests/judge.py").write_text("pass\n"), "tests/judge.py was changed"),
        (lambda d: (d / "instruction.md").unlink(), "instruction.md is missing"),
        (lambda d: (d / "tests/more.py").write_text(""), "tests/more.py is not pinned"),
    ],
)
def test_every_difference_is_named(task_dir: Path, change: object, problem: str) -> None:
    before = pins.task_hash(task_dir)
    change(task_dir)  # type: ignore[operator]
    assert pins.check(task_dir) == (problem,)
    assert pins.state(task_dir) == "changed"
    assert pins.task_hash(task_dir) != before
    with pytest.raises(PinsError, match="autolab tasks pin"):
        PinnedTask(task_dir)


def test_python_s_leftovers_are_no_part_of_a_task(task_dir: Path) -> None:
    before = pins.task_hash(task_dir)
    cache = task_dir / "tests" / "__pycache__"
    cache.mkdir()
    (cache / "judge.cpython-311.pyc").write_bytes(b"x")
    (task_dir / "tests" / "judge.pyc").write_bytes(b"x")
    assert pins.check(task_dir) == ()
    assert pins.task_hash(task_dir) == before


@pytest.mark.parametrize("text", ["", "[]", '{"schema": "other/1", "files": {}}', "{", '{"a": 1}'])
def test_an_unusable_manifest_fails_closed(task_dir: Path, text: str) -> None:
    (task_dir / "pins.json").write_text(text)
    assert len(pins.check(task_dir)) == 1
    with pytest.raises(PinsError):
        PinnedTask(task_dir)


def test_without_a_manifest_nothing_is_pinned(task_dir: Path) -> None:
    (task_dir / "pins.json").unlink()
    assert pins.check(task_dir) == ("pins.json is missing",)
    assert pins.state(task_dir) == "missing"


def test_a_file_is_checked_again_when_it_is_read(task_dir: Path) -> None:
    pinned = PinnedTask(task_dir)
    solve = task_dir / "environment" / "app" / "solve.c"
    assert pinned.read("environment/app/solve.c") == solve.read_bytes()
    assert set(pinned.below("tests")) == {
        "judge.py",
        "cheats/wrong_output/solve.c",
        "cheats/wrong_output/expect.toml",
    }
    solve.write_text("int x;")
    with pytest.raises(PinsError, match=r"solve\.c was changed"):
        pinned.read("environment/app/solve.c")
    solve.unlink()
    with pytest.raises(PinsError, match=r"solve\.c is missing"):
        pinned.below("environment/app")


def test_a_file_with_a_strange_name_can_be_pinned(task_dir: Path) -> None:
    (task_dir / "tests" / "a name, with ünïcode").write_text("x")
    pins.write(task_dir)
    assert pins.check(task_dir) == ()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "verifier.pins", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_line(task_dir: Path, tmp_path: Path) -> None:
    assert run("check", str(task_dir)).returncode == 0
    (task_dir / "instruction.md").write_text("other")
    changed = run("check", str(task_dir))
    assert (changed.returncode, changed.stdout.strip()) == (
        3,
        f"{task_dir}: instruction.md was changed",
    )
    written = run("write", str(task_dir))
    assert (written.returncode, pins.task_hash(task_dir) in written.stdout) == (0, True)
    assert run("check", str(task_dir)).returncode == 0
    assert run("check", str(tmp_path)).returncode == 1
    assert run("forget", str(task_dir)).returncode == 2
