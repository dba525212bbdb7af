"""What is known of sessions, runs and the engine, as records."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from engine.clock import ClockCause, Clocks, ClockState, PauseCause, Span
from engine.cycles import Cycles
from engine.events import Counts, Limit, Outcome, SessionPhase, SnapshotTaken
from engine.gpu.metering import GpuTime
from engine.money import Price
from engine.state.providers import ProviderState
from engine.usage import Usage
from verifier.gpus.device import Gpu, Want
from verifier.verdict import Anchors, Direction, Stage, Status


class Point(msgspec.Struct, frozen=True):
    """One verdict on the trajectory, placed at the moment its snapshot was taken.

    Where its facts were graded anew, the newest grade counts: its reward, status, speedup, reason.
    """

    verdict: str
    snapshot: str
    stage: Stage
    status: Status
    active: float
    wall: float
    tokens: int
    turns: int
    cost: float | None
    at: float
    reward: float | None
    best: float
    value: float | None
    speedup: float | None
    failed_gate: str | None
    reason: str
    regrade: str = ""  # the verdict whose reward, status and speedup stand here, if not its own
    given: float | None = None  # the reward that it had before it was first graded anew
    released: str = ""  # by whom, where it was suspect
    unofficial: str = ""  # why, where it is


class Gap(msgspec.Struct, frozen=True, array_like=True):
    """A time without work that a plot shades: where it lies, and how many seconds it took.

    `active` and `wall` are the session's clocks when it began; a pause takes no wall time.
    """

    state: ClockState
    cause: ClockCause
    active: float
    wall: float
    seconds: float


class FeedItem(msgspec.Struct, frozen=True):
    """One line of the feed: something an operator would want to have seen."""

    seq: int
    at: float
    session: str | None
    kind: str
    text: str


class Alert(msgspec.Struct, frozen=True):
    """Something that needs the operator, until it is cleared; `acknowledged` by whom."""

    id: str
    text: str
    at: float
    acknowledged: str = ""


class Pause(msgspec.Struct, frozen=True):
    """Why a session may not work, since when and until when (Unix time) if that is known."""

    cause: PauseCause
    why: str
    by: str
    at: float
    now: bool = False
    until: float | None = None
    release: bool = False

    def __str__(self) -> str:
        said = f"{self.cause}: {self.why}" if self.why else self.cause
        return f"{said} (by {self.by})" if self.by != "engine" else said


class Message(msgspec.Struct, frozen=True):
    """Something that the model is to be told; `id` is the number of the event that left it."""

    id: int
    text: str
    by: str
    origin: str


class SessionState(msgspec.Struct, kw_only=True):
    """All that is known of one session."""

    id: str
    run: str
    task: str
    task_path: str
    task_hash: str
    domain: str
    model: str | None
    agent: str
    harness: str
    harness_hash: str
    attempt: int
    budget: dict[str, Limit]
    metric_name: str
    metric_unit: str
    metric_direction: Direction
    reference_reward: float
    created: float
    price: Price | None = None
    state: SessionPhase = "queued"
    state_reason: str = ""
    activity: str = ""
    activity_boot: str = ""
    activity_stamp: float = 0.0
    clocks: Clocks = msgspec.field(default_factory=Clocks)
    usage: Usage = Usage()
    turn: int = 0
    retries: int = 0
    retry_boot: str = ""
    retry_stamp: float = 0.0  # when the call that failed last is tried again, in that boot
    compactions: int = 0
    points: list[Point] = msgspec.field(default_factory=list)
    best_reward: float | None = None
    best_snapshot: str | None = None
    final_reward: float | None = None
    baseline: str | None = None
    last_snapshot: str | None = None
    last_snapshot_active: float = 0.0
    snapshots: int = 0
    last_improvement_active: float | None = None
    verifying: str | None = None
    verified_seconds: float = 0.0
    transcript_bytes: int = 0
    transcript_entries: int = 0
    outcome: Outcome | None = None
    outcome_evidence: str = ""
    ended: float | None = None
    assisted: bool = False
    official: bool = True
    alerts: list[Alert] = msgspec.field(default_factory=list)
    counts: Counts = "active"
    anchors: Anchors | None = None
    timed_by: Literal["driver", "task"] = "driver"
    begun: bool = False
    pause: Pause | None = None
    stopping: str = ""
    soft_passed: list[str] = msgspec.field(default_factory=list)
    budget_changes: int = 0
    messages: list[Message] = msgspec.field(default_factory=list)
    rebuilds: int = 0
    turn_open: bool = False
    tool_open: bool = False
    tool_lost: bool = False
    turns_abandoned: int = 0
    last_tool: str = ""
    repeats: int = 0
    heard_boot: str = ""
    heard_stamp: float = 0.0
    unjudged: SnapshotTaken | None = None
    judging: SnapshotTaken | None = None
    verify_asked: bool = False
    verify_dropped: str = ""  # why no verdict came of it, until its files change
    cycles: Cycles = msgspec.field(default_factory=Cycles)
    retry_causes: dict[str, int] = msgspec.field(default_factory=dict)
    gaps: list[Gap] = msgspec.field(default_factory=list)
    want: Want = Want()
    lease: tuple[Gpu, ...] = ()
    gpu_time: GpuTime = msgspec.field(default_factory=GpuTime)

    @property
    def asking(self) -> list[Alert]:
        """The alerts that nobody has acknowledged."""
        return [alert for alert in self.alerts if not alert.acknowledged]

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("finished", "failed")


class RunState(msgspec.Struct):
    """Sessions launched together."""

    id: str
    created: float
    spec: dict[str, Any]
    sessions: list[str]
    budget: dict[str, Limit] = msgspec.field(default_factory=dict)
    soft_passed: list[str] = msgspec.field(default_factory=list)
    span: Span = msgspec.field(default_factory=Span)


class EngineState(msgspec.Struct):
    """The daemon that wrote the newest events."""

    id: str
    version: str
    pid: int
    started: float
    running: bool


class State(msgspec.Struct):
    """Everything, as of event number `seq`."""

    seq: int = 0
    engine: EngineState | None = None
    runs: dict[str, RunState] = msgspec.field(default_factory=dict)
    sessions: dict[str, SessionState] = msgspec.field(default_factory=dict)
    feed: list[FeedItem] = msgspec.field(default_factory=list)
    providers: dict[str, ProviderState] = msgspec.field(default_factory=dict)
    removed: list[str] = msgspec.field(default_factory=list)  # runs, whose ids are not used again


def run_over(state: State, run: str) -> bool:
    """Whether every session of a run has ended; one that is not yet known has not."""
    known = state.sessions
    return all(s in known and known[s].over for s in state.runs[run].sessions)
