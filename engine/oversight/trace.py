"""What is in flight, in a small file that can be read when the engine is wedged or dead.

Every action of the engine writes a line when it begins and one when it ends. The lines go to the
kernel at once and are never synced, so that they survive the end of the process, not of the
machine. Two files take turns: when one is full the other is begun anew, with what is still in
flight and the slowest actions so far at its head. Nothing here raises for the disk: what cannot be
written is counted, and the next line that can be is preceded by everything still in flight.

`engine.offline.trace` reads the files, without the engine.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import shutil
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol

import msgspec

from engine.clock import Clock

LIMIT = 4 << 20  # bytes in each of the two files, beside what a file begins with
FILES = ("0.jsonl", "1.jsonl")
NOW, BEFORE = "now", "before"  # the folder of this engine, and of the one before it
_DETAIL = 200
_SLOWEST = 8  # of each kind
_LAG_SECONDS = 0.05
_TICK_SECONDS = 1.0
_RETRY_SECONDS = 1.0

Kind = Literal["enter", "leave", "tick", "lag", "stuck", "end"]


class Head(msgspec.Struct, frozen=True):
    """The first line of a file: whose it is, its number, and how many lines of what was open then.

    `born` is the process's start time in the kernel's ticks, which tells it from another one with
    its number; `stamp` and `wall` are one moment on both clocks.
    """

    number: int
    pid: int
    born: int
    boot: str
    pids: int
    version: str
    stamp: float
    wall: float
    open: int
    lost: int


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """Any other line. `stamp` is CLOCK_BOOTTIME; of a `leave` it is when the action had begun."""

    kind: Kind
    stamp: float
    id: int = 0
    what: str = ""
    session: str = ""
    detail: str = ""
    seconds: float = 0.0
    error: str = ""


class Doing(Protocol):
    """`with doing(what, detail):` around an action of one session."""

    def __call__(self, what: str, detail: str = "") -> AbstractContextManager[None]:
        """The action is in flight until the block ends."""
        ...


class Trace:
    """The trace of one engine. Its methods may be called from any thread.

    Without a folder it writes nothing.
    """

    def __init__(
        self,
        folder: Path | None,
        version: str = "",
        clock: Clock | None = None,
        limit: int = LIMIT,
    ) -> None:
        self._folder = folder and folder / NOW
        self._version = version
        self._clock = clock or Clock()
        self._limit = limit
        self._order = threading.Lock()
        self._file: int | None = None
        self._number = 0
        self._room = 0
        self._lost = 0
        self._behind = False  # whether something of what is in flight is in no file
        self._retry = 0.0
        self._ids = 0
        self._open: dict[int, Line] = {}
        self._slowest: dict[str, list[tuple[float, int, Line]]] = {}
        self._shown = 0.0
        self.ticked = time.monotonic()
        if folder is not None:
            _make_way(folder)
            self._begin()

    def doing(self, what: str, session: str = "", detail: str = "") -> AbstractContextManager[None]:
        """An action that is in flight until the block ends, however it ends."""
        return _Action(self, what, session, detail)

    def of(self, session: str) -> Doing:
        """`doing` for the actions of one session."""

        def doing(what: str, detail: str = "") -> AbstractContextManager[None]:
            return _Action(self, what, session, detail)

        return doing

    def tick(self, lag: float) -> None:
        """The sessions' loop came round, `lag` seconds late."""
        self.ticked = time.monotonic()
        now = self._clock.now()
        if lag >= _LAG_SECONDS:
            self._finished(Line("lag", now - lag, what="lag", seconds=round(lag, 4)))
        elif now - self._shown >= _TICK_SECONDS:
            self._write(Line("tick", now))
        else:
            return
        self._shown = now

    def stuck(self, seconds: float, where: str) -> None:
        """The sessions' loop has not come round for so long; `where` it stands, in words."""
        line = Line("stuck", self._clock.now() - seconds, what="stuck", seconds=round(seconds, 3))
        self._finished(msgspec.structs.replace(line, detail=where))

    def close(self) -> None:
        """The engine ends in good order."""
        self._write(Line("end", self._clock.now()))
        with self._order:
            if self._file is not None:
                os.close(self._file)
            self._file = self._folder = None

    def _enter(self, what: str, session: str, detail: str) -> int:
        with self._order:
            self._ids += 1
            number = self._ids
            stamp = self._clock.now()
            line = Line("enter", stamp, number, what, session, detail[:_DETAIL])
            self._open[number] = line
            self._put(line)
        return number

    def _leave(self, number: int, error: str) -> None:
        with self._order:
            line = self._open.pop(number)
            seconds = round(self._clock.now() - line.stamp, 6)
            line = Line(
                *("leave", line.stamp, number, line.what, line.session, line.detail),
                *(seconds, error),
            )
            self._remember(line)
            self._put(line)

    def _finished(self, line: Line) -> None:
        with self._order:
            self._ids += 1
            line = msgspec.structs.replace(line, id=self._ids)
            self._remember(line)
            self._put(line)

    def _write(self, line: Line) -> None:
        with self._order:
            self._put(line)

    def _remember(self, line: Line) -> None:
        slowest = self._slowest.setdefault(line.what, [])
        if len(slowest) < _SLOWEST:
            heapq.heappush(slowest, (line.seconds, line.id, line))
        elif line.seconds > slowest[0][0]:
            heapq.heapreplace(slowest, (line.seconds, line.id, line))

    # files; the order is held

    def _put(self, line: Line) -> None:
        if self._folder is None:
            return
        data = _encoded(line)
        if self._behind and time.monotonic() < self._retry:
            self._lost += 1
            return
        if self._behind or len(data) > self._room:
            self._begin()
        if self._behind:
            return
        if self._file is None or not _whole(self._file, data):
            self._fall_behind()
        self._room -= len(data)

    def _begin(self) -> None:
        """Begin the other file, with what a reader needs of the one that it replaces."""
        if self._folder is None:
            return
        if self._file is not None:
            os.close(self._file)
            self._file = None
        kept = list(self._open.values())
        head = Head(
            number=self._number + 1,
            pid=os.getpid(),
            born=born(os.getpid()) or 0,
            boot=self._clock.boot(),
            pids=pid_namespace(),
            version=self._version,
            stamp=self._clock.now(),
            wall=self._clock.wall(),
            open=len(kept),
            lost=self._lost,
        )
        kept += [line for known in self._slowest.values() for _, _, line in known]
        data = b"".join([_encoded(head), *map(_encoded, kept)])
        path = self._folder / FILES[head.number % 2]
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        except OSError:
            self._fall_behind()
            return
        if not _whole(self._file, data):
            self._fall_behind()
            return
        self._number, self._room, self._behind = head.number, self._limit, False

    def _fall_behind(self) -> None:
        self._lost += 1
        self._behind, self._retry = True, time.monotonic() + _RETRY_SECONDS


