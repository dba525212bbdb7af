"""`autolab snapshot` beside an engine, and after it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.clock import Clock
from engine.events import BaselineKept, RunCreated, SnapshotTaken
from engine.journal import Journal
from engine.paths import journal_file
from engine.storage.snapshots import SnapshotStore
from tests.cli import shapes
from tests.cli.conftest import Shell
from tests.cli.test_with_engine import launch, until
from tests.cli.test_without_engine import created
from verifier.artifact import snapshot_hash

HOSTILE = b"ok\n\x1b]52;c;ZXZpbA==\x07\x1b[2Jbad\r+faked line\n\xff\xe2\x80\xaetxt\n"


@pytest.fixture
def left(shell: Shell) -> Shell:
    """A state folder that an engine left: one session with three snapshots, the last refused."""
    shell.folder.mkdir(mode=0o700)
    store = SnapshotStore(shell.folder / "snapshots")
    states: list[dict[str, bytes]] = [
        {"a.c": b"one\ntwo\nthree\n", "b.bin": b"\0\1"},
        {"a.c": b"one\n2\nthree\n", "b.bin": b"\0\2"},
        {"a.c": HOSTILE},
    ]
    ids = [store.put(snapshot_hash(files), files).id for files in states]
    ids.append(store.put_refused("a.c: it is a FIFO, not a regular file").id)
    journal = Journal(journal_file(shell.folder), Clock(lambda: "boot", lambda: 50.0, lambda: 1e9))
    journal.append(RunCreated(run="r1", sessions=("r1-01",), spec={}))
    journal.append(created(), "r1-01")
    journal.append(BaselineKept(snapshot=ids[0], files=("a.c", "b.bin"), size=16), "r1-01")
    for number, (snapshot, files) in enumerate(zip(ids[1:], [*states[1:], {}], strict=True)):
        body = SnapshotTaken(
            snapshot=snapshot,
            files=tuple(sorted(files)),
            size=sum(map(len, files.values())),
            active=60.0 * number,
        )
        journal.append(body, "r1-01")
    journal.close()
    return shell


def asked(shell: Shell, *line: str) -> dict[str, Any]:
    done = shell("snapshot", *line, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    printed: dict[str, Any] = json.loads(done.stdout)
    shapes.check(printed)
    return printed


def refused(shell: Shell, *line: str) -> str:
    done = shell("snapshot", *line)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def test_snapshots_are_listed_without_an_engine(left: Shell) -> None:
    [session] = asked(left, "list", "r1-01")["sessions"]
    assert (session["session"], session["task"], session["best"]) == ("r1-01", "t", None)
    assert [len(taken["files"]) for taken in session["snapshots"]] == [2, 1, 0]
    assert [taken["active"] for taken in session["snapshots"]] == [0.0, 60.0, 120.0]
    assert "FIFO" in session["snapshots"][2]["refused"]
    assert session["snapshots"][2]["marks"] == ["last"]
    assert asked(left, "list", "task:t")["sessions"] == [session]
    shown = left("snapshot", "list", "r1").stdout
    assert session["snapshots"][0]["id"][:12] in shown
    assert "FIFO" in shown
    assert not (left.folder / "engine.log").exists()


def test_snapshots_are_compared_without_an_engine(left: Shell) -> None:
    found = asked(left, "diff", "r1-01", "first")
    [text, binary] = found["files"]
    assert (text["path"], text["change"], text["removed"], text["added"]) == (
        "a.c",
        "changed",
        1,
        1,
    )
    assert text["lines"] == ["@@ -1,3 +1,3 @@", " one", "-two", "+2", " three"]
    assert (binary["path"], binary["binary"], binary["lines"]) == ("b.bin", True, [])
    printed = left("snapshot", "diff", "r1-01", "first").stdout
    assert "--- a.c\n+++ a.c\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n" in printed
    assert "b.bin is no text; it was changed" in printed
    same = left("snapshot", "diff", "r1-01", "first", "--against", "first")
    assert "no difference" in same.stdout
    previous = asked(left, "diff", "r1-01", found["new"][:6], "--against", "previous")
    assert previous["old"] == found["old"]


def test_what_an_agent_wrote_cannot_drive_the_terminal(left: Shell) -> None:
    hostile = asked(left, "list", "r1-01")["sessions"][0]["snapshots"][1]["id"]
    printed = left("snapshot", "diff", "r1-01", hostile[:8], "--against", "baseline").stdout
    assert all(character.isprintable() or character == "\n" for character in printed)
    assert "\u202e" not in printed
    [line] = [line for line in printed.splitlines() if "faked" in line]
    assert line.startswith("+bad\ufffd+faked")  # one line of theirs is one line of ours


def test_files_are_exported_and_replaced_only_by_force(left: Shell, tmp_path: Path) -> None:
    there = tmp_path / "out" / "deep"
    planned = asked(left, "export", "r1-01", "first", str(there), "--dry-run")
    assert planned["files"] == ["a.c", "b.bin"]
    assert not there.exists()
    asked(left, "export", "r1-01", "first", str(there))
    assert (there / "a.c").read_bytes() == b"one\n2\nthree\n"
    (there / "a.c").write_bytes(b"mine")
    assert "has a.c, b.bin already" in refused(left, "export", "r1-01", "first", str(there))
    assert (there / "a.c").read_bytes() == b"mine"
    asked(left, "export", "r1-01", "baseline", str(there), "--force")
    assert (there / "a.c").read_bytes() == b"one\ntwo\nthree\n"
    (there / "a.c").unlink()
    (there / "a.c").symlink_to(tmp_path / "elsewhere")
    assert "move it away" in refused(left, "export", "r1-01", "first", str(there), "--force")
    assert not (tmp_path / "elsewhere").exists()


def test_what_is_not_there_is_named(left: Shell, tmp_path: Path) -> None:
    assert "no session matches 'r2'" in refused(left, "list", "r2")
    assert "no best snapshot yet" in refused(left, "diff", "r1-01", "best")
    assert "could not be collected: a.c" in refused(left, "diff", "r1-01")
    assert "names no snapshot" in refused(left, "export", "r1-01", "x", str(tmp_path / "o"))
    assert "autolab engine start" in refused(left, "restore", "r1-01", "first")
    left.env["AUTOLAB_STATE"] = str(tmp_path / "nothing")
    assert "no journal" in refused(left, "list", "r1-01")
    assert not (tmp_path / "nothing").exists()


@pytest.mark.usefixtures("sandbox_backend")
def test_a_running_session_is_restored_and_marked(shell: Shell, busy: tuple[str, ...]) -> None:
    run = launch(shell, *busy)
    session = f"{run}-01"
    until(shell, {"running"})
    planned = asked(shell, "restore", session, "baseline", "--dry-run")
    assert planned["dry_run"] is True
    assert asked(shell, "verify", run, "--dry-run")["sessions"] == [session]
    assert asked(shell, "verify", run)["sessions"] == [session]
    seen = shell("processes", session, "--json")
    assert (seen.returncode, json.loads(seen.stdout)["sandbox"]) == (0, True)
    assert "CPU time" in shell("processes", session).stdout
    assert not until(shell, {"running"}).assisted
    asked(shell, "restore", session, "baseline", "--why", "to begin again")
    assert until(shell, {"running"}).assisted
    shell("stop", run)
    assert until(shell, {"finished"}).assisted
    assert "restore by" in shell("watch", run, "--all").stdout
    said = refused(shell, "restore", session, "baseline")
    assert f"autolab snapshot export {session}" in said
