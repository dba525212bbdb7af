"""What the engine's tests share: a small task, an engine process, a chat server with faults."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from engine.client import EngineClient, EngineDownError, Heartbeat, connect, find
from engine.events import Event
from engine.paths import keeper_socket
from engine.state import SessionState, State
from verifier import pins
from verifier.sandbox import places
from verifier.sandbox.keeper.client import KeeperLostError
from verifier.sandbox.keeper.connecting import connect as connect_keeper

TASK_TOML = """
schema_version = "1.4"
[task]
name = "count_down"
[agent]
timeout_sec = 60
[environment]
memory_mb = 512
[optimization]
metric = "count"
direction = "lower"
[optimization.baseline]
score = 100.0
[optimization.reference]
score = 20.0
[autolab]
domain = "puzzle_and_challenge"
editable = ["answer.txt"]
unit = ""
[autolab.driver]
kind = "data"
[autolab.sizes.quick]
params = {}
active_sec = 60
[autolab.sizes.full]
params = {}
[autolab.reward]
rule = "linear"
bound = 0.0
bound_reason = "No count is below zero."
[[autolab.gates]]
name = "correct"
description = "The answer is a whole number, 0 or more."
"""
JUDGE = """
def judge(files, params):
    text = files["answer.txt"].decode("utf-8", "replace").strip()
    good = text.isdigit()
    said = "a number" if good else "not a number"
    return {"gates": [("correct", good, said)], "metric": float(text) if good else None}
"""


def make_task(suite: Path, name: str = "count_down") -> Path:
    """A tiny task whose answer is a number: the smaller the better. Stages: 60, 40, 20."""
    task = suite / name
    (task / "environment" / "app").mkdir(parents=True)
    (task / "tests").mkdir()
    (task / "task.toml").write_text(TASK_TOML.replace("count_down", name))
    (task / "instruction.md").write_text("Make the number in answer.txt as small as you can.\n")
    (task / "environment" / "app" / "answer.txt").write_text("100\n")
    (task / "environment" / "app" / "notes.txt").write_text("The number counts.\n")
    (task / "tests" / "judge.py").write_text(JUDGE)
    for stage, value in (("01-less", 60), ("02-lesser", 40), ("03-least", 20)):
        folder = task / "solution" / "steps" / stage
        folder.mkdir(parents=True)
        (folder / "answer.txt").write_text(f"{value}\n")
        (folder / "README.md").write_text("A smaller number is better.\n")
    pins.write(task)
    return suite


def wait_for(check: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What `check` gives once it is true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{check} was still {found!r} after {seconds} s")
        time.sleep(0.05)


def kill_keeper(state: Path) -> None:
    """kill -9, with every sandbox, and wait until it is gone."""
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(keeper_socket(state)))
        size = struct.calcsize("3i")
        pid, _, _ = struct.unpack(
            "3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        )
    os.kill(pid, signal.SIGKILL)

    async def gone() -> bool:
        try:
            client = await connect_keeper(keeper_socket(state))
        except KeeperLostError:
            return True
        await client.close()
        return False

    wait_for(lambda: asyncio.run(gone()))


def lacks_sandbox() -> str:
    """Why no sandbox can be had here, or an empty string."""
    from verifier.sandbox import get_backend
    from verifier.sandbox.spec import SandboxUnavailableError

    try:
        get_backend().require()
    except SandboxUnavailableError as error:
        return str(error)
    return ""


class EngineProcess:
    """An engine of its own state folder, started and ended by a test."""

    def __init__(self, state: Path) -> None:
        self.state_dir = state
        self.client: EngineClient = connect(state)

    @property
    def pid(self) -> int:
        return int(self.client.engine()["pid"])

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: find(self.state_dir) is None)

    def restart(self) -> None:
        self.client = connect(self.state_dir)

    def session(self, session: str) -> SessionState:
        return self.client.state().sessions[session]

    def until_over(self, *sessions: str, seconds: float = 60.0) -> State:
        def over() -> State | None:
            state = self.client.state()
            done = all(s in state.sessions and state.sessions[s].over for s in sessions)
            return state if done else None

        state: State = wait_for(over, seconds)
        return state

    def close(self) -> None:
        if find(self.state_dir) is not None:
            self.client.shutdown()
        else:  # a test that killed it: a new one takes the keeper down in good order
            self.restart()
            self.client.shutdown()
        wait_for(lambda: find(self.state_dir) is None)


def everything(engine: EngineProcess) -> Iterator[Event]:
    """Every event so far."""
    newest = engine.client.state().seq
    with engine.client.events() as events:
        for event in events:
            if not isinstance(event, Heartbeat):
                yield event
                if event.seq >= newest:
                    return


@contextmanager
def running_engine(state: Path) -> Iterator[EngineProcess]:
    engine = EngineProcess(state)
    try:
        yield engine
    finally:
        try:
            engine.close()
        except EngineDownError as error:
            raise AssertionError(f"the engine could not be ended: {error}") from error
        places.remove_all(state)
        shutil.rmtree(state, ignore_errors=True)


def text_turn(text: str) -> list[dict[str, Any]]:
    """The chunks of an answer without tool calls."""
    return [
        {"choices": [{"delta": {"role": "assistant", "content": text}}]},
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        usage_chunk(),
    ]


def tool_turn(name: str, arguments: dict[str, Any], text: str = "") -> list[dict[str, Any]]:
    """The chunks of an answer with one tool call, its arguments in two pieces."""
    words = json.dumps(arguments)
    half = len(words) // 2
    first = {"index": 0, "id": "call", "function": {"name": name, "arguments": words[:half]}}
    rest = {"index": 0, "function": {"arguments": words[half:]}}
    return [
        {"choices": [{"delta": {"content": text, "tool_calls": [first]}}]},
        {"choices": [{"delta": {"tool_calls": [rest]}}]},
        {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]},
        usage_chunk(),
    ]


def usage_chunk() -> dict[str, Any]:
    return {
        "choices": [],
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 40},
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
    }


def sse(chunks: list[dict[str, Any]], done: bool = True) -> bytes:
    """Chunks as the bytes of a stream."""
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return "".join(lines + (["data: [DONE]\n\n"] if done else [])).encode()


@dataclass
class Reply:
    """One answer of the server: an error, or a stream cut into pieces, maybe broken off."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    piece: int = 7
    cut_at: int | None = None
    pause: float = 0.0


class ChatServer:
    """An OpenAI-compatible server on the loopback interface that answers by a script.

    `script` gets the request's body and its number (from 0) and returns a `Reply`. What was asked
    is kept in `requests`, with the headers in `headers`.
    """

    def __init__(self, script: Callable[[dict[str, Any], int], Reply]) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with lock:
                    number = len(outer.requests)
                    outer.requests.append({"path": self.path, **body})
                    outer.headers.append(dict(self.headers))
                reply = script(body, number)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.status != 200:
                    self.send_header("Content-Length", str(len(reply.body)))
                    self.end_headers()
                    self.wfile.write(reply.body)
                    return
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                end = len(reply.body) if reply.cut_at is None else reply.cut_at
                for at in range(0, end, reply.piece):
                    part = reply.body[at : min(at + reply.piece, end)]
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                    self.wfile.flush()
                    if reply.pause:
                        time.sleep(reply.pause)
                if reply.cut_at is None:
                    self.wfile.write(b"0\r\n\r\n")
                else:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients leave
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> ChatServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
