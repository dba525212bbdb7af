"""`autolab verify --regrade`, as an operator types it: what was measured, by another rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Shell
from tests.engine.support import make_task
from verifier import pins

pytestmark = pytest.mark.usefixtures("sandbox_backend")


def printed(shell: Shell, *line: str) -> dict[str, Any]:
    done = shell(*line, "--json", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def change(task: Path, old: str, new: str) -> None:
    file = task / "task.toml"
    assert file.read_text().count(old) == 1
    file.write_text(file.read_text().replace(old, new))
    pins.write(task)


def test_a_run_is_graded_anew_from_the_command_line(shell: Shell, tmp_path: Path) -> None:
    task = make_task(tmp_path / "suite") / "count_down"
    where = ("--suite", str(task.parent), "--agent", "oracle", "--size", "quick")
    run = printed(shell, "run", *where)["run"]
    assert shell("watch", run, timeout=120).returncode == 0
    nothing = shell("verify", "--regrade", run)
    assert "the rule and the anchors are the same" in nothing.stdout
    change(task, "bound = 0.0", "bound = -100.0")
    dry = shell("verify", "--regrade", run, "--dry-run")
    assert "would be graded anew" in dry.stdout
    assert "task.toml was changed" in dry.stdout
    rows = printed(shell, "verify", "--regrade", run)["verdicts"]
    assert [row["after"] for row in rows] == [pytest.approx(row["before"] / 2) for row in rows]
    assert rows
    (session,) = printed(shell, "status")["sessions"]
    assert session["final_reward"] == pytest.approx(0.4)
    assert printed(shell, "verdicts", "verify")["verdicts"] == 2 * len(rows)
    missing = shell("verify", "--regrade", "none")
    assert (missing.returncode, len(missing.stderr.splitlines())) == (1, 1)


@pytest.mark.slow
def test_timed_verdicts_keep_their_samples_and_get_the_new_reward(
    shell: Shell, tmp_path: Path
) -> None:
    made = shell("tasks", "new", "timed_one", "--kind", "native")
    assert made.returncode == 0, made.stderr
    (toml,) = shell.folder.parent.rglob("timed_one/task.toml")
    where = ("--suite", str(toml.parent.parent), "--agent", "oracle", "--size", "quick")
    run = printed(shell, "run", *where)["run"]
    shell("watch", run, timeout=400)
    (session,) = printed(shell, "status")["sessions"]
    before = printed(shell, "verdicts", "list")["verdicts"]
    if session["final_reward"] is None:
        pytest.skip("the machine is too busy to time anything")
    lines = toml.read_text().splitlines()
    baseline = next(line for line in lines if line.startswith("baseline = "))
    reference = next(line for line in lines if line.startswith("reference = "))
    nearer = float(baseline.removeprefix("baseline = ")) / 2
    change(toml.parent, reference, f"reference = {nearer:.6f}")
    rows = printed(shell, "verify", "--regrade", run)["verdicts"]
    assert any(not row["left"] for row in rows), rows
    assert all(row["before"] < row["after"] <= 1 for row in rows if not row["left"])
    after = printed(shell, "verdicts", "list")["verdicts"]
    assert len(after) == len(before) + sum(not row["left"] for row in rows)
