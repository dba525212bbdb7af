"""Commands where no engine runs: they say so, start none, and touch nothing."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from engine.clock import Clock
from engine.events import (
    ActivityChanged,
    ClockMoved,
    RunCreated,
    SessionCreated,
    SessionMoved,
)
from engine.journal import Journal
from engine.paths import journal_file
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
    assert json.loads(shell("runs", "list", "--json").stdout)["runs"] == []
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


def test_a_folder_of_themes_that_cannot_be_read_is_named(shell: Shell) -> None:
    folder = shell.folder.parent / "config"
    folder.mkdir(parents=True)
    (folder / "themes").write_text("not a folder")
    assert "cannot be read (Not a directory)" in shell("themes", "check").stdout


def test_without_a_home_folder_the_remedy_is_said(shell: Shell) -> None:
    shell.env["AUTOLAB_STATE"] = "~no-such-user/state"
    done = shell("status")
    assert done.returncode == 1
    assert "no home folder" in done.stderr and "AUTOLAB_STATE" in done.stderr


def test_a_broken_theme_is_found(shell: Shell) -> None:
    folder = shell.folder.parent / "config" / "themes"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text('name = "mine"\npalette = 3\n')
    checked = shell("themes", "check", "--json")
    assert checked.returncode == 3
    assert "mine.toml" in json.loads(checked.stdout)["broken"][0]


def begun(shell: Shell) -> Journal:
    """A journal with a run of one session that runs."""
    shell.folder.mkdir(mode=0o700)
    journal = Journal(journal_file(shell.folder), Clock(lambda: "boot", lambda: 50.0, lambda: 1e9))
    journal.append(RunCreated(run="r1", sessions=("r1-01",), spec={}))
    journal.append(created(), "r1-01")
    journal.append(SessionMoved(state="running"), "r1-01")
    return journal


def test_status_reads_the_journal_that_an_engine_left(shell: Shell) -> None:
    journal = begun(shell)
    journal.append(ClockMoved(to="working", moment=42.5), "r1-01")
    journal.append(ActivityChanged(activity="generating"), "r1-01").result(10)
    journal.close()
    before = sorted(path.name for path in shell.folder.iterdir())
    answer = json.loads(shell("status", "r1", "--json").stdout)
    assert answer["engine"] is None
    [session] = answer["sessions"]
    assert (session["id"], session["state"]) == ("r1-01", "running")
    assert session["clocks"]["active"] == 7.5  # the clock stands where the journal ends
    shown = shell("status").stdout
    assert "No engine runs" in shown and "autolab engine start" in shown and "r1-01" in shown
    assert before == ["journal.sqlite3"]
    assert shell("logs", "r1-01").returncode == 0
    unknown = shell("logs", "r1-02")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "there is no session 'r1-02', and no engine runs" in unknown.stderr
    assert not (shell.folder / "engine.log").exists()  # none was started


def test_a_state_folder_whose_name_is_no_text_is_refused(shell: Shell) -> None:
    shell.env["AUTOLAB_STATE"] = os.fsdecode(os.fsencode(shell.folder) + b"\xff")
    for line in (("status",), ("engine", "start"), ("engine", "stop")):
        done = shell(*line)
        assert done.returncode == 1
        assert "is not UTF-8; choose another" in done.stderr
    assert [entry for entry in shell.folder.parent.iterdir() if "state" in entry.name] == []


def test_only_what_this_engine_said_explains_why_it_did_not_start(
    shell: Shell, tmp_path: Path
) -> None:
    settings = tmp_path / "config" / "autolab.toml"
    settings.parent.mkdir()
    shell.env["AUTOLAB_CONFIG"] = str(settings.parent)
    for wrong in ("concurrency", "verification_share"):
        settings.write_text(f"{wrong} = -1\n")
        done = shell("engine", "start")
        assert done.returncode == 1
        assert wrong in done.stderr
    assert "concurrency" not in done.stderr


def test_a_journal_that_is_none_is_named(shell: Shell) -> None:
    shell.folder.mkdir(mode=0o700)
    journal_file(shell.folder).write_text("this is no database, whatever its name says\n" * 99)
    done = shell("status")
    assert done.returncode == 1
    assert "journal.sqlite3" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_of_a_damaged_journal_what_stands_before_the_damage_is_shown(shell: Shell) -> None:
    journal = begun(shell)
    journal.append(SessionMoved(state="finished"), "r1-01").result(10)
    journal.close()
    with closing(sqlite3.connect(journal_file(shell.folder))) as db:
        db.execute("UPDATE events SET data = substr(data, 1, 30) WHERE seq = 4")
        db.commit()
    shown = shell("status")
    assert shown.returncode == 0
    assert "event 4" in shown.stderr and "as of event 3" in shown.stderr
    assert "none starts on a damaged journal" in shown.stdout
    assert "r1-01    running" in shown.stdout
    for line in (("report", "r1", "--csv", "-"), ("logs", "r1-01"), ("replay", "r1", "--json")):
        done = shell(*line)
        assert (done.returncode, len(done.stderr.splitlines())) == (0, 1), done.stderr
        assert "as of event 3" in done.stderr
    started = shell("engine", "start")
    assert started.returncode == 1 and "event 4" in started.stderr


def created() -> SessionCreated:
    return SessionCreated(
        run="r1",
        task="t",
        task_path="/t",
        task_hash="h",
        domain="d",
        model=None,
        agent="nop",
        harness="minimal",
        harness_hash="h",
        attempt=1,
        budget={},
    )
