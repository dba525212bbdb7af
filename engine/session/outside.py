"""An agent of somebody else's at work: its command in the sandbox, the model's API at its side.

What it prints goes into the transcript as it comes. The command belongs to the sandbox's keeper and
outlives the engine; the next one opens the same door again and goes on reading where the transcript
ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from engine.agents.launching import Exit, Launch
from engine.clock import Clock
from engine.entries import Entry
from engine.events import ActivityChanged
from engine.models.http_model import HttpModel
from engine.models.retry import RetryPolicy
from engine.oversight.trace import Doing
from engine.proxy.calls import Calls
from engine.proxy.door import Door, Guests
from engine.proxy.reception import Reception
from engine.proxy.still import Still
from engine.session.live import Live
from engine.session.meter import Meter
from engine.session.services import Services
from engine.session.workspace import Workspace
from engine.storage.transcripts import Transcript

RATE = 1024  # bytes of output a second that are kept for long
MOST_OUTPUT = 64 << 20  # characters of output in one session's transcript
_PATIENCE = 30.0
_PAUSE = 2.0  # seconds between two looks at what it prints
_ACTIVITY_CHARS = 100
_RELAY = "/usr/bin/python3 -I -S /run/autolab/relay.py"


class Outside:
    """Runs an agent's starts, one after the other."""

    def __init__(
        self,
        *,
        desk: Workspace,
        door: Door,
        model: HttpModel,
        services: Services,
        transcript: Transcript,
        live: Live,
        meter: Meter,
        clock: Clock,
        policy: RetryPolicy,
        doing: Doing,
    ) -> None:
        self._desk = desk
        self._door = door
        self._services = services
        self._transcript = transcript
        self._doing = doing
        self._still = Still(desk.held, meter)
        self._look = asyncio.Event()  # what was printed belongs before what is asked now
        self._calls = Calls(
            model=model,
            services=services,
            say=self._say,
            live=live,
            meter=meter,
            clock=clock,
            policy=policy,
            doing=doing,
            still=self._still,
            turns=sum(entry["kind"] == "assistant" for entry in transcript.entries),
            asking=self._look.set,
        )
        self._reception = Reception(model, self._calls)

    async def run(self, launch: Launch, again: bool) -> Exit:
        """Run a start to its end; `again`, join it or find it lost.

        Answers of the model that are on their way at its end are read to theirs. Raises
        `KeeperError` when the sandbox is gone, `ArgumentTooLongError`.
        """
        script = f"{_RELAY} && {launch.script()}"
        if again and not await self._desk.knows(launch.name):
            return Exit(None, "its sandbox was lost", self._made(launch), None, lost=True)
        listener = self._door.open()
        guests = Guests(self._door, self._reception.receive)
        try:
            async with asyncio.TaskGroup() as group:
                receiving = group.create_task(guests.welcome(listener, group))
                keeping = group.create_task(self._still.keep())
                code, note = await self._command(launch, script)
                receiving.cancel()
                await self._calls.finished()
                guests.send_away()
                keeping.cancel()
        except BaseExceptionGroup as broken:
            raise _first(broken) from broken
        finally:
            listener.close()
        return Exit(code, note, self._made(launch), self._calls.failed)

    async def _command(self, launch: Launch, script: str) -> tuple[int | None, str]:
        """The agent itself: (exit code, what there is to say of its end)."""
        await self._desk.write(launch.instruction_file, launch.text.encode("utf-8", "replace"))
        await self._services.record(ActivityChanged(activity="agent working"))
        with self._doing("command", launch.name):
            return await self._watched(launch, script)

    async def _watched(self, launch: Launch, script: str) -> tuple[int | None, str]:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(self._desk.launch(launch.name, script, RATE))
            told = [
                e["until"] for e in since(launch, self._transcript.entries) if e["kind"] == "output"
            ]
            await self._follow(launch.name, max(told, default=0), running)
        result = running.result()
        return result.code, result.note

    async def _follow(self, name: str, after: int, running: asyncio.Task[Any]) -> None:
        """Put what the command prints beyond byte `after` into the transcript, to its end."""
        room = MOST_OUTPUT
        room -= sum(len(e["text"]) for e in self._transcript.entries if e["kind"] == "output")
        while True:
            printed = await self._desk.follow(name, after, _PATIENCE)
            data = printed.data if printed.over else _whole_characters(printed.data)
            missed = printed.start - after
            if (data or missed) and room > 0:
                gap = f"[... {missed} bytes left out ...]\n" if missed else ""
                text = (gap + data.decode("utf-8", "replace"))[:room]
                room -= len(text)
                await self._say("output", text=text, until=printed.start + len(data))
                if room <= 0:
                    await self._say("note", text=f"more than {MOST_OUTPUT} characters of output")
                await self._show(text)
            after = printed.start + len(data)
            if printed.over or (running.done() and not data):
                return
            await self._pause(running)

    async def _pause(self, running: asyncio.Task[Any]) -> None:
        self._look.clear()
        looking = asyncio.ensure_future(self._look.wait())
        try:
            await asyncio.wait(
                (running, looking), timeout=_PAUSE, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            looking.cancel()

    async def _show(self, text: str) -> None:
        """The newest line is what the session does, unless its model is at work."""
        line = next((words for line in reversed(text.splitlines()) if (words := line.strip())), "")
        if line and not self._calls.under_way:
            await self._services.record(
                ActivityChanged(activity=f"agent: {line[:_ACTIVITY_CHARS]}")
            )

    def _made(self, launch: Launch) -> int:
        """How many answers of the model the start got."""
        return sum(
            entry["kind"] == "assistant" for entry in since(launch, self._transcript.entries)
        )

    async def _say(self, kind: str, **fields: Any) -> None:
        await self._transcript.add({"kind": kind, **fields})


def since(launch: Launch, entries: Sequence[Entry]) -> Sequence[Entry]:
    """The entries from that of a start on."""
    starts = (e["n"] for e in entries if e.get("about") == "start" and e["start"] == launch.number)
    return entries[next(starts, len(entries)) :]


def _first(broken: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first of the errors that ended a group of tasks."""
    first = broken.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _whole_characters(data: bytes) -> bytes:
    """Without the beginning of a character whose end is still to come."""
    for cut in range(1, min(4, len(data) + 1)):
        lead = data[-cut]
        if lead >= 0xC0:
            wanted = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
            return data[:-cut] if wanted > cut else data
        if lead < 0x80:
            break
    return data
