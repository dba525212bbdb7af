"""What an engine was at, from its trace files alone: whether it lives is the kernel's word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from engine.clock import Clock
from engine.events import rfc3339
from engine.oversight.trace import (
    BEFORE,
    FILES,
    NOW,
    Head,
    Line,
    born,
    pid_namespace,
    process_fields,
)

ANOMALIES_SCHEMA = "autolab/anomalies/1"
_SILENT_SECONDS = 5.0  # a loop that ticks each second has stopped
_LATE_SECONDS = 1.0
_RECENT = 3600.0  # a loop that was late longer ago than this is listed and no more an anomaly
_SHOWN = 3  # of each kind
# Seconds after which an action of this kind is something to look at. A command, a wait and a
# verification have limits of their own, and a stream lasts as long as somebody looks.
_LONG: Mapping[str, float] = {
    "journal commit": 5.0,
    "snapshot": 60.0,
    "request": 30.0,
    "keeper call": 30.0,
    "model turn": 3600.0,
}
_UNBOUNDED_CALL = "run"

Life = Literal["running", "stopped", "ended", "dead", "rebooted", "unknown"]


class EngineTrace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The engine that wrote: `heard` is its last line, `silent` how many seconds ago that was."""

    pid: int
    version: str
    boot: str
    state: Life
    heard: str
    silent: float | None


