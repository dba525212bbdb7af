"""The engine's way to its sandboxes: a connection to the keeper (`connecting` makes one).

The client sends heartbeats by itself. When the engine falls silent for two seconds the keeper
freezes every sandbox; only `thaw` lets them run again.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TypeVar

import msgspec

from verifier.sandbox.keeper import protocol
from verifier.sandbox.keeper.protocol import CommandResult, FileStat, Printed, SandboxInfo
from verifier.sandbox.spec import SandboxSpec, SandboxUnavailableError

T = TypeVar("T")
Around = Callable[[str, str], contextlib.AbstractContextManager[object]]
_ANSWER_PATIENCE = 30.0  # for a heartbeat; a keeper that is stuck must not hold its engine for ever


class KeeperError(RuntimeError):
    """The keeper could not do what was asked; the message says what and why."""


class KeeperLostError(KeeperError):
    """The connection to the keeper ended. Call `connecting.ensure_keeper` again."""


class SandboxGoneError(KeeperError):
    """No sandbox of this name is alive."""


class SandboxFrozenError(KeeperError):
    """The sandbox is frozen; thaw it first."""


class KeeperClient:
    """A connection to the keeper. All methods may be used concurrently.

    `on_silence` is called with the sandboxes that the keeper froze because this engine had been
    silent, once for each freezing, as soon as the engine is heard again. `around` is entered with
    each request's operation and sandbox ("" for none) and left when it is answered.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_silence: Callable[[Sequence[SandboxInfo]], None] | None = None,
        around: Around | None = None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._on_silence = on_silence
        self._around = around or _no_more
        self._waiting: dict[int, asyncio.Future[protocol.Reply]] = {}
        self._next = 0
        self._lost: str | None = None
        self._told: set[tuple[str, float | None]] = set()
        self._tasks = [
            asyncio.create_task(self._read(), name="keeper-replies"),
            asyncio.create_task(self._beat(), name="keeper-heartbeat"),
        ]
        for task in self._tasks:
            task.add_done_callback(self._ended)

    @property
    def connected(self) -> bool:
        """Whether requests can still be answered."""
        return self._lost is None

    async def create(self, sandbox_id: str, spec: SandboxSpec) -> SandboxInfo:
        """Start a sandbox, or leave a living one of this name as it is.

        Raises `SandboxUnavailableError` when this machine cannot isolate, `KeeperError` for a spec
        that cannot be met.
        """
        return await self._ask(protocol.Create(sandbox=sandbox_id, spec=spec), SandboxInfo)

    async def run(
        self,
        sandbox_id: str,
        command_id: str,
        script: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the keeper keeps the time, not this loop
        *,
        output_limit: int = protocol.OUTPUT_LIMIT,
        rate: int = 0,
    ) -> CommandResult:
        """Run a script in the sandbox's shell and wait for its end.

        A `command_id` that was used before starts nothing: it waits for that command, or answers
        at once with its result, also when the sandbox has ended since. `timeout` counts seconds in
        which the sandbox was not frozen. Cancelling the wait does not stop the command. A command
        waits while another one runs in the same sandbox. With a `rate` its output can be followed
        as it comes, up to that many bytes a second for long.

        Raises `SandboxFrozenError` for a new command in a frozen sandbox, `SandboxGoneError`,
        `KeeperLostError`.
        """
        body = protocol.Run(
            sandbox=sandbox_id,
            command=command_id,
            script=script,
            timeout=timeout,
            output_limit=output_limit,
            rate=rate,
        )
        return await self._ask(body, CommandResult)

    async def follow(
        self, sandbox_id: str, command_id: str, after: int, patience: float
    ) -> Printed:
        """What a command that has a `rate` printed beyond byte number `after`.

        Waits up to `patience` seconds (at most 60) for something to come; nothing comes of a
        command that was not begun yet. The newest mebibyte is kept.
        """
        body = protocol.Follow(
            sandbox=sandbox_id, command=command_id, after=after, patience=patience
        )
        return await self._ask(body, Printed)

    async def result(self, sandbox_id: str, command_id: str) -> CommandResult | None:
        """How a command of an earlier sandbox of this name ended, or None; starts nothing.

        One that was under way when its sandbox ended has no code.
        """
        return await self._ask(
            protocol.Result(sandbox=sandbox_id, command=command_id),
            CommandResult | None,  # type: ignore[arg-type]  # as in `stat`
        )

    async def read_file(
        self, sandbox_id: str, path: str, limit: int = protocol.FILE_LIMIT
    ) -> bytes:
        """A file's content as the sandbox's user sees it (at most 16 MiB).

        Raises `OSError` with the errno from inside (EFBIG beyond the limit), `SandboxFrozenError`.
        """
        return await self._ask(protocol.ReadFile(sandbox=sandbox_id, path=path, limit=limit), bytes)

    async def write_file(
        self, sandbox_id: str, path: str, content: bytes, mode: int | None = None
    ) -> None:
        """Create or replace a file (at most 16 MiB) and the folders above it.

        An existing file keeps its mode unless one is given. Raises `OSError` with the errno.
        """
        body = protocol.WriteFile(sandbox=sandbox_id, path=path, content=content, mode=mode)
        await self._ask(body, type(None))

    async def press(self, sandbox_id: str, name: str, keystrokes: str) -> None:
        """Press keys in the terminal of the sandbox's shell (at most 64 KiB).

        Text is typed as it stands, newlines as Enter; a text that is the name of one key (`C-c`,
        `Escape`) presses that. The same `name` again presses nothing, so that a request can be
        repeated. Raises `OSError` (EIO when the terminal had to be started anew, EFBIG),
        `SandboxFrozenError`.
        """
        body = protocol.Press(sandbox=sandbox_id, name=name, keystrokes=keystrokes)
        await self._ask(body, type(None))

    async def screen(self, sandbox_id: str) -> bytes:
        """What the terminal shows, with what has scrolled out of it. Raises as `press` does."""
        return await self._ask(protocol.Screen(sandbox=sandbox_id), bytes)

    async def attach(self, sandbox_id: str, columns: int, rows: int, *, write: bool) -> int:
        """Start a tmux client inside that shows the terminal to a person; its number.

        What it shows are an agent's bytes. Raises `OSError` (EUSERS when too many look, EINVAL for
        the size), `SandboxFrozenError`.
        """
        body = protocol.Attach(sandbox=sandbox_id, columns=columns, rows=rows, write=write)
        return await self._ask(body, int)

    async def look(self, viewer: int, wait: float) -> bytes | None:
        """What a client shows next (at most 64 KiB); empty when nothing came in `wait` seconds,
        None when it has ended. One look at a time. Nothing is read ahead.
        """
        body = protocol.Look(viewer=viewer, wait=wait)
        return await self._ask(body, bytes | None)  # type: ignore[arg-type]  # see `stat`

    async def keys(self, viewer: int, content: bytes) -> int:
        """Type into a client; how many of the bytes were taken. Raises `SandboxFrozenError`."""
        return await self._ask(protocol.Type(viewer=viewer, content=content), int)

    async def view(
        self,
        viewer: int,
        columns: int,
        rows: int,
        pan: protocol.Pan = "",
        by: int = 0,
    ) -> None:
        """Give a client another size, or show another part of the window; see `protocol.View`."""
        body = protocol.View(viewer=viewer, columns=columns, rows=rows, pan=pan, by=by)
        await self._ask(body, type(None))

    async def leave(self, viewer: int) -> None:
        """End a client. Unknown ones are fine."""
        await self._ask(protocol.Leave(viewer=viewer), type(None))

    async def stat(self, sandbox_id: str, path: str) -> FileStat | None:
        """What is at a path, or None. Raises `OSError` for anything but its absence."""
        return await self._ask(
            protocol.Stat(sandbox=sandbox_id, path=path),
            FileStat | None,  # type: ignore[arg-type]  # mypy has no type form for a union yet
        )

    async def freeze(self, sandbox_id: str) -> SandboxInfo:
        """Stop every process of the sandbox; `frozen_since` of the answer says since when."""
        return await self._ask(protocol.Freeze(sandbox=sandbox_id), SandboxInfo)

    async def thaw(self, sandbox_id: str) -> SandboxInfo:
        """Let the sandbox run again."""
        return await self._ask(protocol.Thaw(sandbox=sandbox_id), SandboxInfo)

    async def end(self, sandbox_id: str, grace: float) -> None:
        """Ask every process to end, and end those that have not after `grace` seconds; returns
        when none is left. Unknown names are fine."""
        await self._ask(protocol.End(sandbox=sandbox_id, grace=grace), type(None))

    async def kill(self, sandbox_id: str) -> None:
        """End every process of the sandbox; returns when none is left. Unknown names are fine."""
        await self._ask(protocol.Kill(sandbox=sandbox_id), type(None))

    async def greet(self) -> None:
        """Make sure that it answers: it may just be leaving. Raises `KeeperLostError`."""
        await self._answered(protocol.List())

    async def list(self) -> list[SandboxInfo]:
        """Every sandbox that this keeper has started, also those that ended."""
        return await self._ask(protocol.List(), list[SandboxInfo])

    async def shutdown(self) -> None:
        """End every sandbox and the keeper, and close this connection."""
        with contextlib.suppress(KeeperLostError):
            await self._ask(protocol.Shutdown(), type(None))
        await self.close()

    async def close(self) -> None:
        """Leave the keeper and its sandboxes alone; it freezes them two seconds from now."""
        self._lose("the connection was closed")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def __aenter__(self) -> KeeperClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _ask(self, body: protocol.AnyBody, kind: type[T]) -> T:
        if self._lost is not None:
            raise KeeperLostError(f"the keeper cannot be reached: {self._lost}")
        self._next += 1
        number = self._next
        frame = protocol.encode(protocol.Request(number, body))
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        operation = str(body.__struct_config__.tag)
        try:
            with self._around(operation, getattr(body, "sandbox", "")):
                self._writer.write(frame)
                await self._writer.drain()
                reply = await future
        except ConnectionError as error:
            raise KeeperLostError(f"the keeper cannot be reached: {error}") from error
        finally:
            self._waiting.pop(number, None)
        if reply.error is not None:
            raise _error(reply)
        return msgspec.convert(reply.result, kind)

    async def _read(self) -> None:
        while (data := await protocol.read_frame(self._reader)) is not None:
            reply = protocol.decode_reply(data)
            if reply.kind == "replaced":
                self._lose(reply.error or "another engine took over")
                return
            future = self._waiting.get(reply.id)
            if future is not None and not future.done():
                future.set_result(reply)
        self._lose("it closed the connection")

    async def _beat(self) -> None:
        while True:
            silenced = await self._answered(protocol.Heartbeat())
            fresh = [info for info in silenced if (info.id, info.frozen_since) not in self._told]
            self._told = {(info.id, info.frozen_since) for info in silenced}
            if fresh and self._on_silence is not None:
                self._on_silence(fresh)
            await asyncio.sleep(protocol.HEARTBEAT_SECONDS)

    async def _answered(self, body: protocol.Heartbeat | protocol.List) -> Sequence[SandboxInfo]:
        """The answer to what a keeper answers at once. Raises `KeeperLostError` when it is late."""
        try:
            async with asyncio.timeout(_ANSWER_PATIENCE):
                return await self._ask(body, list[SandboxInfo])
        except TimeoutError:
            peer = self._writer.get_extra_info("socket")
            found = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            pid, _, _ = struct.unpack("3i", found)
            raise KeeperLostError(
                f"the keeper (pid {pid}) has not answered for {_ANSWER_PATIENCE:.0f} s; if it does "
                f"not recover, end it with `kill -9 {pid}`, and its sandboxes are built anew"
            ) from None

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task that failed takes the connection with it, so that every caller hears of it."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._lose(str(error))

    def _lose(self, why: str) -> None:
        if self._lost is None:
            self._lost = why
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(KeeperLostError(f"the keeper cannot be reached: {why}"))


def _error(reply: protocol.Reply) -> Exception:
    text = reply.error or "the keeper gave no reason"
    match reply.kind:
        case "gone":
            return SandboxGoneError(text)
        case "frozen":
            return SandboxFrozenError(text)
        case "unavailable":
            return SandboxUnavailableError(text)
        case "file":
            return OSError(reply.errno, text)
        case _:
            return KeeperError(text)


def _no_more(operation: str, sandbox: str) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()
