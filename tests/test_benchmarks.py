"""The benchmarks still measure what they say they do. Nothing here looks at a figure's size."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import journal_rate, million, turns
from benchmarks.history import Past, write_past
from benchmarks.measuring import machine, memory, percentile, ratio, spent, table
from engine.journal import checkpoints, read
from engine.paths import journal_file, make_private
from engine.state import State, reduce
from tests.engine.support import lacks_sandbox


def test_a_past_is_as_long_and_as_open_as_asked(tmp_path: Path) -> None:
    write_past(tmp_path / "j.sqlite3", Past(2000, 12, 5)).close()
    state = State()
    for event in read(tmp_path / "j.sqlite3"):
        reduce(state, event)
    assert state.seq >= 2000
    assert len(state.sessions) == 12
    assert sum(not session.over for session in state.sessions.values()) == 5
    assert all(session.points for session in state.sessions.values())


def test_the_journals_rate_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_rate, "_SHAPES", ((1, 5), (4, 5)))
    monkeypatch.setattr(journal_rate, "look_less", lambda: None)  # this process goes on with tests
    lines = journal_rate.report().splitlines()
    assert [line.split(",")[0] for line in lines[3:5]] == ["1 appender", "4 appenders"]


def test_a_start_with_and_without_a_checkpoint_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOLAB_CONFIG", str(tmp_path / "config"))
    for name, value in (("EVENTS", 1500), ("_BEHIND", 500), ("_OPEN", 3)):
        monkeypatch.setattr(million, name, value)
    state = make_private(tmp_path / "state")
    million.write_and_kill(state, 4)
    assert million.start(state).ready > 0
    million.keep_checkpoint(state)
    assert checkpoints.load(journal_file(state)).seq == 1000
    assert million.start(state).attach > 0


def test_an_engine_at_work_is_measured_and_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why := lacks_sandbox():  # runs are refused without one, though none is used here
        pytest.skip(f"no sandbox can be had here: {why}")
    monkeypatch.setenv("AUTOLAB_CONFIG", str(tmp_path / "config"))
    found = turns.measure(
        sessions=3, turns=8, warm_up=1, thinks=0.3, noise=100, read_for=0.5, settle=0.0
    )
    assert found.turns["turns"] == 24
    assert found.turns["cpu_ms_a_turn"] > 0
    assert set(found.reads) == {"/engine", "/status", "/state"}
    with turns.helper("model_server") as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        assert turns.measure(sessions=2, turns=2, warm_up=1, server=url).turns["turns"] == 4


def test_figures_are_read_and_shown() -> None:
    before = spent()
    assert (spent() - before).wall >= 0
    assert memory() > 1 << 20
    assert "Python" in machine()
    assert [percentile([3, 1, 2], share) for share in (0.0, 0.5, 1.0)] == [1, 2, 3]
    assert (ratio(2.0, 4.0), ratio(0.0, 1.0)) == ("2.0", "-")
    assert table("t", ("a", "b"), [("x", "10"), ("yy", "9")]).splitlines()[-1] == "yy   9"
