"""The trace: what is in flight can be read from its files, whatever happened to the engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import Clock
from engine.offline.trace import AnomaliesObject, read
from engine.oversight.starvation import Starvation
from engine.oversight.trace import NOW, Trace
from tests.engine.support import ChatServer, EngineProcess, Reply, sse, tool_turn, wait_for


def told(state: Path, **how: Any) -> AnomaliesObject:
    found = read(state, **how)
    assert found is not None
    return found


def in_flight(state: Path) -> set[tuple[str, str]]:
    return {(each.what, each.detail) for each in told(state).in_flight}


def test_nothing_was_traced_where_no_engine_was(tmp_path: Path) -> None:
    assert read(tmp_path) is None


def test_what_was_entered_and_not_left_is_in_flight(tmp_path: Path) -> None:
    now = 100.0
    clock = Clock(now=lambda: now, wall=lambda: 1e9 + now)
    trace = Trace(tmp_path / "trace", "1.2.3", clock)
    with trace.doing("command", "r-01", "3-0 bash"):
        now = 105.0
        with pytest.raises(KeyError), trace.doing("snapshot", "r-01"):
            now = 107.5
            raise KeyError
        found = told(tmp_path, clock=clock)
        assert (found.engine.pid, found.engine.version) == (os.getpid(), "1.2.3")
        assert found.engine.state == "running"
        [flight] = found.in_flight
        assert (flight.what, flight.session, flight.detail) == ("command", "r-01", "3-0 bash")
        assert (flight.age, flight.since) == (7.5, "2001-09-09T01:48:20.000Z")
        [done] = found.slowest
        assert (done.what, done.seconds, done.error) == ("snapshot", 2.5, "KeyError")
    trace.close()
    found = told(tmp_path)
    assert (found.engine.state, found.in_flight, found.anomalies) == ("ended", [], [])


@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=120),
    st.integers(1, 900),
    st.integers(0, 40),
)
def test_however_often_the_files_take_turns_nothing_open_is_forgotten(
    steps: list[tuple[int, bool]], limit: int, torn: int
) -> None:
    with tempfile.TemporaryDirectory() as place:
        state = Path(place)
        trace = Trace(state / "trace", limit=limit)
        doing: dict[int, Any] = {}
        for which, slow in steps:
            if which in doing:
                doing.pop(which).__exit__(None, None, None)
            else:
                doing[which] = trace.doing("command", "s", f"{which}")
                doing[which].__enter__()
            if slow:
                trace.tick(0.2)
        assert in_flight(state) == {("command", str(which)) for which in doing}
        found = told(state)
        left = (len(steps) - len(doing)) // 2
        assert len(found.slowest) == min(3, left)
        assert bool(found.lags) == any(slow for _, slow in steps)
        # The newest line may be torn: it is passed over, and nothing else is.
        files = sorted((state / "trace" / NOW).iterdir(), key=lambda f: f.stat().st_mtime_ns)
        size = files[-1].stat().st_size
        os.truncate(files[-1], max(0, size - torn))
        read(state)
        trace.close()


def test_the_files_stay_small(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "trace", limit=20_000)
    with trace.doing("command", "s", "long"):
        for number in range(2000):
            with trace.doing("request", detail=f"GET /{number}"):
                pass
        sizes = [file.stat().st_size for file in (tmp_path / "trace" / NOW).iterdir()]
        assert len(sizes) == 2
        assert max(sizes) < 25_000
        assert in_flight(tmp_path) == {("command", "long")}
    trace.close()


def test_a_full_disk_costs_lines_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.oversight.trace._RETRY_SECONDS", 0.0)
    trace = Trace(tmp_path / "trace", limit=100)
    folder = tmp_path / "trace" / NOW
    (folder / "0.jsonl").symlink_to("/dev/full")  # the next file to be begun
    first = trace.doing("command", "s", "before")
    first.__enter__()
    second = trace.doing("command", "s", "while full")
    second.__enter__()
    first.__exit__(None, None, None)
    for name in ("0.jsonl", "1.jsonl"):
        (folder / name).unlink(missing_ok=True)
    with trace.doing("command", "s", "after"):
        assert in_flight(tmp_path) == {("command", "while full"), ("command", "after")}
    found = told(tmp_path)
    assert found.unwritten > 0
    assert any("could not be written" in text for text in found.anomalies)
    trace.close()


def test_a_folder_that_cannot_be_made_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "trace").write_text("a file where the folder should be")
    trace = Trace(tmp_path / "trace")
    with trace.doing("command", "s", "half \ud800 a character"):
        pass
    trace.tick(1.0)
    trace.close()


def test_what_is_asked_may_be_no_text(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "trace")
    with trace.doing("request", detail="GET /\ud800"), trace.doing("request", detail="GET /x"):
        assert ("request", "GET /x") in in_flight(tmp_path)
    trace.close()


def test_threads_write_whole_lines(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "trace", limit=5000)

    def work(name: str) -> None:
        for number in range(300):
            with trace.doing("command", name, str(number)):
                pass

    threads = [threading.Thread(target=work, args=(f"s{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert in_flight(tmp_path) == set()
    for file in (tmp_path / "trace" / NOW).iterdir():
        assert all(line.startswith(b"{") for line in file.read_bytes().splitlines())
    trace.close()


def test_the_trace_of_the_engine_before_is_kept(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        trace = Trace(tmp_path / "trace", name)
        with trace.doing("command", "s", name):
            assert told(tmp_path).engine.version == name
    assert told(tmp_path, before=True).engine.version == "two"


def test_where_a_loop_stands_is_told(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "trace")
    starvation = Starvation(trace, patience=0.05)

    def stand_still() -> list[str]:
        time.sleep(0.02)
        return [lag.where or "" for lag in told(tmp_path).lags]

    said = wait_for(stand_still)
    starvation.close()
    trace.close()
    assert "test_where_a_loop_stands_is_told (oversight/test_trace.py:" in said[0]


def test_a_process_that_has_our_number_is_not_taken_for_the_engine(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from engine.oversight.trace import Trace\n"
        "trace = Trace(Path(sys.argv[1]) / 'trace', '9')\n"
        "trace.doing('command', 's', 'x').__enter__(); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    found = told(tmp_path)
    assert found.engine.state == "dead"
    assert "is gone and had not ended in good order: 1 action in flight" in found.anomalies[0]
    moved = Clock(boot=lambda: "another boot")
    assert told(tmp_path, clock=moved).engine.state == "rebooted"
    assert told(tmp_path, clock=moved).engine.silent is None


@pytest.mark.usefixtures("sandboxes")
def test_an_engine_that_was_killed_or_stopped_in_mid_command(
    engine: EngineProcess, suite: Path
) -> None:
    state = engine.state_dir
    turns = [tool_turn("bash", {"command": "sleep 300"})]
    with ChatServer(lambda _, n: Reply(sse(turns[0]))) as server:
        providers = {"local": {"base_url": server.url}}
        made = engine.client.create_run(
            {"suite": str(suite), "size": "quick", "models": ["local/m"], "providers": providers}
        )
        (session,) = made["sessions"]
        wait_for(lambda: ("command", "2-0 bash") in in_flight(state))
        found = told(state)
        assert (found.engine.pid, found.engine.state) == (engine.pid, "running")
        assert ("keeper call", "run") in in_flight(state)
        seen = {done.what for done in found.slowest}
        assert {"model turn", "journal commit", "request", "keeper call"} <= seen

        pid = engine.pid
        os.kill(pid, signal.SIGSTOP)
        found = wait_for(lambda: (t := told(state)).engine.state == "stopped" and t)
        assert f"kill -CONT {pid}" in found.anomalies[0]
        assert ("command", "2-0 bash") in in_flight(state)
        os.kill(pid, signal.SIGCONT)

        engine.kill()
        found = wait_for(lambda: (t := told(state)).engine.state == "dead" and t)
        assert "in flight" in found.anomalies[0]
        [flight] = [each for each in found.in_flight if each.what == "command"]
        assert (flight.session, flight.detail) == (session, "2-0 bash")
        age = flight.age
        assert told(state).in_flight[0].age >= 0
        assert [f.age for f in told(state).in_flight if f.what == "command"] == [age]

        engine.restart()
        assert told(state, before=True).engine.pid == pid
        assert told(state).engine.pid == engine.pid
        engine.client.stop([session])
        engine.until_over(session)
