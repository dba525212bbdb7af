"""An engine at work in a process of its own, which says what its turns cost.

`python -m benchmarks.engine_process JSON` prints one JSON object when enough turns were made, and
ends without ceremony. The engine is put together as `engine.daemon` does it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec

from benchmarks.measuring import Spent, memory, spent
from benchmarks.sandboxes import NoKeeper
from benchmarks.script import ScriptedHttp
from engine.api.server import Api
from engine.cpus import usable
from engine.events import ToolFinished
from engine.garbage import look_less
from engine.journal import Journal
from engine.models.http import HttpClient
from engine.oversight.trace import Trace
from engine.paths import engine_socket, journal_file, keeper_socket, make_private, write_address
from engine.service.engine import Engine
from engine.service.keeping import Keepers
from engine.settings import Settings


class Work(msgspec.Struct, frozen=True):
    """What to do: `sessions` make `turns` each on average after `warm_up` turns each.

    `thinks` is how long the model takes in seconds. `server` is the base URL of a model server;
    without one the model is in this process. `sandboxes` says whether there are any. `noise` is
    how many small events a second are journalled beside all that.
    """

    state: str
    sessions: int
    turns: int
    warm_up: int = 3
    thinks: float = 0.0
    server: str | None = None
    sandboxes: bool = False
    noise: int = 0


class Turns:
    """Counts the turns and notes what was spent when enough were made."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._begin = work.sessions * work.warm_up
        self._end = self._begin + work.sessions * work.turns
        self._count = 0
        self._before: Spent | None = None
        self.floor = memory()
        self._found: asyncio.Future[Mapping[str, float]] = (
            asyncio.get_running_loop().create_future()
        )

    async def found(self) -> Mapping[str, float]:
        """The figures, once enough turns were made."""
        return await self._found

    def asked(self) -> float | None:
        """A model is asked."""
        self._count += 1
        if self._count == self._begin:
            self._before = spent()
        if self._count == self._end and self._before is not None:
            used = spent() - self._before
            made = self._end - self._begin
            self._found.set_result(
                {
                    "turns": made,
                    "cpu_ms_a_turn": 1000 * used.cpu / made,
                    "turns_a_second": made / used.wall,
                    "cpu_share": used.cpu / used.wall,
                    "floor_bytes": self.floor,
                    "bytes_a_session": (memory() - self.floor) / self._work.sessions,
                }
            )
        return self._work.thinks if self._count < self._end else None


class CountedHttp(HttpClient):
    """The real client; each request is counted."""

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self._turns = turns

    def stream(self, *values: Any, **named: Any) -> Any:
        """Count, then ask the server."""
        self._turns.asked()
        return super().stream(*values, **named)


async def _make_noise(journal: Journal, a_second: int, sessions: Sequence[str]) -> None:
    count, began = 0, monotonic()
    while True:
        await asyncio.sleep(0.01)
        due = int((monotonic() - began) * a_second)
        for number in range(count, due):
            body = ToolFinished(call=str(number), tool="noise", code=0, seconds=0.0)
            journal.put(body, sessions[number % len(sessions)])
        count = due


async def measure(work: Work) -> Mapping[str, float]:
    """Run an engine until the turns are made. Sessions are left where they stand."""
    cpus = usable()
    cpus.keep_off_measuring()
    state = make_private(Path(work.state))
    turns = Turns(work)
    http = CountedHttp(turns) if work.server else ScriptedHttp(turns.asked)
    trace = Trace(state / "trace")
    journal = Journal(journal_file(state), trace=trace)
    keepers = None
    if work.sandboxes:
        keepers = Keepers(state, keeper_socket(state), lambda _: None, trace)
    engine = Engine(
        state,
        journal,
        Settings(),
        "benchmark",
        cpus=cpus,
        trace=trace,
        keepers=keepers or NoKeeper(state),
        http=http,
    )
    path = engine_socket(state)
    api = Api(engine, path, "benchmark")
    await api.start()
    write_address(state, path)
    look_less()
    running = asyncio.create_task(engine.run())
    run = await engine.commands.create_run(
        {
            "tasks": ["rack_placement"],
            "models": ["scripted/model"],
            "providers": {"scripted": {"base_url": work.server or "http://127.0.0.1:9/v1"}},
            "attempts": work.sessions,
            "concurrency": work.sessions,
            "size": "quick",
            "budget": {"active": {"hard": 36000.0}},
        },
        dry_run=False,
    )
    turns.floor = memory()  # with everything imported and the run planned
    found = asyncio.create_task(turns.found())
    noise = asyncio.create_task(_make_noise(journal, work.noise, run["sessions"]))
    await asyncio.wait([running, found], return_when=asyncio.FIRST_COMPLETED)
    noise.cancel()
    if keepers is not None:
        await keepers.shutdown()
    return found.result()


async def main(work: Work) -> None:
    """Measure, print, and end at once: what is left over is the caller's to remove."""
    print(json.dumps(await measure(work)), flush=True)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Work)))
