"""Synthetic journals: events as an engine would write them, made for tests of the app."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from engine.events import (
    ActivityChanged,
    AlertRaised,
    AnyBody,
    ClockMoved,
    EngineStarted,
    Event,
    Limit,
    RunCreated,
    SessionCreated,
    SessionEnded,
    SessionMoved,
    SnapshotTaken,
    ToolStarted,
    TranscriptGrew,
    TurnFinished,
    TurnStarted,
    Usage,
    VerdictGiven,
    VerificationStarted,
)
from engine.state import State, reduce
from verifier.verdict import (
    Anchors,
    Cause,
    Gate,
    Interval,
    Metric,
    Seal,
    Speedup,
    Stage,
    Status,
    Verdict,
)

BOOT = "b0070000-0000-4000-8000-000000000001"
START = 1_764_000_000.0  # a Monday in November 2025, 16:00 UTC
UPTIME = 5_000.0


@dataclass
class Journal:
    """Writes events; time only passes when told to."""

    now: float = UPTIME
    events: list[Event] = field(default_factory=list)
    transcripts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    live: dict[str, dict[str, Any]] = field(default_factory=dict)
    verdicts: dict[str, list[Verdict]] = field(default_factory=dict)

    @property
    def at(self) -> float:
        return START + self.now - UPTIME

    def write(self, body: AnyBody, session: str | None = None) -> Event:
        event = Event("engine-1", len(self.events) + 1, self.at, BOOT, self.now, session, body)
        self.events.append(event)
        return event

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def state(self) -> State:
        state = State()
        for event in self.events:
            reduce(state, event)
        return state

    def engine(self) -> None:
        self.write(EngineStarted(version="0.1.0", pid=4242, host="testhost"))

    def run(self, run: str, sessions: Iterable[str]) -> None:
        self.write(RunCreated(run=run, sessions=tuple(sessions), spec={}))

    def create(
        self,
        session: str,
        task: str = "median_filter",
        model: str | None = "local/persistent",
        run: str = "r-1",
        active: float | None = 600.0,
        reference: float = 0.5,
        agent: str = "tools",
    ) -> None:
        budget = {} if active is None else {"active": Limit(active), "wall": Limit(3 * active)}
        self.write(
            SessionCreated(
                run=run, task=task, task_path=f"/suite/{task}", task_hash="t" * 64,
                domain="system_optimization", model=model, agent=agent, harness="minimal",
                harness_hash="h" * 64, attempt=1, budget=budget, metric_name="runtime",
                metric_unit="s", reference_reward=reference,
            ),
            session,
        )  # fmt: skip
        self.transcripts[session] = []

    def start(self, session: str) -> None:
        self.write(SessionMoved(state="preparing", reason="laying out the workspace"), session)
        self.write(SessionMoved(state="running"), session)
        self.write(ClockMoved(to="working", moment=self.now), session)
        self.write(TurnStarted(turn=1), session)
        self.write(ActivityChanged(activity="generating"), session)

    def clock(self, session: str, to: Any, reason: str = "") -> None:
        self.write(ClockMoved(to=to, reason=reason, moment=self.now), session)

    def turn(self, session: str, turn: int, cost: float | None = 0.02) -> None:
        usage = Usage(input=1200, cached=5400, output=640, turns=1, cost=cost)
        self.write(TurnFinished(turn=turn, usage=usage, seconds=4.0), session)
        self.write(TurnStarted(turn=turn + 1), session)

    def tool(self, session: str, summary: str, tool: str = "bash") -> None:
        self.write(ToolStarted(call=f"c{len(self.events)}", tool=tool, summary=summary), session)

    def say(self, session: str, *entries: dict[str, Any]) -> None:
        kept = self.transcripts[session]
        for entry in entries:
            kept.append({"n": len(kept), "at": "2025-11-24T16:00:00.000Z", **entry})
        self.write(TranscriptGrew(start=0, end=100 * len(kept), entries=len(kept)), session)

    def verdict(
        self,
        session: str,
        active: float,
        reward: float | None,
        *,
        status: Status = "scored",
        stage: Stage = "checkpoint",
        gate: str | None = None,
        reason: str = "",
        speedup: float | None = None,
        official: bool = True,
        cause: Cause | None = None,
    ) -> Verdict:
        snapshot = f"{len(self.events):064x}"
        self.write(
            SnapshotTaken(snapshot=snapshot, files=("solve.c",), size=900, active=active), session
        )
        self.write(VerificationStarted(snapshot=snapshot, stage=stage), session)
        gates = [Gate("built", True), Gate("correct", gate != "correct", "all of 12 cases")]
        if gate is not None and gate != "correct":
            gates.append(Gate(gate, False, "evidence of it"))
        verdict = Verdict(
            id=f"v-{len(self.events)}", session=session, task="median_filter", task_hash="t" * 64,
            snapshot=snapshot, stage=stage, gates=tuple(gates), reward=reward, status=status,
            cause=cause, reason=reason or f"{speedup or 1.0:.2f}x faster than the baseline",
            metric=Metric("runtime", 0.3 / (speedup or 1.0), "s", "lower", (0.1, 0.11, 0.12)),
            speedup=Speedup(speedup, Interval(speedup * 0.97, speedup * 1.03)) if speedup else None,
            anchors=Anchors("task", 0.3, 0.006), seconds=9.5, at="2025-11-24T16:00:00.000Z",
            seal=Seal("full", "driver", official, "" if official else "one CPU"),
        )  # fmt: skip
        self.verdicts.setdefault(session, []).append(verdict)
        self.write(
            VerdictGiven(
                verdict=verdict, active=active, wall=active * 1.2, tokens=int(active * 100),
                turns=int(active / 20), cost=active / 1000,
            ),
            session,
        )  # fmt: skip
        return verdict

    def alert(self, session: str, text: str, alert: str = "plateau") -> None:
        self.write(AlertRaised(alert=alert, text=text), session)

    def end(self, session: str, final: float | None, outcome: Any, evidence: str) -> None:
        self.write(ClockMoved(to="stopped", moment=self.now), session)
        self.write(
            SessionEnded(ended_by="agent", outcome=outcome, evidence=evidence, final_reward=final),
            session,
        )
        failed = outcome == "infrastructure"
        self.write(SessionMoved(state="failed" if failed else "finished", reason=evidence), session)


def three_sessions() -> Journal:
    """One session that rises, one that stopped early, one that gets nowhere; four minutes in."""
    journal = Journal()
    journal.engine()
    names = ("s-rising", "s-hasty", "s-spinning")
    journal.run("r-20251124-1600", names)
    journal.create("s-rising", "median_filter", "local/persistent", "r-20251124-1600")
    journal.create("s-hasty", "build_flags", "local/hasty", "r-20251124-1600")
    journal.create("s-spinning", "rack_placement", "local/spinner", "r-20251124-1600", active=300)
    for name in names:
        journal.wait(1)
        journal.start(name)
    _talk(journal)
    journal.wait(40)
    journal.verdict("s-rising", 38, 0.118, speedup=2.51)
    journal.turn("s-rising", 1)
    journal.verdict("s-hasty", 36, 0.094, speedup=1.31)
    journal.wait(25)
    journal.verdict("s-hasty", 58, 0.094, stage="final", speedup=1.31)
    journal.end(
        "s-hasty", 0.094, "premature_stop",
        "the agent ended it after 11 % of its active budget, below the reference's 0.5",
    )  # fmt: skip
    journal.wait(30)
    wrong = "output differs from the baseline's at byte 4096 of case edges"
    journal.verdict(
        "s-rising", 92, 0.0, status="zero", gate="correct", cause="wrong_output", reason=wrong
    )
    journal.turn("s-rising", 2)
    journal.verdict("s-spinning", 70, 0.032, speedup=None, reason="wire length 18422, 1.1 % less")
    journal.wait(60)
    journal.verdict("s-rising", 150, 0.287, speedup=9.43)
    journal.turn("s-rising", 3)
    journal.wait(40)
    journal.verdict("s-rising", 188, 0.274, speedup=8.71)
    journal.wait(20)
    journal.verdict("s-rising", 206, 0.421, speedup=26.9)
    journal.turn("s-rising", 4)
    journal.turn("s-spinning", 1)
    journal.tool("s-spinning", "sleep 30 && ./bench")
    journal.alert("s-spinning", "no better for 2:30 of work, half of its budget")
    journal.wait(12)
    journal.tool("s-rising", "make bench")
    journal.wait(14)
    return journal


def _talk(journal: Journal) -> None:
    source = "\n".join(f"    line {n} of a C file" for n in range(40))
    journal.say(
        "s-rising",
        {"kind": "system", "text": "You improve a program.\nIt is scored by a hidden verifier."},
        {"kind": "user", "text": "Make the median filter in solve.c as fast as you can."},
        {
            "kind": "assistant",
            "text": "I will look at the code first, then measure it before changing anything.",
            "reasoning": "The baseline sorts each window. A histogram per column would avoid that.",
            "tool_calls": [{"id": "c1", "name": "bash", "arguments": {"command": "cat solve.c"}}],
        },
        {"kind": "tool", "call": "c1", "name": "bash", "output": source, "code": 0, "seconds": 0.1},
        {
            "kind": "assistant",
            "text": "Sorting is the cost. I keep a running histogram instead.",
            "tool_calls": [
                {"id": "c2", "name": "edit", "arguments": {"path": "solve.c", "content": source}},
                {"id": "c3", "name": "bash", "arguments": {"command": "make bench"}},
            ],
        },
        {"kind": "tool", "call": "c2", "name": "edit", "output": "ok", "code": 0, "seconds": 0.0},
        {"kind": "tool", "call": "c3", "name": "bash", "output": "error: expected ';'\nmake: *** 1",
         "code": 2, "seconds": 1.4},
        {"kind": "note", "text": "snapshot taken"},
    )  # fmt: skip
    said = "Now the histogram is updated for "
    journal.live["s-rising"] = {"text": said, "reasoning": "", "tool": None}
