"""A journal with a long past: runs of sessions whose turns, tools and verdicts follow a script.

The events are those that a session of the tools loop really writes, in its order and about its
size, and they go through `Journal.append`. The past is written by an engine of a boot before, so
that the clocks that it left open count nothing.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.clock import Clock
from engine.events import (
    ActivityChanged,
    AnyBody,
    ClockMoved,
    EngineStarted,
    Limit,
    RunCreated,
    SessionCreated,
    SessionEnded,
    SessionMoved,
    SnapshotTaken,
    ToolFinished,
    ToolStarted,
    TranscriptGrew,
    TurnFinished,
    TurnStarted,
    Usage,
    VerdictGiven,
    VerificationStarted,
)
from engine.journal import Journal
from verifier.verdict import Gate, Interval, Metric, Seal, Speedup, Verdict

_TURN_SECONDS = 20.0
_SESSIONS_OF_A_RUN = 100
_BOOT = "00000000-0000-4000-8000-000000000000"
_BYTES_A_TURN = 3000


@dataclass(frozen=True, slots=True)
class Past:
    """How much has happened: at least `events`, in `sessions`.

    All but the last `open` sessions are over, as many as an engine has at work at once.
    """

    events: int
    sessions: int
    open: int
    turns_a_verdict: int = 8


def write_past(path: Path, past: Past) -> Journal:
    """Write it to a journal that is not there yet; all of it is durable when it is returned."""
    clock = _Time()
    journal = Journal(path, Clock(lambda: _BOOT, lambda: clock.now, lambda: 1.7e9 + clock.now))
    last = journal.append(EngineStarted(version="0", pid=1, host="past"))
    for clock.now, session, body in _story(past):
        last = journal.append(body, session)
        if clock.count % 4096 == 0:
            last.result()  # so that no more than this waits in memory
        clock.count += 1
    last.result()
    return journal


class _Time:
    now = 0.0
    count = 0


def _story(past: Past) -> Iterator[tuple[float, str | None, AnyBody]]:
    names: list[str] = []
    for first in range(0, past.sessions, _SESSIONS_OF_A_RUN):
        run = f"r{first // _SESSIONS_OF_A_RUN:03d}"
        members = tuple(
            f"{run}-{n:03d}" for n in range(min(_SESSIONS_OF_A_RUN, past.sessions - first))
        )
        names += members
        yield (
            0.0,
            None,
            RunCreated(run=run, sessions=members, spec={"size": "quick", "attempts": 1}),
        )
        for name in members:
            yield 0.0, name, _created(run)
    written, now, turn = len(names), 0.0, 0
    for name in names:
        yield now, name, SessionMoved(state="preparing")
        yield now, name, SessionMoved(state="running")
        yield now, name, ClockMoved(to="working", moment=now)
    while written < past.events:
        turn += 1
        for name in names:
            for body in _turn(turn, now, past.turns_a_verdict):
                yield now, name, body
                written += 1
        now += _TURN_SECONDS
    for name in names[: -past.open]:
        yield now, name, ClockMoved(to="stopped", moment=now)
        yield now, name, SessionMoved(state="verifying", reason="agent: submitted")
        yield now, name, _verdict(turn, now, "final")
        ended = "the agent submitted with budget left"
        outcome = SessionEnded(ended_by="agent", outcome="ended", evidence=ended, final_reward=0.5)
        yield now, name, outcome
        yield now, name, SessionMoved(state="finished")


def _turn(turn: int, now: float, turns_a_verdict: int) -> Iterator[AnyBody]:
    """One turn with one command; now and then a snapshot and its verdict."""
    size = turn * _BYTES_A_TURN
    yield ActivityChanged(activity="generating")
    yield TurnStarted(turn=turn)
    usage = Usage(input=900, cached=12_000, output=350, reasoning=120, turns=1, cost=0.0123)
    yield TurnFinished(turn=turn, usage=usage, seconds=12.345, stop_reason="tool_calls")
    yield TranscriptGrew(start=size, end=size + 1500, entries=2 * turn + 2)
    yield ToolStarted(call=f"call_{turn:08d}", tool="bash", summary="make -j2 && ./bench --quick")
    yield TranscriptGrew(start=size + 1500, end=size + _BYTES_A_TURN, entries=2 * turn + 3)
    yield ToolFinished(call=f"call_{turn:08d}", tool="bash", code=0, seconds=6.789)
    if turn % turns_a_verdict == 0:
        snapshot = f"{turn:064x}"
        yield SnapshotTaken(snapshot=snapshot, files=("median.c",), size=4096, active=now)
        yield VerificationStarted(snapshot=snapshot, stage="checkpoint")
        yield _verdict(turn, now, "checkpoint")


def _verdict(turn: int, now: float, stage: str) -> VerdictGiven:
    samples = tuple(0.1234 + 0.0001 * n for n in range(12))
    verdict = Verdict(
        id=f"v-{turn:012x}",
        task="median_filter",
        task_hash="0" * 64,
        snapshot=f"{turn:064x}",
        stage="final" if stage == "final" else "checkpoint",
        gates=tuple(Gate(name, True, "as expected") for name in ("builds", "correct", "shape")),
        metric=Metric("time", 0.1234, "s", "lower", samples, Interval(0.12, 0.13)),
        speedup=Speedup(1.0 + turn / 10, Interval(1.0, 2.0 + turn / 10)),
        reward=min(1.0, turn / 1000),
        status="scored",
        seal=Seal("full", "driver", True),
        reason=f"{1.0 + turn / 10:.2f} times as fast as the baseline",
        seconds=11.5,
        at="2025-01-01T00:00:00.000Z",
    )
    return VerdictGiven(verdict=verdict, active=now, wall=now, tokens=13_000 * turn, turns=turn)


def _created(run: str) -> SessionCreated:
    return SessionCreated(
        run=run,
        task="median_filter",
        task_path="/nowhere/median_filter",
        task_hash="0" * 64,
        domain="system_optimization",
        model="scripted/model",
        agent="tools",
        harness="minimal",
        harness_hash="0" * 16,
        attempt=1,
        budget={"active": Limit(hard=36000.0), "wall": Limit(hard=108000.0)},
        metric_name="time",
        metric_unit="s",
    )


if __name__ == "__main__":  # PATH EVENTS SESSIONS OPEN: write it, say so, and wait to be killed
    written = write_past(
        Path(sys.argv[1]), Past(int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    )
    print(written.last_seq, flush=True)
    signal.pause()
