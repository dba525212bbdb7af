"""The engine's process and its routes, over the real socket."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.api.server import Api
from engine.client import (
    EngineClient,
    EngineDownError,
    EngineRefusedError,
    EngineSilentError,
    Heartbeat,
    connect,
    find,
)
from engine.journal import Journal
from engine.lock import StateLock, StateLockedError
from engine.objects import EngineObject, StatusObject
from engine.paths import PathError, engine_socket, make_private, runtime_dir, short_name
from engine.service.engine import Engine
from engine.settings import Settings
from tests.engine.support import EngineProcess, running_engine, wait_for


def test_an_engine_starts_detached_answers_and_ends(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert find(state) is None
    with pytest.raises(EngineDownError, match="autolab engine start"):
        connect(state, start=False)
    with running_engine(state) as engine:
        found = engine.client.engine()
        msgspec.convert(found, EngineObject)
        assert os.getsid(found["pid"]) == found["pid"] != os.getsid(0)
        assert found["state_dir"] == str(state)
        mode = engine_socket(state).stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        assert connect(state).engine()["pid"] == found["pid"]
        status = msgspec.convert(engine.client.status(), StatusObject)
        assert status.runs == []
        wait_for(lambda: engine.client.state().seq == 1)  # it answers before its first event
    assert find(state) is None
    assert not engine_socket(state).exists()


def test_many_callers_start_one_engine(tmp_path: Path) -> None:
    state = tmp_path / "state"
    pids: list[int] = []
    threads = [
        threading.Thread(target=lambda: pids.append(connect(state).engine()["pid"]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with running_engine(state):
        assert len(pids) == 4
        assert len(set(pids)) == 1


def test_a_second_engine_is_refused_with_the_firsts_pid(engine: EngineProcess) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "engine.daemon", "--state", str(engine.state_dir)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert f"pid {engine.pid}" in second.stderr
    assert "autolab engine stop" in second.stderr
    assert "Traceback" not in second.stderr


def test_the_lock_dies_with_its_holder(tmp_path: Path) -> None:
    with StateLock(tmp_path), pytest.raises(StateLockedError):
        StateLock(tmp_path)
    StateLock(tmp_path).close()


def test_an_engine_that_cannot_start_says_why(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "journal.sqlite3").write_bytes(b"no database at all, whatever its name" * 50)
    with pytest.raises(EngineDownError, match="cannot open the journal"):
        connect(state)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_state_folder_is_named(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o500)
    with pytest.raises(PathError, match=r"cannot write in the state folder .*--state DIR"):
        StateLock(state)


def test_a_state_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(PathError, match=r"cannot make the folder .*AUTOLAB_STATE"):
        connect(tmp_path / "state")


def test_a_bad_setting_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOLAB_VERIFICATION_SHARE", "7")
    with pytest.raises(EngineDownError, match=r"verification_share = '7' does not fit"):
        connect(tmp_path / "state")


def test_sigterm_ends_it_in_good_order(tmp_path: Path) -> None:
    with running_engine(tmp_path / "state") as engine:
        os.kill(engine.pid, signal.SIGTERM)
        wait_for(lambda: find(engine.state_dir) is None)
        engine.restart()
        kinds = []
        with engine.client.events() as stream:
            for item in stream:
                if not isinstance(item, Heartbeat):
                    kinds.append(type(item.body).__name__)
                if kinds[-1:] == ["EngineStarted"] and len(kinds) > 1:
                    break
    assert kinds == ["EngineStarted", "EngineStopped", "EngineStarted"]


def test_an_engine_whose_folder_is_deleted_ends(tmp_path: Path) -> None:
    with running_engine(tmp_path / "state") as engine:
        # It answers this once it has laid out all that it needs: nothing is made anew afterwards.
        with pytest.raises(EngineRefusedError):
            engine.client.create_run({"agents": ["nop"], "tasks": ["nothing of that name"]})
        shutil.rmtree(engine.state_dir)
        wait_for(lambda: find(engine.state_dir) is None)
        assert not engine.state_dir.exists()


def test_heartbeats_come_each_second_and_the_end_is_noticed(engine: EngineProcess) -> None:
    beats: list[Heartbeat] = []
    with engine.client.events(after=10**6) as stream, pytest.raises(EngineDownError):
        for item in stream:
            assert isinstance(item, Heartbeat)
            beats.append(item)
            if len(beats) == 3:
                os.kill(engine.pid, signal.SIGKILL)
    assert beats[1].stamp - beats[0].stamp < 3.0
    assert beats[2].seq == 1
    assert beats[2].loop_lag >= 0.0
    assert beats[2].trouble == ""


def test_a_stream_can_be_closed_from_another_thread(shared_engine: EngineProcess) -> None:
    stream = shared_engine.client.events()
    seen: list[Any] = []
    reader = threading.Thread(target=lambda: seen.extend(stream))
    reader.start()
    wait_for(lambda: seen)
    stream.close()
    reader.join(5)
    assert not reader.is_alive()


def test_an_engine_that_says_nothing_is_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.client.calls.READ_TIMEOUT", 0.2)
    path = engine_socket(tmp_path / "state")
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()  # as one that is stopped: the kernel takes the call, and nobody answers
        assert find(tmp_path / "state") is None
        with pytest.raises(EngineSilentError, match=r"does not answer.*anomalies"):
            connect(tmp_path / "state")
    path.unlink()


def test_a_silent_engine_is_noticed_in_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.client.streams.STREAM_TIMEOUT", 0.3)
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def answer() -> None:
            link, _ = listening.accept()
            with link:
                link.recv(1000)
                link.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
                time.sleep(2)

        server = threading.Thread(target=answer)
        server.start()
        with (
            EngineClient(path).events() as stream,
            pytest.raises(EngineSilentError, match="anomalies"),
        ):
            next(stream)
        server.join()


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "said"),
    [
        ("GET", "/sessions/none/transcript", None, 404, "no session 'none'"),
        ("GET", "/sessions/none/verdicts", None, 404, "no session 'none'"),
        ("GET", "/events?after=-1", None, 400, "after = '-1' must be a whole number"),
        ("POST", "/stop", {"globs": []}, 400, "globs"),
        ("POST", "/stop", {"globs": ["x"]}, 404, "no session matches 'x'"),
        ("POST", "/runs", {}, 400, "needs a model"),
        ("POST", "/runs", {"agents": ["nop"], "colour": 1}, 400, "colour"),
        ("POST", "/runs", "nonsense", 400, "JSON object"),
    ],
)
def test_errors_name_what_is_wrong(
    shared_engine: EngineProcess, method: str, target: str, body: Any, status: int, said: str
) -> None:
    path = engine_socket(shared_engine.state_dir)

    class Link(http.client.HTTPConnection):
        def connect(self) -> None:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(str(path))

    link = Link("engine")
    link.request(method, target, None if body is None else json.dumps(body))
    answer = link.getresponse()
    error = json.loads(answer.read())["error"]
    link.close()
    assert (answer.status, said in error) == (status, True), error


def test_a_dry_run_creates_nothing(engine: EngineProcess, suite: Path, sandboxes: None) -> None:
    spec = {"suite": str(suite), "agents": ["nop"], "attempts": 3}
    made = engine.client.create_run(spec, dry_run=True)
    assert len(made["sessions"]) == 3
    assert made["forecast"]["open"] == 3
    assert made["forecast"]["cost"]["expected"] == 0.0  # no model is asked
    assert engine.client.state().runs == {}
    with pytest.raises(EngineRefusedError) as caught:
        engine.client.create_run({**spec, "tasks": ["missing"]})
    assert caught.value.status == 400
    assert "no task of" in str(caught.value)


async def test_reads_are_answered_while_the_sessions_loop_is_stuck(tmp_path: Path) -> None:
    journal = Journal(make_private(tmp_path / "state") / "journal.sqlite3")
    engine = Engine(tmp_path / "state", journal, Settings(), "1.2.3")
    path = runtime_dir() / f"{short_name(engine.state_dir)}.engine"
    api = Api(engine, path, "1.2.3")
    await api.start()
    answers: list[dict[str, Any]] = []
    answered = threading.Event()

    def read() -> None:
        client = EngineClient(path)
        answers.append(client.status())
        client.state()
        answered.set()

    async with asyncio.TaskGroup() as group:
        running = group.create_task(engine.run())
        reader = threading.Thread(target=read)
        reader.start()
        assert answered.wait(20)  # this blocks the loop on which sessions live
        reader.join()
        engine.end()
        await running
    await api.stop()
    journal.close()
    assert answers[0]["engine"]["version"] == "1.2.3"