class Flight(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that was begun and has not ended; `age` as of now, or of the engine's last line."""

    what: str
    session: str | None
    detail: str
    since: str
    age: float


class Done(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that has ended; `error` is the class of what broke it off, or null."""

    what: str
    session: str | None
    detail: str
    since: str
    seconds: float
    error: str | None


class Lag(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sessions' loop came round late; `where` it stood, when that is known."""

    since: str
    seconds: float
    where: str | None


class AnomaliesObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `engine anomalies --json` prints; `anomalies` in words, empty when all is well."""

    schema: str
    engine: EngineTrace
    in_flight: list[Flight]
    slowest: list[Done]
    lags: list[Lag]
    unwritten: int
    anomalies: list[str]


@dataclass
class _Told:
    """What the lines of one engine say."""

    head: Head
    open: dict[int, Line] = field(default_factory=dict)
    done: dict[int, Line] = field(default_factory=dict)
    stamp: float = 0.0
    ticked: float | None = None
    ended: bool = False

    def take(self, line: Line) -> None:
        self.stamp = max(self.stamp, line.stamp + line.seconds)
        if line.kind in ("tick", "lag"):
            self.ticked = max(self.ticked or 0.0, line.stamp + line.seconds)
        match line.kind:
            case "enter" if line.id not in self.done:
                self.open[line.id] = line
            case "leave" | "lag" | "stuck":
                self.open.pop(line.id, None)
                self.done[line.id] = line
            case "end":
                self.ended = True
            case _:
                pass


def read(
    state: Path, *, before: bool = False, clock: Clock | None = None
) -> AnomaliesObject | None:
    """What the engine of a state folder (or the one before it) was at; None without a trace.

    Raises `OSError` when the files are there and cannot be read.
    """
    told = _told(state / "trace" / (BEFORE if before else NOW))
    if told is None:
        return None
    return _object(told, clock or Clock())


def _told(folder: Path) -> _Told | None:
    """Both files of an engine, in the order in which they were written."""
    files = [found for name in FILES if (found := _lines(folder / name)) is not None]
    files.sort(key=lambda found: found[0].number)
    if not files:
        return None
    told = _Told(files[-1][0])
    for head, lines in files:
        told.stamp = max(told.stamp, head.stamp)
        begun = [line for line in lines[: head.open] if line.kind == "enter"]
        if len(begun) == head.open:
            told.open.clear()  # the file begins with all that was open
        for line in lines:
            told.take(line)
    return told


def _lines(file: Path) -> tuple[Head, list[Line]] | None:
    """The head of a file and its lines; None when it has none. What is torn is passed over."""
    try:
        first, *rest = file.read_bytes().split(b"\n")
    except FileNotFoundError:
        return None
    try:
        head = msgspec.json.decode(first, type=Head)
    except msgspec.MsgspecError:
        return None
    return head, list(_decoded(rest))


def _decoded(lines: list[bytes]) -> Iterator[Line]:
    decoder = msgspec.json.Decoder(Line)
    for line in lines:
        try:
            yield decoder.decode(line)
        except msgspec.MsgspecError:
            continue


def _object(told: _Told, clock: Clock) -> AnomaliesObject:
    head = told.head
    life = _life(told, clock)
    now = clock.now() if life in ("running", "stopped") else told.stamp
    same_boot = head.boot == clock.boot()

    def when(stamp: float) -> str:
        return rfc3339(head.wall + stamp - head.stamp)

    open_ = sorted(told.open.values(), key=lambda line: line.stamp)
    late = [line for line in told.done.values() if line.kind in ("lag", "stuck")]
    done = [line for line in told.done.values() if line.kind == "leave" and line.what != "stream"]
    late.sort(key=lambda line: -line.seconds)
    done.sort(key=lambda line: -line.seconds)
    return AnomaliesObject(
        schema=ANOMALIES_SCHEMA,
        engine=EngineTrace(
            pid=head.pid,
            version=head.version,
            boot=head.boot,
            state=life,
            heard=when(told.stamp),
            silent=round(max(0.0, clock.now() - told.stamp), 3) if same_boot else None,
        ),
        in_flight=[
            Flight(
                line.what,
                line.session or None,
                line.detail,
                when(line.stamp),
                round(max(0.0, now - line.stamp), 3),
            )
            for line in open_
        ],
        slowest=[
            Done(
                *(line.what, line.session or None, line.detail),
                *(when(line.stamp), line.seconds, line.error or None),
            )
            for line in _few_of_each(done)
        ],
        lags=[
            Lag(when(line.stamp), line.seconds, line.detail or None) for line in _few_of_each(late)
        ],
        unwritten=head.lost,
        anomalies=list(_anomalies(told, life, open_, late, now)),
    )


def _few_of_each(lines: list[Line]) -> list[Line]:
    counts: dict[str, int] = {}
    few = []
    for line in lines:
        counts[line.what] = counts.get(line.what, 0) + 1
        if counts[line.what] <= _SHOWN:
            few.append(line)
    return few


def _life(told: _Told, clock: Clock) -> Life:
    head = told.head
    if told.ended:
        return "ended"
    if head.boot != clock.boot():
        return "rebooted"
    if head.pids != pid_namespace():
        return "unknown"
    if born(head.pid) != head.born:
        return "dead"
    letter = process_fields(head.pid)[:1]
    if letter == [] or letter[0] in "ZX":
        return "dead"
    return "stopped" if letter[0] in "Tt" else "running"


def _anomalies(
    told: _Told, life: Life, open_: list[Line], late: list[Line], now: float
) -> Iterator[str]:
    pid = told.head.pid
    unended = f"{len(open_)} action{'' if len(open_) == 1 else 's'} in flight"
    match life:
        case "dead":
            yield f"the engine (pid {pid}) is gone and had not ended in good order: {unended}"
        case "rebooted":
            yield f"the machine was started anew while the engine (pid {pid}) ran: {unended}"
        case "stopped":
            yield f"the engine (pid {pid}) is stopped; `kill -CONT {pid}` lets it go on"
        case "unknown":
            yield f"whether the engine (pid {pid}) lives cannot be seen from this container"
        case _:
            pass
    recent = [line for line in late if line.stamp + line.seconds > now - _RECENT]
    where = next((f"; it stood in {line.detail}" for line in recent if line.detail), "")
    silent = 0.0 if told.ticked is None else now - told.ticked
    if life == "running" and silent > _SILENT_SECONDS:
        yield (
            f"the sessions' loop has not come round for {silent:.0f} s{where}; `kill -9 {pid}` "
            "ends the engine, and the next one takes its sessions up"
        )
    elif recent and recent[0].seconds > _LATE_SECONDS:
        yield f"the sessions' loop was up to {recent[0].seconds:.1f} s late{where}"
    if life in ("running", "stopped"):
        for line in open_:
            age = now - line.stamp
            long = _LONG.get(line.what)
            bounded = line.what != "keeper call" or line.detail != _UNBOUNDED_CALL
            if long is not None and age > long and bounded:
                whose = f" of {line.session}" if line.session else ""
                yield f"{line.what} {line.detail}{whose} has been in flight for {age:.0f} s"
    if told.head.lost:
        yield f"{told.head.lost} lines of the trace could not be written (a full disk?)"
