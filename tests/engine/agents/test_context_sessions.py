"""Whole sessions that outgrow their model's window: a real engine, sandbox and verifier."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from engine.client import Heartbeat
from engine.events import ContextCompacted, Event, TurnFinished
from engine.models.types import Api
from tests.engine.support import EngineProcess, wait_for
from tests.support.model_server import Json, ModelServer, Say
from tests.support.strict_model import (
    CHARS_PER_TOKEN,
    Refusing,
    StrictModel,
    text_of,
    turns_of,
)

pytestmark = pytest.mark.usefixtures("sandboxes")
ROOT = Path(__file__).resolve().parents[3]
WINDOW = 8_000
OUTPUT = 9_000  # characters of each step
STEPS = 10 * WINDOW * CHARS_PER_TOKEN // OUTPUT + 1
DONE = re.compile(r"the number is now (\d+)")


def worker(body: Json) -> Say:
    """Lowers the number by one a step, from 100 on, and knows only what it reads."""
    read = text_of(turns_of(body))
    now = min((int(n) for n in DONE.findall(read)), default=100)
    if "Write the notes from which you will go on" in read:
        return Say(text=f"Best so far: the number is now {now}.", reasoning="What matters?")
    if now <= 100 - STEPS:
        return Say(text="That was all.", calls=(("end", "submit", {}),))
    # The number is told by the command's output alone: what the model asks for has no figure.
    command = (
        "read -r was < answer.txt; echo $((was - 1)) > answer.txt; "
        f"head -c {OUTPUT} /dev/zero | tr '\\0' .; echo; "
        "read -r is < answer.txt; echo the number is now $is"
    )
    return Say(text="On.", reasoning="Lower.", calls=((f"c{now}", "bash", {"command": command}),))


def events_of(engine: EngineProcess, session: str) -> list[Event]:
    found = []
    newest = engine.client.state().seq
    with engine.client.events() as events:
        for event in events:
            if isinstance(event, Heartbeat):
                continue
            if event.session == session:
                found.append(event)
            if event.seq >= newest:
                return found
    raise AssertionError("the stream of events ended")


def bodies(engine: EngineProcess, session: str, kind: type[Any]) -> list[Any]:
    return [e.body for e in events_of(engine, session) if isinstance(e.body, kind)]


def test_sessions_of_ten_windows_finish_and_outlive_their_engine(
    engine: EngineProcess, suite: Path
) -> None:
    ways: tuple[tuple[Api, Refusing], ...] = (("anthropic", "status"), ("responses", "stream"))
    models = {api: StrictModel(api, WINDOW, worker, how) for api, how in ways}
    with ExitStack() as stack:
        servers = {api: stack.enter_context(ModelServer(m)) for api, m in models.items()}
        made = engine.client.create_run(
            {
                "suite": str(suite),
                "size": "quick",
                "concurrency": 2,
                "models": [f"{api}-lab/tiny" for api in servers],
                "budget": {"active": {"hard": 600}},
                "providers": {
                    f"{api}-lab": {"base_url": server.url(api), "api": api}
                    for api, server in servers.items()
                },
            }
        )
        sessions = made["sessions"]
        wait_for(lambda: all(engine.session(s).compactions >= 2 for s in sessions), 120)
        engine.kill()
        engine.restart()
        state = engine.until_over(*sessions, seconds=180)

    for session, model in zip(sessions, models.values(), strict=True):
        facts = state.sessions[session]
        assert model.broken == []
        assert model.refused
        assert max(model.sizes) <= WINDOW
        assert facts.outcome not in ("context_exhausted", "infrastructure")
        assert facts.final_reward == pytest.approx(STEPS / 100)
        assert facts.compactions >= 5
        compacted = bodies(engine, session, ContextCompacted)
        assert {c.because for c in compacted} == {"overflow"}
        # Every turn was journalled and paid, those for notes too; a turn whose answer the killed
        # engine had not written down was asked again.
        paid = sum(b.usage.input for b in bodies(engine, session, TurnFinished))
        assert facts.usage.input == paid
        assert sum(model.sizes) - paid <= 2 * WINDOW
        entries = _entries(engine, session)
        said = sum(len(text_of(entry)) for entry in entries if entry["kind"] != "summary")
        assert said > 10 * WINDOW * CHARS_PER_TOKEN
        replaced = [e for e in entries if e["kind"] == "summary"]
        assert [e["n"] for e in replaced] == [c.entry for c in compacted]
        assert all(e["replaces"] == [2, e["n"] - 1] for e in replaced)
        shown = logs(engine, session)
        for entry in replaced:
            assert f"--- {entry['n']} summary in place of entries 2 to {entry['n'] - 1}: " in shown
            assert entry["notes"] in shown


def logs(engine: EngineProcess, session: str) -> str:
    """What `autolab logs` prints."""
    line = [sys.executable, "-P", "-m", "autolab_tui", "logs", session]
    env = {**os.environ, "AUTOLAB_STATE": str(engine.state_dir), "PYTHONPATH": str(ROOT)}
    return subprocess.run(line, env=env, capture_output=True, text=True, check=True).stdout


def _entries(engine: EngineProcess, session: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    read: Callable[..., dict[str, Any]] = engine.client.transcript
    while page := read(session, len(found), 200)["entries"]:
        found += page
    return found
