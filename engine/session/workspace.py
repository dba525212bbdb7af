"""One session's sandbox as the engine uses it: commands, files, and holding still.

The workspace is a folder on the host that only the sandbox's uid works in; it outlives the sandbox,
so that what a killed agent left can still be collected. Nothing in it is trusted.
"""

from __future__ import annotations

import asyncio
import errno
import posixpath
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

from engine.agents.launching import FOLDER, PROGRAM
from engine.agents.toolbox import WORKDIR, CommandOutput, FileTroubleError
from engine.session.editable import foreign
from engine.session.meter import Meter
from engine.session.place import Place
from tasks import Task
from verifier.gpus import looking
from verifier.gpus.access import NO_GPUS, Access
from verifier.inside import relay
from verifier.sandbox.keeper.client import KeeperClient, SandboxFrozenError, SandboxGoneError
from verifier.sandbox.keeper.protocol import Pan, Printed
from verifier.sandbox.spec import Limits, Mount, SandboxSpec, SandboxUnavailableError

T = TypeVar("T")
_WAIT_STEP = 0.25
_LOOK_SECONDS = 60.0
END_SECONDS = 10.0  # what processes have to end in, once they are asked to


def spec_for(
    session: str, task: Task, place: Place, cpu_set: tuple[int, ...], gpus: Access = NO_GPUS
) -> SandboxSpec:
    """The sandbox of a session: the task's limits, its workspace at /app, its `gpus`, and nothing
    else.

    But for an agent of somebody else's: it has the door to its model, and its program.
    """
    environment = task.config.environment
    mounts = [Mount(place.directory, WORKDIR, writable=True)]
    if place.door is not None:
        mounts.append(Mount(place.door, relay.FOLDER))
    if place.program is not None:
        mounts.append(Mount(place.program, PROGRAM))
    env: Mapping[str, str] = {}
    if not task.native:
        seen = foreign(task)
        mounts += seen.mounts
        env = seen.env
    spec = SandboxSpec(
        label=session,
        role="agent",
        slot=place.slot,
        mounts=tuple(mounts),
        scratch=() if place.door is None else (FOLDER,),
        workdir=WORKDIR,
        env=env,
        limits=Limits(
            memory_mb=environment.memory_limit_mb or Limits().memory_mb,
            cpu_set=cpu_set or None,
        ),
    )
    return gpus.grant(spec)


