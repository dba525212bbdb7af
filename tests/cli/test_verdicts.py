"""`autolab verdicts` and `verify --record`, as an operator types them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli import shapes
from tests.cli.conftest import Shell
from tests.engine.support import make_task
from tests.verifier.ledger.test_ledger import record
from verifier.ledger.ledger import Ledger

pytestmark = pytest.mark.usefixtures("sandbox_backend")


def printed(shell: Shell, *line: str, code: int = 0) -> dict[str, Any]:
    done = shell(*line, "--json", timeout=180)
    assert done.returncode == code, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    if found["schema"] != "autolab/verdict/1":
        shapes.check(found)
    return found


@pytest.fixture
def task(tmp_path: Path) -> str:
    return str(make_task(tmp_path / "suite") / "count_down")


def recorded(shell: Shell, *names: str) -> None:
    """Verdicts in the ledger of the shell's state folder, without a verification."""
    shell.folder.mkdir(exist_ok=True)
    Ledger(shell.folder / "ledger").append([record(name) for name in names])


def test_a_verdict_by_hand_is_recorded_and_proved(shell: Shell, task: str, tmp_path: Path) -> None:
    plan = printed(shell, "verify", task, "--record", "--dry-run")
    assert (plan["hash"], plan["stage"]) == (None, "manual")
    assert printed(shell, "verdicts", "list")["verdicts"] == []
    first = printed(shell, "verify", task, "--record")
    second = printed(shell, "verify", task, f"{task}/solution/steps/03-least", "--record")
    assert second["previous_hash"] == first["hash"]
    assert second["task_hash"] == first["task_hash"] != ""
    listed = printed(shell, "verdicts", "list")["verdicts"]
    assert [(v["id"], v["reward"], v["hash"]) for v in listed] == [
        (v["id"], v["reward"], v["hash"]) for v in (first, second)
    ]
    whole = printed(shell, "verdicts", "verify", "--head", first["hash"])
    assert (whole["ok"], whole["verdicts"], whole["head"]) == (True, 2, second["hash"])
    assert whole["journal"]["manual"] == 2
    assert "2 verdicts: whole" in shell("verdicts", "verify").stdout
    bundle = tmp_path / "all.tar.gz"
    assert printed(shell, "verdicts", "export", str(bundle), "--dry-run")["verdicts"] == 2
    assert not bundle.exists()
    exported = printed(shell, "verdicts", "export", str(bundle))
    assert exported["tasks"] == [first["task_hash"]]
    refused = shell("verdicts", "export", str(bundle))
    assert (refused.returncode, "--force" in refused.stderr) == (1, True)
    key = exported["key"]
    offline = ("verdicts", "verify", "--bundle", str(bundle), "--key", key)
    assert printed(shell, *offline, "--state", str(tmp_path / "none"))["ok"]
    assert not printed(shell, *offline[:-1], "0" * 32, code=3)["ok"]


def test_a_changed_ledger_is_found_and_the_entry_named(shell: Shell) -> None:
    recorded(shell, "v1", "v2")
    file = shell.folder / "ledger" / "verdicts"
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b'"reward":0.5', b'"reward":1.0', 1))
    found = printed(shell, "verdicts", "verify", code=3)
    assert (found["problems"][0]["entry"], found["ok"]) == (2, False)
    assert "WRONG: entry 2: was changed" in shell("verdicts", "verify").stdout
    file.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    found = printed(shell, "verdicts", "verify", code=3)
    assert "dropped: there were 3" in found["problems"][0]["what"]
    file.write_bytes(b"\x00\xff garbage\n\n" + whole)
    assert printed(shell, "verdicts", "verify", code=3)["problems"][0]["entry"] == 1
    assert shell("verdicts", "list").returncode == 1


def test_a_key_is_replaced_and_a_lost_one_is_said_to_be(shell: Shell, task: str) -> None:
    nothing = shell("verdicts", "rotate")
    assert (nothing.returncode, "no ledger yet" in nothing.stderr) == (1, True)
    recorded(shell, "v1")
    key = shell.folder / "ledger" / "key.pem"
    old = key.read_bytes()
    assert printed(shell, "verdicts", "rotate", "--dry-run")["key"] is None
    assert key.read_bytes() == old
    assert printed(shell, "verdicts", "rotate")["entry"] == 3
    assert key.read_bytes() != old
    key.unlink()
    lost = shell("verify", task, "--record")
    assert (lost.returncode, "rotate --lost" in lost.stderr) == (1, True)
    assert len(lost.stderr.splitlines()) == 1
    printed(shell, "verdicts", "rotate", "--lost")
    recorded(shell, "v2")
    keys = printed(shell, "verdicts", "verify")["keys"]
    assert [each["lost"] for each in keys] == [False, False, True]
    key.chmod(0o644)
    started = shell("engine", "start")
    assert (started.returncode, "has mode 0644" in started.stderr) == (1, True)


def test_what_makes_no_sense_is_wrong_usage(shell: Shell, task: str) -> None:
    for line in (
        ("verify",),
        ("verify", task, "--regrade", "abcd"),
        ("verify", "--regrade", "abcd", "--record"),
        ("verify", task, "--dry-run"),
    ):
        done = shell(*line)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    missing = shell("verdicts", "verify", "--bundle", "missing.tar.gz")
    assert (missing.returncode, len(missing.stderr.splitlines())) == (1, 1)
    assert shell("verdicts", "verify").stdout == "0 verdicts: whole\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_state_folder_that_cannot_be_written_is_said_so(shell: Shell, task: str) -> None:
    shell.folder.mkdir(mode=0o500)
    done = shell("verify", task, "--record")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
