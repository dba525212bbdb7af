"""People who look at sandboxes' terminals: one tmux client inside for each, read on demand.

Nothing is read that was not asked for, so that a terminal that prints without end fills one pty
and no memory. What comes from inside is an agent's; it is cut to the limit and passed on as bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import Callable
from typing import Any

from verifier.sandbox.keeper import protocol
from verifier.sandbox.keeper.sandboxes import FrozenError, GoneError, Sandbox

_MOST = 8  # of one sandbox
_MOST_TYPED = 64 * 1024
_LONGEST_LOOK = 30.0

_Answer = bytes | Exception


class Viewer:
    """One client in one life of a sandbox."""

    def __init__(self, name: int, sandbox: Sandbox) -> None:
        self.name = name
        self.sandbox = sandbox
        self.life = sandbox.life
        self.question: asyncio.Task[_Answer] | None = None

    async def ask(self, operation: str, payload: bytes = b"", **arguments: object) -> Any:
        """Ask inside, in the life in which the client was started."""
        return await self.sandbox.ask_in(
            self.life, operation, payload, viewer=self.name, **arguments
        )

    async def answer(self) -> _Answer:
        """What it shows next, or why nothing will come. Never raises."""
        try:
            _, data = await self.ask("look")
        except (GoneError, FrozenError, OSError) as error:
            return error
        return bytes(data[: protocol.LOOK_LIMIT])


class Viewers:
    """All of one keeper. `start` runs a coroutine that never raises."""

    def __init__(self, start: Callable[[Any], asyncio.Task[Any]]) -> None:
        self._start = start
        self._viewers: dict[int, Viewer] = {}
        self._count = 0

    async def attach(self, sandbox: Sandbox, body: protocol.Attach) -> int:
        """Start a client; its number. Raises as `Sandbox.ask` does."""
        if sum(viewer.sandbox is sandbox for viewer in self._viewers.values()) >= _MOST:
            raise OSError(errno.EUSERS, os.strerror(errno.EUSERS), "viewers")
        self._count += 1
        viewer = Viewer(self._count, sandbox)
        self._viewers[viewer.name] = viewer
        try:
            await viewer.ask("attach", columns=body.columns, rows=body.rows, write=body.write)
        except BaseException:
            self._viewers.pop(viewer.name, None)
            raise
        return viewer.name

    async def look(self, body: protocol.Look) -> bytes | None:
        """What it shows next, at most `LOOK_LIMIT` bytes; empty when nothing came in time.

        None when the client has ended, and is forgotten.
        """
        viewer = self._find(body.viewer)
        question = viewer.question = viewer.question or self._start(viewer.answer())
        await asyncio.wait({question}, timeout=min(max(body.wait, 0.0), _LONGEST_LOOK))
        if not question.done() or viewer.question is not question:
            return b""
        answer, viewer.question = question.result(), None
        if isinstance(answer, FrozenError):
            await asyncio.sleep(min(body.wait, 0.1))
            return b""
        if answer and isinstance(answer, bytes):
            return answer
        await self.leave(body.viewer)
        return None

    async def type(self, body: protocol.Type) -> int:
        """Type what is taken of these bytes; how many that were."""
        viewer = self._find(body.viewer)
        event, _ = await viewer.ask("type", body.content[:_MOST_TYPED])
        return max(0, min(len(body.content), event.code or 0))

    async def view(self, body: protocol.View) -> None:
        """Another size, or another part of the window."""
        viewer = self._find(body.viewer)
        await viewer.ask(
            "view", columns=body.columns, rows=body.rows, pan=body.pan, by=min(body.by, 1000)
        )

    async def leave(self, name: int) -> None:
        """End a client. Unknown ones are fine."""
        viewer = self._viewers.pop(name, None)
        if viewer is None:
            return
        # Said to a sandbox that stands still, it is heard when it goes on.
        with contextlib.suppress(GoneError, OSError):
            await viewer.sandbox.tell_in(viewer.life, "leave", viewer=name)

    async def leave_all(self) -> None:
        """The engine has gone: nobody looks any more."""
        for name in tuple(self._viewers):
            await self.leave(name)

    def _find(self, name: int) -> Viewer:
        try:
            return self._viewers[name]
        except KeyError:
            raise GoneError(f"nobody is attached as {name}") from None
