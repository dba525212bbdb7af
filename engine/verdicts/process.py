"""Running the verifier: one process for one snapshot, and a typed verdict whatever happens."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from engine.clock import Clock
from engine.cpus import Cpus, usable
from engine.events import rfc3339
from verifier.request import VerifyRequest, encode
from verifier.verdict import Seal, Verdict

_ROOT = Path(__file__).resolve().parents[2]
# The loader's path may lead to the GPU driver's library.
_KEPT = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"),
    "LD_LIBRARY_PATH",
)
_LINE_LIMIT = 64 << 20
_STDERR_KEPT = 4000
_DRAIN_SECONDS = 5.0
Phases = Callable[[str], object]


class VerifierFailedError(Exception):
    """The verifier's process gave no verdict; the message says what it said last."""


class VerifierProcess:
    """Starts `python -m verifier` (or another `command`) and reads what it prints."""

    def __init__(
        self, clock: Clock, command: Sequence[str] | None = None, cpus: Cpus | None = None
    ) -> None:
        self._clock = clock
        self._cpus = cpus or usable()
        self._command = command or (sys.executable, "-P", "-m", "verifier")

    async def judge(self, request: VerifyRequest, limit: float, phases: Phases) -> Verdict:
        """Judge one snapshot within `limit` seconds; a failure is tried once more.

        `phases` is called with the name of each phase ("build", "measure", ...) and with "" when
        the process has ended. Never raises for what the verifier does: the verdict then is
        `not_judged` with cause `verifier_error`.
        """
        started = self._clock.now()
        said = ""
        for _ in range(2):
            try:
                verdict = await self._once(request, limit, phases)
            except VerifierFailedError as error:
                said = str(error)
                continue
            finally:
                phases("")
            # A busy machine is waited out by whoever keeps the queue, while others go on.
            if verdict.status != "not_judged" or verdict.cause == "contention":
                return verdict
            said = ""
        if not said:
            return verdict
        return self._not_judged(request, said, self._clock.now() - started)

    async def _once(self, request: VerifyRequest, limit: float, phases: Phases) -> Verdict:
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        # After our own, what the engine was started with: PyCUDA may be found there.
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        with self._cpus.all_at_hand():  # the process is started on this thread
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**environment, "PYTHONPATH": path},
                start_new_session=True,
                limit=_LINE_LIMIT,
            )
        try:
            async with asyncio.timeout(limit), asyncio.TaskGroup() as group:
                errors = group.create_task(_tail(process.stderr))
                group.create_task(_send(process, encode(request)))
                verdict, problem = await _verdict(process.stdout, phases)
        except TimeoutError:
            raise VerifierFailedError(f"the verifier gave no verdict in {limit:.0f} s") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            code = await process.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(_DRAIN_SECONDS):
                    for pipe in (process.stdout, process.stderr):
                        await _drain(pipe)
        if problem:
            raise VerifierFailedError(f"the verifier's output is unreadable: {problem}")
        if verdict is None:
            words = errors.result().strip().splitlines()[-1:] or ["it printed nothing"]
            raise VerifierFailedError(f"the verifier ended with code {code}: {words[0]}")
        return verdict

    def _not_judged(self, request: VerifyRequest, reason: str, seconds: float) -> Verdict:
        return Verdict(
            id=f"v-{os.urandom(6).hex()}",
            session=request.session,
            task=Path(request.task).name,
            task_hash=request.task_hash or "",
            snapshot=request.snapshot or "",
            stage=request.stage,
            status="not_judged",
            cause="verifier_error",
            seal=Seal("single-uid", "driver", False, "the verifier did not finish"),
            reason=reason,
            seconds=round(seconds, 3),
            at=rfc3339(self._clock.wall()),
        )


async def _send(process: asyncio.subprocess.Process, data: bytes) -> None:
    if process.stdin is None:
        return
    # A verifier that ended early says why on stderr; that it did not read is no news.
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.close()


async def _verdict(
    stdout: asyncio.StreamReader | None, phases: Phases
) -> tuple[Verdict | None, str]:
    """The verdict among the lines, and what was unreadable in them."""
    verdict = None
    try:
        while stdout is not None and (line := await stdout.readline()):
            message = msgspec.json.decode(line, type=dict[str, Any])
            if "phase" in message:
                phases(str(message["phase"]))
            if "verdict" in message:
                if verdict is not None:
                    return None, "it gave two verdicts"
                verdict = msgspec.convert(message["verdict"], Verdict)
    except (ValueError, TypeError) as error:
        return None, str(error)
    return verdict, ""


async def _drain(pipe: asyncio.StreamReader | None) -> None:
    """Read to the end: only then does the loop let go of the pipe."""
    while pipe is not None and await pipe.read(1 << 16):
        pass


async def _tail(stderr: asyncio.StreamReader | None) -> str:
    kept = b""
    while stderr is not None and (piece := await stderr.read(4096)):
        kept = (kept + piece)[-_STDERR_KEPT:]
    return kept.decode("utf-8", "replace")