class Workspace:
    """The sandbox of one session, through the keeper. Used on the sessions' loop only.

    Methods raise `KeeperError` when the keeper or the sandbox is gone.
    """

    def __init__(
        self, keeper: KeeperClient, session: str, place: Place, task: Task, meter: Meter
    ) -> None:
        self._keeper = keeper
        self._id = session
        self._task = task
        self._meter = meter
        self._holders = 0
        self._order = asyncio.Lock()
        self._free = asyncio.Event()
        self._free.set()
        self._over = False
        self.place = place

    async def create(self, cpu_set: tuple[int, ...], gpus: Access = NO_GPUS) -> None:
        """Start the sandbox.

        Raises `SandboxUnavailableError` when it does not have just the GPUs that it was given; it
        is ended then.
        """
        spec = await asyncio.to_thread(spec_for, self._id, self._task, self.place, cpu_set, gpus)
        await self._keeper.create(self._id, spec)
        if not gpus.uuids:
            return
        # Nothing of the agent's has run yet, so what this prints can be believed.
        name = f"devices-{secrets.token_hex(4)}"
        seen = await self._keeper.run(self._id, name, looking.SCRIPT, _LOOK_SECONDS)
        wrong = looking.problem(seen.output.decode(errors="replace"), gpus)
        if wrong is not None:
            await self._keeper.kill(self._id)
            raise SandboxUnavailableError(f"the sandbox of {self._id}: {wrong}")

    async def run(self, command_id: str, script: str, seconds: float) -> CommandOutput:
        """Run a script in the session's shell; the same id again joins the same command."""
        with self._meter.command():
            result = await self._when_free(
                lambda: self._keeper.run(self._id, command_id, script, seconds)
            )
        self._check_not_over()
        return CommandOutput(result.output, result.code, result.seconds, result.note)

    async def launch(self, name: str, script: str, rate: int) -> CommandOutput:
        """Run a script for as long as it takes; the same name again joins the same one.

        Its output can be followed, up to `rate` bytes a second for long.
        """
        with self._meter.command():
            result = await self._when_free(
                lambda: self._keeper.run(self._id, name, script, rate=rate)
            )
        self._check_not_over()
        return CommandOutput(result.output, result.code, result.seconds, result.note)

    def _check_not_over(self) -> None:
        if self._over:
            raise SandboxGoneError(f"the processes of {self._id} were ended")

    async def follow(self, name: str, after: int, patience: float) -> Printed:
        """What a launched script printed beyond byte number `after`; see `KeeperClient.follow`."""
        return await self._keeper.follow(self._id, name, after, patience)

    async def knows(self, name: str) -> bool:
        """Whether this very sandbox was asked before to run the script of this name."""
        return any(name in s.commands for s in await self._keeper.list() if s.id == self._id)

    async def result(self, command_id: str) -> CommandOutput | None:
        """How a command of an earlier sandbox ended or was cut short; None for one unknown."""
        result = await self._keeper.result(self._id, command_id)
        if result is None:
            return None
        return CommandOutput(result.output, result.code, result.seconds, result.note)

    async def press(self, name: str, keystrokes: str, seconds: float) -> None:
        """Press keys in the terminal and wait `seconds`, of which holds are no part.

        Raises `FileTroubleError`.
        """
        with self._meter.command():
            try:
                await self._when_free(lambda: self._keeper.press(self._id, name, keystrokes))
            except OSError as error:
                raise FileTroubleError(_of_the_terminal(error)) from error
            left = seconds
            while left > 0:
                await self._free.wait()
                await asyncio.sleep(min(left, _WAIT_STEP))
                left -= _WAIT_STEP

    async def screen(self) -> bytes:
        """What the terminal shows. Raises `FileTroubleError`."""
        try:
            return await self._when_free(lambda: self._keeper.screen(self._id))
        except OSError as error:
            raise FileTroubleError(_of_the_terminal(error)) from error

    async def read(self, path: str) -> bytes:
        """A file's content. Raises `FileTroubleError`."""
        inside = posixpath.join(WORKDIR, path)
        try:
            return await self._when_free(lambda: self._keeper.read_file(self._id, inside))
        except OSError as error:
            raise FileTroubleError(f"cannot read {path}: {error.strerror or error}") from error

    async def write(self, path: str, data: bytes) -> None:
        """Create or replace a file. Raises `FileTroubleError`."""
        inside = posixpath.join(WORKDIR, path)
        try:
            await self._when_free(lambda: self._keeper.write_file(self._id, inside, data))
        except OSError as error:
            raise FileTroubleError(f"cannot write {path}: {error.strerror or error}") from error

    async def _when_free(self, act: Callable[[], Awaitable[T]]) -> T:
        while True:
            await self._free.wait()
            try:
                return await act()
            except SandboxFrozenError:
                # A hold began between the look and the act; whoever holds it lets go again. If
                # nobody here does, the keeper froze it because this engine had been silent.
                if self._free.is_set():
                    await self._keeper.thaw(self._id)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Every process inside stands still; holds may overlap."""
        async with self._order:
            if self._holders == 0:
                self._free.clear()
                try:
                    await self._keeper.freeze(self._id)
                except BaseException:
                    self._free.set()
                    raise
            self._holders += 1
        try:
            yield
        finally:
            await asyncio.shield(self._let_go())

    async def _let_go(self) -> None:
        async with self._order:
            self._holders -= 1
            if self._holders == 0:
                try:
                    await self._keeper.thaw(self._id)
                finally:
                    self._free.set()

    @property
    def still(self) -> bool:
        """Whether it is held at the moment."""
        return not self._free.is_set()

    async def attach(self, columns: int, rows: int, *, write: bool) -> int:
        """Show the terminal to a person, as soon as nothing holds it; the viewer's number.

        Raises `OSError` when too many look already, or for a size that no terminal has.
        """
        return await self._when_free(
            lambda: self._keeper.attach(self._id, columns, rows, write=write)
        )

    async def look(self, viewer: int, wait: float) -> bytes | None:
        """What a viewer shows next; empty when nothing came in time, None when it has ended."""
        return await self._keeper.look(viewer, wait)

    async def keys(self, viewer: int, content: bytes) -> int:
        """Type into a viewer, as soon as nothing holds it; how many bytes were taken."""
        return await self._when_free(lambda: self._keeper.keys(viewer, content))

    async def view(self, viewer: int, columns: int, rows: int, pan: Pan, by: int) -> None:
        """Another size for a viewer, or another part of the window."""
        await self._when_free(lambda: self._keeper.view(viewer, columns, rows, pan, by))

    async def leave(self, viewer: int) -> None:
        """Nobody looks there any more."""
        await self._keeper.leave(viewer)

    async def thaw(self) -> None:
        """Let it run again after the keeper held it because the engine was silent."""
        if self._free.is_set():
            await self._keeper.thaw(self._id)

    async def end(self) -> None:
        """Ask every process inside to end, and insist after a while. What ran has no result."""
        self._over = True
        await self._keeper.end(self._id, END_SECONDS)

    async def kill(self) -> None:
        """End every process inside."""
        await self._keeper.kill(self._id)


def _of_the_terminal(error: OSError) -> str:
    if error.errno == errno.EFBIG:
        return "they are too many for one command; write a file in several steps"
    return (
        "the terminal did not answer, perhaps because of too many processes: all of them were "
        "ended and a new shell was started"
    )
