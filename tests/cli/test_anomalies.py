"""`autolab engine anomalies` beside an engine that works, hangs or is gone."""

from __future__ import annotations

import json
import os
import signal
import time

import msgspec

from engine.offline.trace import AnomaliesObject
from tests.cli import shapes
from tests.cli.conftest import Shell


def anomalies(shell: Shell, *more: str) -> tuple[int, AnomaliesObject]:
    done = shell("engine", "anomalies", *more, "--json")
    shapes.check(json.loads(done.stdout))
    return done.returncode, msgspec.json.decode(done.stdout, type=AnomaliesObject)


def test_without_a_trace_it_says_so(shell: Shell) -> None:
    done = shell("engine", "anomalies")
    assert done.returncode == 1
    assert "no engine has left a trace" in done.stderr
    assert not shell.folder.exists()


def test_an_engine_is_seen_running_stopped_gone_and_ended(shell: Shell) -> None:
    pid = json.loads(shell("engine", "start", "--json").stdout)["pid"]
    code, found = anomalies(shell)
    assert (code, found.engine.pid, found.engine.state) == (0, pid, "running")
    assert "nothing odd" in shell("engine", "anomalies").stdout

    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + 30
    while anomalies(shell)[1].engine.state != "stopped" and time.monotonic() < deadline:
        time.sleep(0.05)
    done = shell("engine", "anomalies")
    assert done.returncode == 3
    assert f"`kill -CONT {pid}`" in done.stdout

    os.kill(pid, signal.SIGKILL)
    while anomalies(shell)[1].engine.state != "dead" and time.monotonic() < deadline:
        time.sleep(0.05)
    code, found = anomalies(shell)
    assert (code, found.engine.state) == (3, "dead")
    assert "had not ended in good order" in found.anomalies[0]

    assert shell("engine", "start").returncode == 0
    code, found = anomalies(shell, "--before")
    assert (code, found.engine.pid) == (3, pid)
    assert shell("engine", "stop").returncode == 0
    code, found = anomalies(shell)
    assert (code, found.engine.state) == (0, "ended")
    assert found.in_flight == []
