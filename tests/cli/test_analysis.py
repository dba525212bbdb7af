"""leaderboard, compare, report: from a journal alone, and from an engine that runs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.analysis.comparison import Comparison
from engine.analysis.counting import Tally
from engine.analysis.forecast import Forecast
from engine.analysis.harness_effect import HarnessEffect
from engine.analysis.leaderboard import Leaderboard, Row
from engine.analysis.persistence import Persistence
from engine.analysis.persistence_index import Correlation
from engine.clock import Clock
from engine.events import (
    ClockMoved,
    Limit,
    RunCreated,
    SessionCreated,
    SessionEnded,
    SessionMoved,
    VerdictGiven,
)
from engine.journal import Journal
from engine.paths import journal_file
from tests.cli import shapes
from tests.cli.conftest import Shell
from verifier.verdict import Seal, Verdict

MODELS, HARNESSES, TASKS = ("lab/a", "lab/b"), ("minimal", "persistent"), ("t1", "t2")


def verdict(session: str, reward: float, stage: Any) -> Verdict:
    return Verdict(
        id=f"{session}-{stage}", session=session, task="t", task_hash="h", snapshot="s" * 64,
        stage=stage, reward=reward, status="scored" if reward else "zero",
        seal=Seal("full", "driver", True), reason=f"<b>{reward}</b>", seconds=1.0, at="",
    )  # fmt: skip


@pytest.fixture
def judged(shell: Shell) -> Shell:
    """A journal without an engine: a finished grid of two by two by two, and a run that goes on."""
    shell.folder.mkdir(mode=0o700)
    now = [100.0]
    clock = Clock(lambda: "boot", lambda: now[0], lambda: 1.7e9 + now[0])
    journal = Journal(journal_file(shell.folder), clock)
    cells = [(m, h, t) for m in MODELS for h in HARNESSES for t in TASKS]
    names = [f"done-{n:02}" for n in range(len(cells))]
    journal.append(RunCreated(run="done", sessions=tuple(names), spec={"size": "quick"}))
    journal.append(RunCreated(run="open", sessions=("open-01",), spec={}))
    for n, (name, (model, harness, task)) in enumerate(
        zip([*names, "open-01"], [*cells, cells[0]], strict=True)
    ):
        journal.append(
            SessionCreated(
                run=name.partition("-")[0], task=task, task_path="/t", task_hash="h", domain="d",
                model=model, agent="tools", harness=harness, harness_hash=harness, attempt=1,
                budget={"active": Limit(1000.0)},
            ),
            name,
        )  # fmt: skip
        journal.append(SessionMoved(state="running"), name)
        journal.append(ClockMoved(to="working", moment=now[0]), name)
        now[0] += 400.0
        journal.append(
            VerdictGiven(verdict=verdict(name, 0.1, "checkpoint"), active=200.0, wall=200.0), name
        )
        if name == "open-01":
            break
        reward = 0.1 * n
        journal.append(
            VerdictGiven(verdict=verdict(name, reward, "final"), active=400.0, wall=400.0), name
        )
        journal.append(ClockMoved(to="stopped", moment=now[0]), name)
        journal.append(
            SessionEnded(ended_by="agent", outcome="ended", evidence="so", final_reward=reward),
            name,
        )
        journal.append(SessionMoved(state="finished"), name)
    journal.close()
    return shell


def answer(shell: Shell, *line: str) -> dict[str, Any]:
    done = shell(*line, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    printed: dict[str, Any] = json.loads(done.stdout)
    shapes.check(printed)
    return printed


def without(printed: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in printed.items() if key not in ("schema", *keys)}


def test_the_leaderboard_of_a_journal(judged: Shell) -> None:
    printed = answer(judged, "leaderboard", "done", "--published")
    assert answer(judged, "leaderboard", "done", "--published") == printed
    extra = ("harness_effect", "persistence_index", "published")
    board = msgspec.convert(without(printed, *extra), Leaderboard)
    assert [(row.model, row.harness) for row in board.rows] == [
        ("lab/b", "persistent"),
        ("lab/b", "minimal"),
        ("lab/a", "persistent"),
        ("lab/a", "minimal"),
    ]
    assert (board.tally.counted, board.tasks) == (8, 2)
    assert msgspec.convert(printed["harness_effect"], HarnessEffect).harnesses == HARNESSES
    index = msgspec.convert(printed["persistence_index"], list[Correlation])
    assert {c.figure for c in index} == {"iterations", "used", "first"}
    assert "2606.05080" in printed["published"]["source"]
    assert answer(judged, "leaderboard")["tally"]["unfinished"] == 1

    shown = judged("leaderboard", "--published")
    assert shown.returncode == 0
    for words in ("9 sessions: 8 counted, 1 unfinished", "lab/b", "largest swing", "claude-opus"):
        assert words in shown.stdout
    assert not (judged.folder / "engine.log").exists()


def test_a_comparison_from_a_journal(judged: Shell) -> None:
    printed = answer(judged, "compare", "harness:persistent", "minimal", "--run", "done")
    made = msgspec.convert(without(printed), Comparison)
    assert made.difference is not None and made.difference.value == pytest.approx(0.2)
    assert (made.tasks, made.sign_test.a) == (2, 2)
    assert made.order is not None and made.order.tau is not None and made.order.tau.value == 1.0
    shown = judged("compare", "a", "b").stdout
    assert "A - B  -0.4" in shown and "sign test" in shown
    refused = judged("compare", "a", "harness:minimal")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "compare two of the same kind" in refused.stderr


def test_a_report_from_a_journal(judged: Shell, tmp_path: Path) -> None:
    page, table = tmp_path / "run.html", tmp_path / "run.csv"
    done = judged("report", "done", "--html", str(page), "--csv", str(table))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].startswith(f"wrote {page} (")
    assert "&lt;b&gt;0.1&lt;/b&gt;" in page.read_text()
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [row["id"] for row in rows] == [f"done-{n:02}" for n in range(8)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.csv", "run.html"]
    assert judged("report", "done", "--csv", "-").stdout == table.read_text()

    printed = answer(judged, "report", "open")
    [one] = printed["sessions"]
    figures = msgspec.convert(one["persistence"], Persistence)
    assert (figures.auc, figures.used) == (pytest.approx(0.08), 0.4)
    assert one["standing"] == "unfinished"
    assert [w["kind"] for w in one["warnings"]] == ["plateau"]
    ahead = msgspec.convert(printed["forecast"], Forecast)
    assert ahead.finish is not None and ahead.active is not None and ahead.open == 1
    assert (printed["written"], printed["dry_run"]) == ([], False)
    [run] = [r for r in answer_status(judged)["runs"] if r["id"] == "open"]
    assert run["forecast"] == printed["forecast"]


def answer_status(shell: Shell) -> dict[str, Any]:
    status: dict[str, Any] = json.loads(shell("status", "--json").stdout)
    return status


def test_what_a_report_refuses(judged: Shell, tmp_path: Path) -> None:
    for line, code, named in (
        (("report", "done"), 2, "--html FILE"),
        (("report", "done", "--html", "-", "--json"), 2, "--html -"),
        (("report", "nobody", "--json"), 1, "nobody"),
        (("report", "done", "--html", str(tmp_path / "none" / "x.html")), 1, "none"),
        (("leaderboard", "nobody"), 1, "nobody"),
    ):
        done = judged(*line)
        assert (done.returncode, done.stdout) == (code, ""), line
        assert named in done.stderr
        assert len(done.stderr.splitlines()) == 1
    dry = judged("report", "done", "--html", str(tmp_path / "x.html"), "--dry-run")
    assert dry.stdout.startswith("would write")
    assert list(tmp_path.iterdir()) == []


def test_with_neither_engine_nor_journal(shell: Shell) -> None:
    for line in (("leaderboard",), ("compare", "a", "b"), ("report", "r", "--json")):
        done = shell(*line)
        assert (done.returncode, done.stdout) == (1, "")
        assert "autolab engine start" in done.stderr
    assert shell("engine", "metrics").returncode == 1
    assert not shell.folder.exists()


@pytest.mark.usefixtures("sandbox_backend")
def test_with_an_engine_that_runs(shell: Shell) -> None:
    line = ("--task", "rack_placement", "--agent", "oracle", "--size", "quick")
    run = json.loads(shell("run", *line, "--json").stdout)["run"]
    assert shell("watch", run, timeout=120).returncode == 0
    live = answer(shell, "leaderboard", run)
    [row] = msgspec.convert(live["rows"], list[Row])
    assert (row.model, row.harness, row.tally.counted) == ("oracle", "none", 1)
    assert row.overall.avg is not None and row.overall.avg.value > 0.5
    report = answer(shell, "report", run)
    assert report["forecast"] is None
    assert msgspec.convert(report["leaderboard"]["tally"], Tally).counted == 1

    text = shell("engine", "metrics").stdout
    assert 'autolab_sessions{state="finished"} 1\n' in text
    assert 'autolab_final_reward_count{model="oracle"} 1\n' in text
    numbers = answer(shell, "engine", "metrics")
    [sessions] = [f for f in numbers["families"] if f["name"] == "autolab_sessions"]
    assert sessions["type"] == "gauge"
    finished = [s for s in sessions["samples"] if s["labels"] == {"state": "finished"}]
    assert [s["value"] for s in finished] == [1]

    assert shell("engine", "stop").returncode == 0
    assert answer(shell, "leaderboard", run) == live
