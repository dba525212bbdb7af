"""One agent sandbox as the keeper holds it: the process, the shell's commands, the freezer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Mapping
from typing import Literal

from verifier.sandbox.bubblewrap import Bubblewrap
from verifier.sandbox.keeper import inside
from verifier.sandbox.keeper.commands import Command, CommandLog
from verifier.sandbox.keeper.protocol import (
    LONGEST_PATIENCE,
    CommandResult,
    FileStat,
    Follow,
    Printed,
    Run,
    SandboxInfo,
)
from verifier.sandbox.keeper.questions import Questions
from verifier.sandbox.process import BubblewrapProcess
from verifier.sandbox.spec import Exit, SandboxSpec, SandboxUnavailableError

_READY_PATIENCE = 30.0
_END_PATIENCE = 15.0
_END_STEP = 0.02


class GoneError(RuntimeError):
    """The sandbox is not alive."""


class FrozenError(RuntimeError):
    """The sandbox is frozen, and nothing new can begin in it."""


class Sandbox:
    """A sandbox, its commands one after the other, and its files.

    When it ends without having been killed (the kernel ended it for want of memory, say), the next
    command starts it anew and its result says so. Used from the keeper's only thread.
    """

    def __init__(
        self,
        name: str,
        spec: SandboxSpec,
        backend: Bubblewrap,
        log: CommandLog,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self.name = name
        self.frozen_since: float | None = None
        self.frozen_by: Literal["command", "silence"] | None = None
        self.killed = False
        self._spec = spec
        self._backend = backend
        self._log = log
        self._tasks = tasks
        self._process: BubblewrapProcess | None = None
        self._channel: inside.Channel | None = None
        self._ready = asyncio.Event()
        self._gone = asyncio.Event()
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._turn = asyncio.Lock()
        self._current: Command | None = None
        self._commands: dict[str, Command] = {}
        self._questions = Questions()
        self._restarts = 0
        self.life = 0  # how often it was started
        self._note = ""
        self._cpu_before = 0.0

    @property
    def alive(self) -> bool:
        """Whether its processes exist."""
        return self._process is not None

    def start(self) -> None:
        """Start the process. Raises what `Bubblewrap.launch` raises."""
        outer, inner = inside.pair()
        complaints, stderr = os.pipe()
        try:
            self._process = self._backend.launch(
                self._spec, inside.ARGV, stderr=stderr, fds={inside.CHANNEL: inner.fileno()}
            )
        except BaseException:
            outer.close()
            os.close(complaints)
            raise
        finally:
            inner.close()
            os.close(stderr)
        self.life += 1
        self._ready, self._gone = asyncio.Event(), asyncio.Event()
        self._tasks.create_task(self._listen(self._process, outer))
        self._tasks.create_task(self._watch(self._process, complaints))

    async def _watch(self, process: BubblewrapProcess, complaints: int) -> None:
        """Notice the end of the process and clear up after it."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(process.pidfd, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(process.pidfd)
        try:
            self._note = _how_it_ended(process.wait(0), self.killed)
        except (SandboxUnavailableError, OSError) as error:
            self._note = str(error)
        inside.report(self.name, complaints)
        self._cpu_before += process.cpu_seconds() or 0.0
        self._process = None
        self.frozen_since = self.frozen_by = None
        self._thawed.set()
        self._gone.set()
        if self._channel is not None:
            self._channel.close()
        self._questions.fail(GoneError(f"sandbox {self.name}: {self._note}"))
        if self._current is not None:
            self._end(self._current, None, b"", 0, self._note)

    async def _listen(self, process: BubblewrapProcess, end: socket.socket) -> None:
        """Hear what comes from inside; the end of the conversation is the end of the sandbox."""
        channel = self._channel = await inside.Channel.over(end)
        try:
            while (frame := await channel.receive()) is not None:
                self._on_event(*frame)
        except inside.InsideError as error:
            self._note = str(error)
        process.kill()

    def _on_event(self, event: inside.Event, payload: bytes) -> None:
        current = self._current
        match event.event:
            case "ready":
                self._ready.set()
            case "output" if current is not None and event.command == current.name:
                self._log.append(current.name, current.take(payload))
            case "done" if current is not None and event.command == current.name:
                self._end(current, event.code, payload, event.omitted, event.note[:1000])
            case "reply":
                self._questions.settle(event, payload)

    def _end(
        self, command: Command, code: int | None, tail: bytes, omitted: int, note: str
    ) -> None:
        self._current = None
        self._log.end(command.name, command.finish(code, tail, omitted, note))

    # commands

    async def run(self, request: Run) -> CommandResult:
        """Run a command, or wait for the one of this name; see `KeeperClient.run`."""
        known = self._commands.get(request.command)
        if known is None:
            found = self._log.find(request.command)
            if found is not None:
                return found
            self._check_usable()
            known = Command(
                request.command,
                request.script,
                request.timeout,
                request.output_limit,
                rate=request.rate,
            )
            self._commands[request.command] = known
            # The command belongs to the keeper, not to the engine that asked for it.
            self._tasks.create_task(self._execute(known))
        await known.ended.wait()
        if known.result is None:
            raise GoneError(f"command {known.name} in sandbox {self.name} has no result")
        return known.result

    async def follow(self, request: Follow) -> Printed:
        """What a command has printed; see `KeeperClient.follow`."""
        command = self._commands.get(request.command)
        if command is None:  # the request to run it may still be on its way
            return Printed(request.after, b"", False)
        try:
            async with asyncio.timeout(min(request.patience, LONGEST_PATIENCE)):
                return await command.window.beyond(request.after, command.ended)
        except TimeoutError:
            return command.window.now(request.after, command.ended)

    def _check_usable(self) -> None:
        if self.killed:
            raise GoneError(f"sandbox {self.name} was killed")
        if self.frozen_since is not None:
            raise FrozenError(f"sandbox {self.name} is frozen (by {self.frozen_by}): thaw it first")

    async def _execute(self, command: Command) -> None:
        async with self._turn:
            try:
                self._log.begin(command.name)
                if not self.alive and not self.killed:
                    command.notes.append(f"{self._note} and was started anew before this command")
                    self.start()
                    self._restarts += 1
                await self._begin(command)
            except Exception as error:  # whatever went wrong is this command's result
                if command.result is None:
                    self._end(command, None, b"", 0, f"it could not be started: {error}")
                return
            await self._supervise(command)

    async def _begin(self, command: Command) -> None:
        await self._wait_ready()
        await self._thawed.wait()
        if self._channel is None or not self.alive:
            raise GoneError(f"sandbox {self.name}: {self._note}")
        self._current = command
        command.watch.start()
        header = {
            "op": "run",
            "command": command.name,
            "head": command.head_limit,
            "tail": command.tail_limit,
            "rate": command.rate,
        }
        await self._channel.send(header, command.script.encode(errors="surrogateescape"))

    async def _wait_ready(self) -> None:
        watch = asyncio.timeout(_READY_PATIENCE)
        async with watch:
            ready = asyncio.create_task(self._ready.wait())
            gone = asyncio.create_task(self._gone.wait())
            try:
                await asyncio.wait((ready, gone), return_when=asyncio.FIRST_COMPLETED)
            finally:
                ready.cancel()
                gone.cancel()
        if not self._ready.is_set():
            raise GoneError(f"sandbox {self.name}: {self._note}")

    async def _supervise(self, command: Command) -> None:
        """Keep the time limit, by the keeper's clock, and insist on the end."""
        while not command.ended.is_set():
            limit = command.timeout
            if limit is not None and command.interrupted:
                limit += _END_PATIENCE
            left = None if limit is None else limit - command.watch.seconds()
            if left is not None and left <= 0:
                await self._thawed.wait()
                if not command.interrupted:
                    command.interrupted = True
                    if self._channel is not None:
                        with contextlib.suppress(ConnectionError):
                            await self._channel.send({"op": "interrupt", "command": command.name})
                elif self._process is not None:
                    self._process.kill()
                    await command.ended.wait()
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await command.ended.wait()

    # files

    async def ask(
        self, operation: str, payload: bytes = b"", **arguments: object
    ) -> tuple[inside.Event, bytes]:
        """A file operation of the exec server. Raises `OSError` with the errno from inside."""
        try:
            return await self._ask(operation, payload, arguments)
        except GoneError:
            if self.killed:
                raise
            # It ended by itself, perhaps just now; each operation may be done twice.
            return await self._ask(operation, payload, arguments)

    async def _ask(
        self, operation: str, payload: bytes, arguments: Mapping[str, object]
    ) -> tuple[inside.Event, bytes]:
        self._check_usable()
        if not self.alive:
            self.start()
            self._restarts += 1
        await self._wait_ready()
        return await self._answered(operation, payload, arguments)

    async def ask_in(
        self, life: int, operation: str, payload: bytes = b"", **arguments: object
    ) -> tuple[inside.Event, bytes]:
        """Like `ask`, of what exists in one life of the sandbox; it is not started anew."""
        self._check_usable()
        if self.alive and self.life == life:
            await self._wait_ready()
        self._check_life(life)
        return await self._answered(operation, payload, arguments)

    async def tell_in(self, life: int, operation: str, **arguments: object) -> None:
        """Like `ask_in`, without an answer; a sandbox that is frozen hears it later."""
        self._check_life(life)
        if self._channel is not None:
            with contextlib.suppress(ConnectionError):
                await self._channel.send({"op": operation, "number": 0, **arguments})

    def _check_life(self, life: int) -> None:
        if not self.alive or self.life != life:
            raise GoneError(f"sandbox {self.name}: {self._note or 'it has ended'}")

    async def _answered(
        self, operation: str, payload: bytes, arguments: Mapping[str, object]
    ) -> tuple[inside.Event, bytes]:
        if self._channel is None:
            raise GoneError(f"sandbox {self.name}: {self._note}")
        try:
            event, data = await self._questions.ask(self._channel, operation, payload, arguments)
        except ConnectionError as error:
            await self._gone.wait()
            raise GoneError(f"sandbox {self.name}: {self._note or error}") from error
        if event.errno:  # whatever it is, the connection is well: so not above
            raise OSError(event.errno, os.strerror(event.errno), str(arguments.get("path")))
        return event, data

    async def stat(self, path: str) -> FileStat | None:
        """What is at a path inside."""
        event, _ = await self.ask("stat", path=path)
        return event.described()

    # the freezer

    def freeze(self, by: Literal["command", "silence"]) -> None:
        """Stop every process; the time from now on is in no command's seconds."""
        if self._process is None or self.frozen_since is not None:
            return
        self._process.freeze()
        self.frozen_since, self.frozen_by = time.clock_gettime(time.CLOCK_BOOTTIME), by
        self._thawed.clear()
        if self._current is not None:
            self._current.watch.stop()

    def thaw(self) -> None:
        """Let it run again."""
        if self._process is None or self.frozen_since is None:
            return
        self._process.thaw()
        self.frozen_since = self.frozen_by = None
        self._thawed.set()
        if self._current is not None:
            self._current.watch.start()

    async def end(self, grace: float) -> None:
        """Ask its processes to end, and insist after `grace` seconds; returns when none is left."""
        process, deadline = self._process, time.monotonic() + grace
        self.killed = True  # nothing begins any more
        if process is not None:
            process.ask_to_end()
            self.thaw()
            while (  # noqa: ASYNC110 - processes that are not ours tell nobody of their end
                self.alive and time.monotonic() < deadline and process.ending()
            ):
                await asyncio.sleep(_END_STEP)
        await self.kill()

    async def kill(self) -> None:
        """End it for good; returns when no process is left."""
        self.killed = True
        if self._process is not None:
            self._process.kill()
            await self._gone.wait()

    def info(self) -> SandboxInfo:
        """For the engine."""
        cpu = self._process.cpu_seconds() if self._process is not None else 0.0
        return SandboxInfo(
            id=self.name,
            alive=self.alive,
            frozen=self.frozen_since is not None,
            frozen_since=self.frozen_since,
            frozen_by=self.frozen_by,
            running=None if self._current is None else self._current.name,
            commands=tuple(self._commands),
            cpu_seconds=None if cpu is None else self._cpu_before + cpu,
            restarts=self._restarts,
            note=self._note,
            namespace=None if self._process is None else self._process.namespace,
        )


def _how_it_ended(exit_: Exit, killed: bool) -> str:
    if killed:
        return "the sandbox was killed"
    if exit_.out_of_memory:
        return "the sandbox ended because it was out of memory"
    return f"the sandbox ended (exit status {exit_.code})"