class _Action:
    """One action, as a context manager; a class, since a generator costs three times as much."""

    __slots__ = ("_detail", "_number", "_session", "_trace", "_what")

    def __init__(self, trace: Trace, what: str, session: str, detail: str) -> None:
        self._trace = trace
        self._what, self._session, self._detail = what, session, detail
        self._number = 0

    def __enter__(self) -> None:
        self._number = self._trace._enter(self._what, self._session, self._detail)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._trace._leave(self._number, "" if kind is None else kind.__name__)


def _encoded(line: Head | Line) -> bytes:
    try:
        return msgspec.json.encode(line) + b"\n"
    except UnicodeEncodeError:  # half a character in what was asked of us
        return ascii(line).encode() + b"\n"


def _whole(file: int, data: bytes) -> bool:
    try:
        return os.write(file, data) == len(data)
    except OSError:
        return False


def _make_way(folder: Path) -> None:
    """What the engine before this one left is kept until the next one comes."""
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        if (folder / NOW).is_dir():
            shutil.rmtree(folder / BEFORE, ignore_errors=True)
            (folder / NOW).replace(folder / BEFORE)
        (folder / NOW).mkdir(mode=0o700)


def born(pid: int) -> int | None:
    """When a process started, in the kernel's ticks since boot; None when there is none."""
    fields = process_fields(pid)
    return int(fields[19]) if fields else None


def process_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: state, parent, ...; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].decode().split()
    except OSError:
        return []


def pid_namespace() -> int:
    """Which pid namespace this process's numbers belong to."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0
