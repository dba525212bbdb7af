"""The engine's verdicts in the ledger: each once, whatever dies when, and graded anew."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.client import EngineRefusedError
from engine.journal import read_kinds
from engine.offline.ledgers import audited, ledger_of
from engine.paths import journal_file
from tests.engine.support import EngineProcess, wait_for
from verifier import pins

pytestmark = pytest.mark.usefixtures("sandboxes")


def launched(engine: EngineProcess, suite: Path, agent: str) -> str:
    spec: dict[str, Any] = {"suite": str(suite), "agents": [agent], "size": "quick"}
    (session,) = engine.client.create_run(spec)["sessions"]
    return str(session)


def change(suite: Path, name: str, old: str, new: str) -> None:
    """Change a file of the task, and pin the task as it is then."""
    file = suite / "count_down" / name
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    pins.write(suite / "count_down")


def test_a_verdict_between_ledger_and_journal_is_journalled_once(
    engine: EngineProcess, suite: Path
) -> None:
    change(suite, "tests/judge.py", "def judge", "import time\ndef judge")
    change(suite, "tests/judge.py", "    good =", "    time.sleep(1)\n    good =")
    session = launched(engine, suite, "oracle")
    journal = journal_file(engine.state_dir)
    wait_for(lambda: any(read_kinds(journal, ["verification.started"])))
    # Nobody else can commit from now on, so the verdict comes as far as the ledger.
    lock = sqlite3.connect(journal, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    try:
        wait_for(lambda: len(ledger_of(engine.state_dir).lines()) > 1)
        engine.kill()
    finally:
        lock.execute("ROLLBACK")
        lock.close()
    assert not any(read_kinds(journal, ["verdict.given"]))
    found, cross = audited(engine.state_dir)
    assert (found.problems, cross.pending) == ([], 1)

    engine.restart()
    facts = engine.until_over(session).sessions[session]
    found, cross = audited(engine.state_dir)
    assert (found.problems, cross.pending, found.verdicts) == ([], 0, cross.events)
    assert facts.final_reward == pytest.approx(0.8)
    given = [v["id"] for v in engine.client.verdicts(session)]
    assert Counter(given) == Counter(dict.fromkeys(given, 1))
    assert given[0] == found.entries[1].verdict_id
    finals = [p for p in facts.points if p.stage == "final"]
    assert len(finals) == 1


def test_what_is_in_one_of_the_two_only_is_found(engine: EngineProcess, suite: Path) -> None:
    session = launched(engine, suite, "ladder")
    engine.until_over(session)
    shown = engine.client.verdicts(session)
    assert len(shown) >= 3
    assert shown[1]["previous_hash"] == shown[0]["hash"]
    assert all(v["signature"] and v["task_hash"] for v in shown)
    assert audited(engine.state_dir)[0].problems == []
    engine.client.shutdown()

    journal = sqlite3.connect(journal_file(engine.state_dir))
    first = "(SELECT min(seq) FROM events WHERE type = 'verdict.given')"
    [[data]] = journal.execute(f"SELECT data FROM events WHERE seq = {first}").fetchall()
    with journal:
        journal.execute(
            f"UPDATE events SET data = ? WHERE seq = {first}",
            [data.replace('"reward":0.4', '"reward":0.9')],
        )
    [problem] = audited(engine.state_dir)[0].problems
    assert (problem.entry, "is not what event" in problem.what) == (2, True)
    with journal:
        journal.execute(f"DELETE FROM events WHERE seq = {first}")
    [problem] = audited(engine.state_dir)[0].problems
    assert (problem.entry, "the journal has no event" in problem.what) == (2, True)
    with journal:
        journal.execute(
            "INSERT INTO events (seq, session, type, data) VALUES (?, ?, 'verdict.given', ?)",
            [10**6, session, data],
        )
    journal.close()
    ledger = ledger_of(engine.state_dir)
    lines = ledger.lines()
    ledger.file.write_bytes(b"\n".join(lines[:-1]) + b"\n")
    ledger.head_file.unlink()
    [problem] = audited(engine.state_dir)[0].problems
    assert (problem.entry, "is not in the ledger" in problem.what) == (None, True)
    ledger.file.unlink()
    assert len(audited(engine.state_dir)[0].problems) == len(shown)
    ledger.file.write_bytes(b"\n".join(lines) + b"\n")


def test_a_run_is_graded_anew_by_the_rule_of_now(engine: EngineProcess, suite: Path) -> None:
    session = launched(engine, suite, "ladder")
    run = session.rpartition("-")[0]
    engine.until_over(session)
    before = engine.client.verdicts(session)
    same = engine.client.regrade(run, by="me")
    assert {row["left"] for row in same["verdicts"]} == {"the rule and the anchors are the same"}

    change(suite, "task.toml", "bound = 0.0", "bound = -100.0")
    dry = engine.client.regrade(run, by="me", dry_run=True)
    assert dry["tasks"] == [{"task": "count_down", "files": ["task.toml was changed"]}]
    assert engine.client.verdicts(session) == before
    done = engine.client.regrade(run, by="me")
    assert [row["after"] for row in done["verdicts"]] == [
        pytest.approx(row["before"] / 2) for row in done["verdicts"]
    ]
    assert all("the bound is -100, not 0" in row["why"] for row in done["verdicts"])
    facts = engine.session(session)
    assert facts.final_reward == pytest.approx(0.4)
    assert facts.best_reward == pytest.approx(0.4)
    assert [p.given for p in facts.points] == [pytest.approx(v["reward"]) for v in before]
    after = engine.client.verdicts(session)
    assert after[: len(before)] == before
    new = after[len(before) :]
    assert [v["regrade_of"] for v in new] == [v["id"] for v in before]
    assert {v["task_hash"] for v in new} == {pins.task_hash(suite / "count_down")}

    change(suite, "task.toml", "bound = -100.0", "bound = 0.0")
    engine.client.regrade(run, by="me")
    assert engine.session(session).final_reward == pytest.approx(0.8)
    engine.kill()  # the fold of the journal says the same, and nothing is journalled twice
    engine.restart()
    assert engine.session(session).final_reward == pytest.approx(0.8)
    found, cross = audited(engine.state_dir)
    assert (found.problems, cross.events) == ([], 3 * len(before))


def test_facts_of_another_task_are_left_and_the_file_is_named(
    engine: EngineProcess, suite: Path
) -> None:
    session = launched(engine, suite, "oracle")
    run = session.rpartition("-")[0]
    engine.until_over(session)
    change(suite, "tests/judge.py", "a number", "the number")
    for row in engine.client.regrade(run, by="me")["verdicts"]:
        assert "tests/judge.py was changed" in row["left"]
    change(suite, "tests/judge.py", "the number", "a number")
    change(suite, "task.toml", "memory_mb = 512", "memory_mb = 640")
    for row in engine.client.regrade(run, by="me")["verdicts"]:
        assert row["left"] == "it was measured by another task.toml: environment changed"
    (suite / "count_down" / "task.toml").write_text("broken = [")
    for row in engine.client.regrade(run, by="me")["verdicts"]:
        assert "task.toml was changed" in row["left"]
    with pytest.raises(EngineRefusedError, match="there is no run 'none'"):
        engine.client.regrade("none", by="me")
    assert len(engine.client.verdicts(session)) == len(engine.session(session).points)


@pytest.mark.slow
def test_a_task_that_is_changed_while_its_run_goes_on_is_refused_by_file(
    engine: EngineProcess, suite: Path
) -> None:
    change(suite, "tests/judge.py", "    good =", "    __import__('time').sleep(2)\n    good =")
    session = launched(engine, suite, "ladder")
    wait_for(lambda: engine.session(session).points)
    change(suite, "tests/judge.py", "sleep(2)", "sleep(0)")
    facts = engine.until_over(session).sessions[session]
    said = [p.reason for p in facts.points if p.status == "not_judged"]
    assert said
    assert all("tests/judge.py was changed" in reason for reason in said)
