"""People attached to sessions' terminals.

Each has a tmux client inside the sandbox, started when nothing holds the session still. Only who
attached to write can type, and that is an intervention, journalled before the first key.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from engine.events import AnyBody, Intervened
from engine.session.workspace import Workspace
from engine.state import SessionState
from verifier.sandbox.keeper.client import KeeperError
from verifier.sandbox.keeper.protocol import Pan

MOST_KEYS = 64 * 1024  # bytes in one request
_LOOK_SECONDS = 1.0
_STILL_SECONDS = 0.25  # a hold for a snapshot is shorter, and not worth a word
_TYPING_SECONDS = 3.0
_FULL_SECONDS = 0.02


class TerminalRefusedError(RuntimeError):
    """A terminal cannot be shown or typed into now; the message says why and the remedy."""


class Look(msgspec.Struct, frozen=True):
    """What came of one look: bytes of an agent's, whether it is held and why, or why it is over."""

    data: bytes = b""
    still: str = ""
    over: str = ""


class Watched(Protocol):
    """What a terminal needs of its session."""

    @property
    def facts(self) -> SessionState:
        """What the journal says of it."""
        ...

    @property
    def workspace(self) -> Workspace | None:
        """Its sandbox, while it has one."""
        ...

    def record(self, body: AnyBody) -> Awaitable[object]:
        """Journal an event of this session. To be awaited: it is then durable."""
        ...


class _Terminal:
    def __init__(
        self, session: Watched, desk: Workspace, columns: int, rows: int, write: bool
    ) -> None:
        self.session = session
        self.desk = desk
        self.columns, self.rows, self.write = columns, rows, write
        self.viewer: int | None = None
        self.attaching: asyncio.Task[int] | None = None


class Terminals:
    """Everybody who is attached. Used on the sessions' loop only.

    `find` gives a session that has a slot, or None.
    """

    def __init__(self, find: Callable[[str], Watched | None]) -> None:
        self._find = find
        self._terminals: dict[int, _Terminal] = {}
        self._count = 0

    async def open(
        self, facts: SessionState, columns: int, rows: int, *, write: bool, by: str, why: str
    ) -> int:
        """Attach to a session; the number to look with. Raises `TerminalRefusedError`.

        A session that stands still is attached to as soon as it goes on.
        """
        session, desk = self._desk(facts)
        if write:
            await session.record(Intervened(what="attach", by=by, why=why))
        self._count += 1
        self._terminals[self._count] = _Terminal(session, desk, columns, rows, write)
        return self._count

    async def check(self, facts: SessionState) -> str:
        """Why a session stands still, or "". Raises `TerminalRefusedError`: it has no terminal."""
        session, desk = self._desk(facts)
        return _why_still(session.facts) if desk.still else ""

    def _desk(self, facts: SessionState) -> tuple[Watched, Workspace]:
        session = self._find(facts.id)
        if session is None or session.workspace is None or facts.state not in _ATTACHABLE:
            raise TerminalRefusedError(
                f"{facts.id} has no terminal ({_standing(facts)}); `autolab logs {facts.id}` shows "
                "what was said and done"
            )
        return session, session.workspace

    async def look(self, number: int) -> Look:
        """What is shown next, within about a second."""
        terminal = self._terminals.get(number)
        if terminal is None:
            return Look(over="it was closed")
        facts = terminal.session.facts
        if facts.state not in _ATTACHABLE:
            return Look(over=f"the session is over: {_standing(facts)}")
        try:
            return await self._look(terminal)
        except (KeeperError, OSError) as error:
            many = isinstance(error, OSError) and error.errno == errno.EUSERS
            why = "too many people look already" if many else "its sandbox does not answer"
            return Look(over=f"{why}: {error}")

    async def _look(self, terminal: _Terminal) -> Look:
        desk = terminal.desk
        viewer = await self._viewer(terminal)
        if viewer is None:
            return Look(still=_why_still(terminal.session.facts))
        if desk.still:
            await asyncio.sleep(_STILL_SECONDS)
        data = await desk.look(viewer, _LOOK_SECONDS)
        if data is None:
            return Look(over="the terminal in the sandbox ended; attach again")
        return Look(data, _why_still(terminal.session.facts) if desk.still and not data else "")

    async def _viewer(self, terminal: _Terminal) -> int | None:
        """The client inside, once it runs; it is started when nothing holds the session."""
        if terminal.viewer is None:
            if terminal.attaching is None:
                starting = terminal.desk.attach(
                    terminal.columns, terminal.rows, write=terminal.write
                )
                terminal.attaching = asyncio.ensure_future(starting)
            done, _ = await asyncio.wait({terminal.attaching}, timeout=_LOOK_SECONDS)
            if done:
                terminal.viewer = terminal.attaching.result()
        return terminal.viewer

    async def type(self, number: int, content: bytes) -> None:
        """Type what was attached to write. Raises `TerminalRefusedError`, `KeeperError`."""
        terminal = self._shown(number)
        if not terminal.write:
            raise TerminalRefusedError("it was attached to look; attach with --write to type")
        try:
            async with asyncio.timeout(_TYPING_SECONDS):
                while content:
                    taken = await terminal.desk.keys(terminal.viewer or 0, content)
                    content = content[taken:]
                    if content:
                        await asyncio.sleep(_FULL_SECONDS)
        except TimeoutError:
            raise TerminalRefusedError(
                f"{len(content)} bytes were not typed: the session stands still, or nothing in it "
                "reads them"
            ) from None

    async def view(self, number: int, columns: int, rows: int, pan: Pan, by: int) -> None:
        """Another size, or another part of the window. Raises as `type` does."""
        terminal = self._terminals.get(number)
        if terminal is not None and terminal.viewer is None:
            terminal.columns, terminal.rows = columns, rows
            return
        terminal = self._shown(number)
        try:
            async with asyncio.timeout(_TYPING_SECONDS):
                await terminal.desk.view(terminal.viewer or 0, columns, rows, pan, by)
        except TimeoutError:
            raise TerminalRefusedError("the session stands still") from None

    def _shown(self, number: int) -> _Terminal:
        terminal = self._terminals.get(number)
        if terminal is None or terminal.viewer is None:
            raise TerminalRefusedError(f"terminal {number} shows nothing; attach again")
        return terminal

    async def close(self, number: int) -> None:
        """Nobody looks there any more. Unknown numbers are fine."""
        terminal = self._terminals.pop(number, None)
        if terminal is None:
            return
        try:
            if terminal.attaching is not None and terminal.viewer is None:
                if not terminal.desk.still:  # it is on its way
                    await asyncio.wait({terminal.attaching}, timeout=_LOOK_SECONDS)
                terminal.attaching.cancel()
                terminal.viewer = await terminal.attaching
            if terminal.viewer is not None:
                await terminal.desk.leave(terminal.viewer)
        except (KeeperError, OSError, asyncio.CancelledError):
            return  # it was never there, or its sandbox has gone and the client with it


_ATTACHABLE = ("running", "paused", "queued")  # the last, when it has begun, for want of a slot


def _standing(facts: SessionState) -> str:
    reason = f", {facts.state_reason}" if facts.state == "paused" else ""
    return facts.outcome or f"{facts.state}{reason}"


def _why_still(facts: SessionState) -> str:
    if facts.pause is not None:
        return f"paused, {facts.pause}"
    if facts.clocks.state in ("paused", "frozen", "waiting"):
        return f"{facts.clocks.state}, {facts.clocks.reason or facts.clocks.cause}"
    return "held for a moment"
