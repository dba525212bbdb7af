"""A model at a workbench without engine or sandbox: the real loop, transcript, meter and wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from engine import harnesses
from engine.agents.registry import make_agent
from engine.agents.toolbox import CommandOutput, FileTroubleError, Toolbox
from engine.clock import Clock
from engine.entries import Entry
from engine.events import AnyBody, Event, Limit, SessionCreated, VerdictGiven
from engine.harnesses import Harness
from engine.models.http import HttpClient
from engine.models.http_model import HttpModel
from engine.models.retry import RetryPolicy
from engine.models.types import Provider
from engine.oversight.trace import Trace
from engine.runs import budgets
from engine.runs.outcomes import Ending
from engine.session.gate import Gate as CallGate
from engine.session.live import Live
from engine.session.meter import Meter
from engine.session.workbench import Workbench
from engine.state import SessionState, State, reduce
from engine.storage.transcripts import Transcript
from tasks import load_task
from tests.engine.support import ChatServer, Reply, sse
from verifier.verdict import Gate, Seal, Verdict

MINUTES_PER_CALL = 10
Chunks = list[dict[str, Any]]


def changed(base: str = "minimal", **knobs: Any) -> Harness:
    """A harness with some knobs turned."""
    return msgspec.structs.replace(harnesses.load(base), **knobs)


def verdict(number: int, reward: float | None, gate: str | None = None) -> Verdict:
    """What the verifier says of the state after call `number`; `gate` is one that failed."""
    status = "not_judged" if reward is None else "zero" if gate else "scored"
    return Verdict(
        id=f"v{number}",
        task="count_down",
        task_hash="t",
        snapshot=f"{number}" * 64,
        stage="checkpoint",
        gates=(Gate(gate or "correct", gate is None, "the hidden input 4711 shows it"),),
        reward=reward,
        status=status,  # type: ignore[arg-type]  # one of the three above
        seal=Seal("full", "driver", True),
        reason="the hidden input 4711 shows it" if gate else "",
        seconds=1.0,
        at="",
    )


class Desk:
    """Echoes commands and keeps files in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"answer.txt": b"100\n"}
        self.ran: list[str] = []
        self.allowed: list[float] = []  # seconds
        self.pressed: list[tuple[str, str, float]] = []
        self.shown = "/app $ "
        self.silent = False
        self.answers: Callable[[str], str] = str

    async def press(self, name: str, keystrokes: str, seconds: float) -> None:
        if self.silent:
            raise FileTroubleError("the terminal did not answer")
        self.pressed.append((name, keystrokes, seconds))
        ran = keystrokes.rstrip("\n")
        self.shown += f"{ran}\nout of {ran}\n/app $ " if keystrokes.endswith("\n") else ran

    async def screen(self) -> bytes:
        if self.silent:
            raise FileTroubleError("the terminal did not answer")
        return self.shown.encode() + b"\n" * 40

    async def run(self, command_id: str, script: str, seconds: float) -> CommandOutput:
        self.ran.append(script)
        self.allowed.append(seconds)
        return CommandOutput(self.answers(script).encode(), 0, 1.0)

    async def result(self, command_id: str) -> CommandOutput | None:
        return None

    async def read(self, path: str) -> bytes:
        if path not in self.files:
            raise FileTroubleError(f"cannot read {path}: No such file or directory")
        return self.files[path]

    async def write(self, path: str, data: bytes) -> None:
        self.files[path] = data


@dataclass
class Seat:
    """A session of 2 hours: every call in the sandbox takes ten minutes of it.

    `verdicts[n]` come after call n (from 1), of the state that it left.
    """

    suite: Path
    folder: Path
    harness: Harness
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    budget: dict[str, Limit] = field(default_factory=lambda: {"active": Limit(hard=7200.0)})

    def __post_init__(self) -> None:
        self.now = 1000.0
        self.calls = 0
        self.recorded: list[AnyBody] = []
        self.waits: list[float] = []
        self.desk = Desk()
        self.clock = Clock(lambda: "b", lambda: self.now, lambda: 0.0)
        self.gate = CallGate(shut=False)
        self._state = State()
        created = SessionCreated(
            run="r",
            task="count_down",
            task_path=str(self.suite / "count_down"),
            task_hash="t",
            domain="puzzle_and_challenge",
            model="local/tiny",
            agent="tools",
            harness=self.harness.name,
            harness_hash=self.harness.hash,
            attempt=1,
            budget=self.budget,
        )
        self._fold(created)
        self.meter = Meter(self._fold, self.clock)
        self.meter.start()

    @property
    def facts(self) -> SessionState:
        return self._state.sessions["s"]

    def _fold(self, body: AnyBody) -> None:
        reduce(self._state, Event("e", self._state.seq + 1, 0.0, "b", self.now, "s", body))

    def record(self, body: AnyBody) -> Awaitable[object]:
        self.note(body)
        return asyncio.sleep(0)

    def note(self, body: AnyBody) -> None:
        self.recorded.append(body)
        self._fold(body)

    async def after_tool(self) -> None:
        at = self.facts.clocks.active("b", self.now)
        self.calls += 1
        self.now += 60.0 * MINUTES_PER_CALL
        if self.calls in self.verdicts:
            self._fold(VerdictGiven(verdict=self.verdicts[self.calls], active=at, wall=at))

    def verifying(self) -> bool:
        return False

    async def work(self, turns: Sequence[Chunks]) -> tuple[Ending, list[dict[str, Any]]]:
        """Let a model answer with these turns (the last one for ever); (ending, requests)."""

        def script(_: dict[str, Any], number: int) -> Reply:
            return Reply(sse(turns[min(number, len(turns) - 1)]), piece=4096)

        with ChatServer(script) as server:
            ending = await self.work_with(Provider("local", server.url))
            return ending, server.requests

    async def work_with(self, provider: Provider, policy: RetryPolicy | None = None) -> Ending:
        """Let a model of this provider work; what it waits for is over at once."""
        http = HttpClient()
        path = self.transcript

        async def at_once(seconds: float) -> None:
            self.waits.append(seconds)

        transcript = Transcript.open(
            path, self.note, self.clock, path.stat().st_size if path.exists() else 0
        )
        harness = self.harness
        try:
            bench = Workbench(
                task=load_task(self.suite / "count_down"),
                harness=harness,
                budget=budgets.in_words(self.budget),
                active_sec=7200.0,
                size="quick",
                services=self,
                transcript=transcript,
                toolbox=Toolbox(
                    self.desk,
                    harness.command_timeout_sec,
                    harness.command_timeout_max_sec,
                    harness.output_chars,
                ),
                meter=self.meter,
                model=HttpModel(http, provider, "tiny"),
                live=Live(),
                clock=self.clock,
                policy=policy or RetryPolicy(2),
                sleep=at_once,
                doing=Trace(None).of("s"),
            )
            return await make_agent(harness.loop).work(bench)
        finally:
            await http.close()

    @property
    def transcript(self) -> Path:
        return self.folder / "transcript.jsonl"

    def entries(self) -> list[Entry]:
        """The transcript, as it is on disk."""
        lines = self.transcript.read_bytes().splitlines()
        return [msgspec.json.decode(line) for line in lines]


def said(request: dict[str, Any], *roles: str) -> str:
    """What the messages of these roles (default: all) say, as it went over the wire."""
    chosen = [m for m in request["messages"] if not roles or m["role"] in roles]
    return json.dumps(chosen, ensure_ascii=False)
