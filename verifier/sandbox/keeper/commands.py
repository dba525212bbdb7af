"""Commands and what is kept of them on disk, so that a restarted engine can ask again."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from verifier.sandbox.keeper.protocol import WINDOW, CommandResult, Printed
from verifier.sandbox.keeper.saying import say

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class BadNameError(ValueError):
    """A sandbox or command has a name that cannot be a file's."""


def check_name(kind: str, name: str) -> str:
    """The name, when it can be used as a file name. Raises `BadNameError`."""
    if not _NAME.fullmatch(name):
        raise BadNameError(
            f"{kind} {name!r}: use letters, digits, '.', '_' and '-', at most 100, "
            "the first a letter or digit"
        )
    return name


class Stopwatch:
    """Seconds since the start, leaving out pauses."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._elapsed = 0.0
        self._since: float | None = None

    def start(self) -> None:
        """Go on counting."""
        if self._since is None:
            self._since = self._now()

    def stop(self) -> None:
        """Count no more until `start`."""
        if self._since is not None:
            self._elapsed += self._now() - self._since
            self._since = None

    def seconds(self) -> float:
        """What was counted so far."""
        running = 0.0 if self._since is None else self._now() - self._since
        return self._elapsed + running


class Window:
    """The newest output of a command, for whoever follows it."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._start = 0
        self._news = asyncio.Event()

    def take(self, data: bytes) -> None:
        """More output."""
        self._data += data
        excess = len(self._data) - WINDOW
        if excess > 0:
            del self._data[:excess]
            self._start += excess
        self.stir()

    def stir(self) -> None:
        """Let whoever waits look again."""
        self._news.set()

    async def beyond(self, after: int, ended: asyncio.Event) -> Printed:
        """What comes after byte number `after`; waits until there is something or it ended."""
        while self._start + len(self._data) <= after and not ended.is_set():
            self._news.clear()
            await self._news.wait()
        return self.now(after, ended)

    def now(self, after: int, ended: asyncio.Event) -> Printed:
        """What there is after byte number `after`."""
        start = max(after, self._start)
        return Printed(start, bytes(self._data[start - self._start :]), ended.is_set())


class Command:
    """One command, from being asked for to its result."""

    def __init__(
        self, name: str, script: str, timeout: float | None, output_limit: int, *, rate: int
    ) -> None:
        self.name = name
        self.script = script
        self.timeout = timeout
        self.rate = rate
        self.window = Window()
        self.head_limit = output_limit // 2
        self.tail_limit = output_limit - self.head_limit
        self.head = bytearray()
        self.watch = Stopwatch()
        self.interrupted = False
        self.notes: list[str] = []
        self.ended = asyncio.Event()
        self.result: CommandResult | None = None

    def take(self, data: bytes) -> bytes:
        """Output as it comes; more than was agreed is dropped. Returns what was kept."""
        if self.rate:
            self.window.take(data)
        kept = data[: self.head_limit - len(self.head)]
        self.head += kept
        return kept

    def finish(self, code: int | None, tail: bytes, omitted: int, note: str) -> CommandResult:
        """Make the result."""
        self.watch.stop()
        output = bytes(self.head)
        if omitted > 0:
            output += b"\n[... %d bytes left out ...]\n" % omitted
        output += tail[: self.tail_limit]
        if self.interrupted:
            self.notes.append(f"the time limit of {self.timeout:g} s was reached")
        if note:
            self.notes.append(note)
        self.result = CommandResult(
            code=None if self.interrupted else code,
            output=output,
            omitted=max(0, omitted),
            timed_out=self.interrupted,
            seconds=self.watch.seconds(),
            note="; ".join(self.notes),
        )
        self.ended.set()
        self.window.stir()
        return self.result


class _Kept(msgspec.Struct):
    """A result on disk; its output lies beside it."""

    code: int | None
    omitted: int
    timed_out: bool
    seconds: float
    note: str


class CommandLog:
    """The results of one sandbox's commands: `NAME.out` and `NAME.json` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, name: str) -> None:
        """A command starts."""
        with self._survive():
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self._folder / f"{name}.out").write_bytes(b"")

    def append(self, name: str, data: bytes) -> None:
        """Output came; it can be read while the command runs."""
        with self._survive(), (self._folder / f"{name}.out").open("ab") as file:
            file.write(data)

    def end(self, name: str, result: CommandResult) -> None:
        """Keep the result."""
        kept = _Kept(result.code, result.omitted, result.timed_out, result.seconds, result.note)
        with self._survive():
            (self._folder / f"{name}.out").write_bytes(result.output)
            beside = self._folder / f"{name}.new"
            beside.write_bytes(msgspec.json.encode(kept))
            beside.replace(self._folder / f"{name}.json")

    @contextlib.contextmanager
    def _survive(self) -> Iterator[None]:
        """A full disk costs the copy on disk, not the command and not the keeper."""
        try:
            yield
        except OSError as error:
            say(f"cannot write below {self._folder}: {error}")

    def find(self, name: str) -> CommandResult | None:
        """A result from before, or None. A command without one never ended."""
        with contextlib.suppress(OSError, msgspec.DecodeError):
            kept = msgspec.json.decode((self._folder / f"{name}.json").read_bytes(), type=_Kept)
            return CommandResult(
                code=kept.code,
                output=(self._folder / f"{name}.out").read_bytes(),
                omitted=kept.omitted,
                timed_out=kept.timed_out,
                seconds=kept.seconds,
                note=kept.note,
            )
        return None

    def cut_short(self, name: str) -> CommandResult | None:
        """What a command that never ended had printed; None for one that never began."""
        try:
            output = (self._folder / f"{name}.out").read_bytes()
        except OSError:
            return None
        note = "it was under way when its sandbox ended, and may have been carried out in part"
        return CommandResult(code=None, output=output, note=note)

    def names(self) -> tuple[str, ...]:
        """Every command that has a result."""
        return tuple(sorted(path.stem for path in self._folder.glob("*.json")))
