"""Commands where no engine runs: they say so, start none, and touch nothing."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.cli.conftest import Shell


def test_status_of_nothing(shell: Shell) -> None:
    done = shell("status", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "schema": "autolab/status/1",
        "engine": None,
        "runs": [],
        "sessions": [],
    }
    assert not shell.folder.exists()
    assert "autolab demo" in shell("status").stdout


@pytest.mark.parametrize(
    "line", [("engine", "status"), ("stop", "*"), ("watch",), ("status", "some-run")], ids=" ".join
)
def test_what_needs_an_engine_says_how_to_start_one(shell: Shell, line: tuple[str, ...]) -> None:
    done = shell(*line)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "autolab engine start" in done.stderr
    assert not (shell.folder / "journal.sqlite3").exists()


def test_dry_runs_change_nothing(shell: Shell) -> None:
    assert json.loads(shell("engine", "start", "--dry-run", "--json").stdout)["would_start"] is True
    assert json.loads(shell("engine", "stop", "--json").stdout)["was_running"] is False
    plan = json.loads(shell("demo", "--dry-run", "--json").stdout)
    assert len(plan["spec"]["pairs"]) == 3
    assert not shell.folder.exists()


def test_state_that_is_a_file_is_named(shell: Shell) -> None:
    shell.folder.write_text("not a folder")
    done = shell("engine", "start")
    assert done.returncode == 1
    assert str(shell.folder) in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_leaves_is_no_failure(shell: Shell) -> None:
    head = subprocess.Popen(
        shell.command("--help"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=shell.env
    )
    assert head.stdout is not None
    head.stdout.close()
    _, said = head.communicate(timeout=30)
    assert b"Traceback" not in said


def test_themes_are_listed_and_sound(shell: Shell) -> None:
    listed = json.loads(shell("themes", "list", "--json").stdout)
    assert listed["schema"] == "autolab/themes/1"
    assert "autolab-dark" in {theme["name"] for theme in listed["themes"]}
    checked = shell("themes", "check", "--json")
    assert (checked.returncode, json.loads(checked.stdout)["ok"]) == (0, True)


def test_a_broken_theme_is_found(shell: Shell) -> None:
    folder = shell.folder.parent / "config" / "themes"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text('name = "mine"\npalette = 3\n')
    checked = shell("themes", "check", "--json")
    assert checked.returncode == 3
    assert "mine.toml" in json.loads(checked.stdout)["broken"][0]
