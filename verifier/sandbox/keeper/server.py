"""The keeper's side of the socket: who may ask, what is answered, and what silence means.

The newest engine to connect is the engine: one that was connected before is told so and its
connection is closed. (Two engines that live on one state directory are prevented by the engine's
own lock; what remains is an engine that was replaced while its socket still hung on.)
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from verifier.sandbox.bubblewrap import Bubblewrap
from verifier.sandbox.cgroups import FreezeError
from verifier.sandbox.keeper import inside, protocol
from verifier.sandbox.keeper.commands import BadNameError, CommandLog, check_name
from verifier.sandbox.keeper.protocol import (
    Attach,
    Create,
    End,
    Follow,
    Freeze,
    Heartbeat,
    Kill,
    Leave,
    List,
    Look,
    Press,
    ReadFile,
    Reply,
    Request,
    Result,
    Run,
    SandboxInfo,
    Screen,
    Shutdown,
    Stat,
    Thaw,
    Type,
    View,
    WriteFile,
)
from verifier.sandbox.keeper.sandboxes import FrozenError, GoneError, Sandbox
from verifier.sandbox.keeper.saying import say
from verifier.sandbox.keeper.viewers import Viewers
from verifier.sandbox.spec import SandboxUnavailableError

T = TypeVar("T")
_TICK = 0.1
_STALL = 0.5
_IDLE_SECONDS = 60.0


class Keeper:
    """All sandboxes of one engine.

    `prefix` begins the name of each one's control group; `path` is the listening socket's.
    """

    def __init__(self, state_dir: Path, path: Path, backend: Bubblewrap, prefix: str) -> None:
        self._path = path
        self._folder = state_dir / "keeper"
        self._backend = backend
        self._prefix = prefix
        self._files = inside.Files.read()
        self._sandboxes: dict[str, Sandbox] = {}
        self._viewers = Viewers(self._start)
        self._engine: asyncio.StreamWriter | None = None
        self._heard = time.monotonic()
        self._stop = asyncio.Event()
        self._tasks: asyncio.TaskGroup
        self._handlers: dict[type, Callable[[Any], Awaitable[Any]]] = {
            Attach: self._attach,
            Create: self._create,
            End: self._end,
            Follow: self._follow,
            Freeze: self._freeze,
            Heartbeat: self._heartbeat,
            Kill: self._kill,
            Leave: self._leave_viewer,
            List: self._list,
            Look: self._viewers.look,
            Press: self._press,
            ReadFile: self._read_file,
            Result: self._result,
            Run: self._run,
            Screen: self._screen,
            Shutdown: self._shutdown,
            Stat: self._stat,
            Thaw: self._thaw,
            Type: self._viewers.type,
            View: self._viewers.view,
            WriteFile: self._write_file,
        }

    def stop(self) -> None:
        """End everything; `serve` returns when it is done."""
        self._stop.set()

    async def serve(self, listener: socket.socket) -> None:
        """Answer on the listening socket until told to stop, or nobody has use for us."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            server = await asyncio.start_unix_server(self._on_connection, sock=listener)
            watch = tasks.create_task(self._watch_silence())
            try:
                await self._stop.wait()
            finally:
                self._leave()
                server.close()
                watch.cancel()
                await self._kill_all()
                if self._engine is not None:
                    self._engine.close()

    def _leave(self) -> None:
        """Nobody may find us from now on: whoever needs a keeper starts the next one."""
        self._path.unlink(missing_ok=True)

    async def _kill_all(self) -> None:
        for sandbox in self._sandboxes.values():
            await sandbox.kill()

    # silence

    async def _watch_silence(self) -> None:
        """Freeze every sandbox when the engine is silent; leave when there is nothing to keep."""
        last = time.monotonic()
        while True:
            await asyncio.sleep(_TICK)
            now = time.monotonic()
            stalled, last = now - last > _STALL, now
            if stalled:  # we were not running either: first read what has arrived meanwhile
                continue
            silent = now - self._heard
            if silent > protocol.SILENCE_SECONDS:
                for sandbox in self._sandboxes.values():
                    self._silence(sandbox)
            living = any(sandbox.alive for sandbox in self._sandboxes.values())
            if silent > _IDLE_SECONDS and not living:
                say("no engine and no sandbox: nothing to keep")
                self._leave()
                self.stop()

    def _silence(self, sandbox: Sandbox) -> None:
        try:
            sandbox.freeze("silence")
        except (FreezeError, TimeoutError, OSError) as error:
            say(f"{error}; the next tick tries again")

    # requests

    async def _on_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if _peer_uid(writer) not in (os.geteuid(), 0):
            say(f"refused a connection from uid {_peer_uid(writer)}")
            writer.close()
            return
        self._replace(writer)
        pending: set[asyncio.Task[None]] = set()
        try:
            async with asyncio.TaskGroup() as answers:
                while (data := await protocol.read_frame(reader)) is not None:
                    if self._engine is not writer:
                        break
                    self._heard = time.monotonic()
                    request = protocol.decode_request(data)
                    task = answers.create_task(self._answer(request, writer))
                    pending.add(task)
                    task.add_done_callback(pending.discard)
                for task in pending:  # nobody is left to hear the answers
                    task.cancel()
        except* ValueError as broken:
            say(f"a client broke the protocol: {broken.exceptions[0]}")
        finally:
            if self._engine is writer:
                self._engine = None
                await self._viewers.leave_all()
            writer.close()

    def _replace(self, writer: asyncio.StreamWriter) -> None:
        before, self._engine = self._engine, writer
        self._heard = time.monotonic()
        if before is not None:
            self._tasks.create_task(self._viewers.leave_all())
        if before is not None:
            text = "another engine connected to the keeper and took over"
            with contextlib.suppress(OSError):
                before.write(protocol.encode(Reply(0, error=text, kind="replaced")))
                before.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        try:
            reply = Reply(request.id, await self._handlers[type(request.body)](request.body))
        except GoneError as error:
            reply = Reply(request.id, error=str(error), kind="gone")
        except FrozenError as error:
            reply = Reply(request.id, error=str(error), kind="frozen")
        except SandboxUnavailableError as error:
            reply = Reply(request.id, error=str(error), kind="unavailable")
        except BadNameError as error:
            reply = Reply(request.id, error=str(error), kind="refused")
        except OSError as error:
            text = f"{error.strerror}: {error.filename}" if error.filename else str(error)
            reply = Reply(request.id, error=text, kind="file", errno=error.errno or 0)
        except Exception as error:  # the engine hears of it, whatever it is
            reply = Reply(request.id, error=f"{type(error).__name__}: {error}", kind="failed")
        with contextlib.suppress(ConnectionError):
            writer.write(protocol.encode(reply))
            await writer.drain()
        if isinstance(request.body, Shutdown):
            self.stop()

    async def _list(self, _: List) -> list[SandboxInfo]:
        return [sandbox.info() for sandbox in self._sandboxes.values()]

    async def _heartbeat(self, _: Heartbeat) -> list[SandboxInfo]:
        return [s.info() for s in self._sandboxes.values() if s.frozen_by == "silence"]

    async def _shutdown(self, _: Shutdown) -> None:
        """End every sandbox; the connection's task stops the keeper once this is answered."""
        self._leave()
        await self._kill_all()

    async def _read_file(self, body: ReadFile) -> bytes:
        limit = min(body.limit, protocol.FILE_LIMIT)
        _, data = await self._find(body.sandbox).ask("read", path=body.path, limit=limit)
        return data

    async def _write_file(self, body: WriteFile) -> None:
        if len(body.content) > protocol.FILE_LIMIT:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), body.path)
        sandbox = self._find(body.sandbox)
        await sandbox.ask("write", body.content, path=body.path, mode=body.mode)

    async def _press(self, body: Press) -> None:
        data = body.keystrokes.encode("utf-8", "replace")
        if len(data) > protocol.KEYS_LIMIT:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), "keystrokes")
        await self._find(body.sandbox).ask("press", data, name=check_name("press", body.name))

    async def _screen(self, body: Screen) -> bytes:
        _, data = await self._find(body.sandbox).ask("screen")
        return data

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return self._tasks.create_task(work)

    async def _attach(self, body: Attach) -> int:
        return await self._viewers.attach(self._find(body.sandbox), body)

    async def _leave_viewer(self, body: Leave) -> None:
        await self._viewers.leave(body.viewer)

    async def _stat(self, body: Stat) -> protocol.FileStat | None:
        return await self._find(body.sandbox).stat(body.path)

    async def _freeze(self, body: Freeze) -> SandboxInfo:
        sandbox = self._find(body.sandbox)
        sandbox.freeze("command")
        return sandbox.info()

    async def _thaw(self, body: Thaw) -> SandboxInfo:
        sandbox = self._find(body.sandbox)
        sandbox.thaw()
        return sandbox.info()

    async def _end(self, body: End) -> None:
        if body.sandbox in self._sandboxes:
            await self._sandboxes[body.sandbox].end(body.grace)

    async def _kill(self, body: Kill) -> None:
        if body.sandbox in self._sandboxes:
            await self._sandboxes[body.sandbox].kill()

    async def _create(self, body: Create) -> SandboxInfo:
        name = check_name("sandbox", body.sandbox)
        known = self._sandboxes.get(name)
        if known is not None and known.alive and not known.killed:
            return known.info()
        spec = inside.with_exec_server(body.spec, self._files, f"{self._prefix}{name}")
        sandbox = Sandbox(name, spec, self._backend, self._log(name), self._tasks)
        sandbox.start()
        self._sandboxes[name] = sandbox
        return sandbox.info()

    async def _run(self, body: Run) -> protocol.CommandResult:
        check_name("command", body.command)
        if body.sandbox not in self._sandboxes:
            found = self._log(check_name("sandbox", body.sandbox)).find(body.command)
            if found is not None:
                return found
        return await self._find(body.sandbox).run(body)

    async def _follow(self, body: Follow) -> protocol.Printed:
        return await self._find(body.sandbox).follow(body)

    async def _result(self, body: Result) -> protocol.CommandResult | None:
        check_name("command", body.command)
        log = self._log(check_name("sandbox", body.sandbox))
        return log.find(body.command) or log.cut_short(body.command)

    def _log(self, name: str) -> CommandLog:
        return CommandLog(self._folder / name)

    def _find(self, name: str) -> Sandbox:
        try:
            return self._sandboxes[name]
        except KeyError:
            raise GoneError(f"the keeper has no sandbox {name!r}") from None


def _peer_uid(writer: asyncio.StreamWriter) -> int:
    peer: socket.socket = writer.get_extra_info("socket")
    data = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid: int = struct.unpack("3i", data)[1]
    return uid
