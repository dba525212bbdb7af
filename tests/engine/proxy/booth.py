"""A session's calls without an engine or a sandbox: a real socket, a real server, a real journal's
fold."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.clock import Clock
from engine.events import AnyBody, ClockMoved, Event, Limit, SessionCreated, SessionPaused
from engine.models.http import HttpClient
from engine.models.http_model import HttpModel
from engine.models.retry import RetryPolicy
from engine.models.types import Api, KeySource, Provider
from engine.money import Price
from engine.oversight.trace import Trace
from engine.proxy.calls import Calls
from engine.proxy.door import Door, Guests
from engine.proxy.reception import Reception
from engine.proxy.still import Still
from engine.session.gate import Gate
from engine.session.live import Live
from engine.session.meter import Meter
from engine.state import SessionState, State, reduce
from tests.support.model_server import ModelServer
from verifier.inside.relay import NAME

CANARY = "sk-canary-42"


class Session:
    """What calls need of a session: events are folded at once, and kept."""

    def __init__(self, budget: dict[str, Limit]) -> None:
        self.events: list[AnyBody] = []
        self.entries: list[dict[str, Any]] = []
        self.looked = 0
        self.gate = Gate(shut=False)
        self._state = State()
        self._fold(
            SessionCreated(
                run="r",
                task="t",
                task_path="t",
                task_hash="t",
                domain="d",
                model="lab/tiny",
                agent="command",
                harness="h",
                harness_hash="h",
                attempt=1,
                budget=budget,
            )
        )

    @property
    def facts(self) -> SessionState:
        return self._state.sessions["s"]

    def _fold(self, body: AnyBody) -> None:
        self.events.append(body)
        reduce(self._state, Event("e", self._state.seq + 1, 0.0, "b", 0.0, "s", body))

    async def record(self, body: AnyBody) -> object:
        self._fold(body)
        if isinstance(body, SessionPaused):  # as a session does when it hears of it
            self.gate.shut()
        return None

    def note(self, body: AnyBody) -> None:
        self._fold(body)

    async def after_tool(self) -> None:
        self.looked += 1

    def verifying(self) -> bool:
        return False

    async def say(self, kind: str, **fields: Any) -> None:
        self.entries.append({"kind": kind, **fields})

    def told(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def notes(self) -> list[str]:
        return [entry["text"] for entry in self.entries if entry["kind"] == "note"]


@dataclass
class Answer:
    """What came back: status, headers in lower case, body; `whole` unless it was cut off."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Booth:
    """The open door of one session."""

    path: Path
    session: Session
    calls: Calls
    meter: Meter
    live: Live
    guests: Guests
    waits: list[bool]  # for each time that the clock began to wait: was the sandbox held?

    async def say(self, data: bytes, *, end: bool = False) -> Answer:
        """Send bytes, and read the answer to its end."""
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        try:
            writer.write(data)
            if end:
                writer.write_eof()
            return read(await reader.read())
        finally:
            writer.close()

    async def ask(
        self, path: str, body: Any, headers: dict[str, str] | None = None, method: str = "POST"
    ) -> Answer:
        return await self.say(request(path, body, headers, method))


async def until(holds: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what is waited for is on another thread, mostly
            await asyncio.sleep(0.01)


def request(
    path: str, body: Any, headers: dict[str, str] | None = None, method: str = "POST"
) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def read(data: bytes) -> Answer:
    """An HTTP answer; 100s before it are skipped."""
    if not data:
        return Answer(0, {}, b"", False)
    head, _, body = data.partition(b"\r\n\r\n")
    if b" 100 " in head.splitlines()[0]:
        return read(body)
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
    whole = True
    if headers.get("transfer-encoding") == "chunked":
        body, whole = _chunks(body)
    elif "content-length" in headers:
        whole = len(body) == int(headers["content-length"])
    return Answer(int(first.split()[1]), headers, body, whole)


def _chunks(data: bytes) -> tuple[bytes, bool]:
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        if size == b"0":
            return body, True
        body, data = body + data[: int(size, 16)], data[int(size, 16) + 2 :]
    return body, False


@asynccontextmanager
async def booth(
    folder: Path,
    server: ModelServer,
    api: Api = "chat",
    *,
    budget: dict[str, Limit] | None = None,
    attempts: int = 3,
    key: str | None = CANARY,
    uid: int | None = None,
    provider: Callable[[Provider], Provider] = lambda same: same,
) -> AsyncIterator[Booth]:
    """An open door to a model of this server."""
    session = Session(budget or {"active": Limit(hard=1e9)})
    clock = Clock(lambda: "b", asyncio.get_running_loop().time, lambda: 0.0)
    holds, waits = 0, []

    def moved(body: ClockMoved) -> None:
        session.note(body)
        if body.to == "waiting":
            waits.append(holds > 0)

    @asynccontextmanager
    async def held() -> AsyncIterator[None]:
        nonlocal holds
        holds += 1
        yield
        holds -= 1

    meter = Meter(moved, clock)
    live = Live()

    (folder / "key").write_text(key or "")
    source = KeySource(file=str(folder / "key")) if key else KeySource()
    chosen = provider(Provider("lab", server.url(api), source, api))
    http = HttpClient()
    still = Still(held, meter)
    model = HttpModel(http, chosen, "tiny", Price(input=1e6, output=1e6))
    calls = Calls(
        model=model,
        services=session,
        say=session.say,
        live=live,
        meter=meter,
        clock=clock,
        policy=RetryPolicy(attempts, first=0.01, longest=0.01),
        doing=Trace(None).of("s"),
        still=still,
        turns=0,
        asking=lambda: None,
    )
    door = Door(folder / "door", os.geteuid() if uid is None else uid)
    door.folder.mkdir()
    guests = Guests(door, Reception(model, calls).receive)
    meter.start()
    try:
        async with asyncio.TaskGroup() as group:
            with meter.command():
                tasks = [
                    group.create_task(guests.welcome(door.open(), group)),
                    group.create_task(still.keep()),
                ]
                yield Booth(door.folder / NAME, session, calls, meter, live, guests, waits)
            for task in tasks:
                task.cancel()
            guests.send_away()
    finally:
        await http.close()
