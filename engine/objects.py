"""The objects that `--json` prints, made from the state. docs/json.md describes them key by key.

They are a contract: keys are added, never renamed or dropped. Times are RFC 3339 in UTC, durations
seconds, rewards in [0, 1], unknown is null.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from engine.analysis.forecast import Forecast, forecast
from engine.analysis.warnings import LiveWarning, live_warnings
from engine.clock import Clock, Clocks
from engine.events import BUDGET_KEYS, Counts, Limit, Outcome, SessionPhase, Usage, rfc3339
from engine.money import Price
from engine.runs.outcomes import Thresholds
from engine.state import Pause, RunState, SessionState, State, run_over

STATUS_SCHEMA = "autolab/status/1"
ENGINE_SCHEMA = "autolab/engine/1"


class ClocksObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds: `wall` is active, waiting and frozen together; `causes` has what is no work."""

    wall: float
    active: float
    waiting: float
    frozen: float
    paused: float
    causes: dict[str, float]


class UsageObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tokens, turns and US dollars; `input` is the uncached part.

    `cost` is the whole only while `unpriced`, the calls whose cost is not wholly known, is 0.
    """

    input: int
    cached: int
    output: int
    reasoning: int
    turns: int
    cost: float | None
    cache_write: int
    unpriced: int
    stated: int


class AlertObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that needs the operator."""

    id: str
    text: str
    at: str
    acknowledged: str | None


class PauseObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a session may not work; `until` is when the pause ends by itself."""

    cause: str
    why: str
    by: str
    at: str
    now: bool
    until: str | None
    release: bool


class SessionObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One session."""

    id: str
    run: str
    task: str
    domain: str
    model: str | None
    agent: str
    harness: str
    harness_hash: str
    attempt: int
    state: SessionPhase
    activity: str
    activity_age: float | None
    clocks: ClocksObject
    budget: dict[str, Limit]
    usage: UsageObject
    price: Price | None
    compactions: int
    gpu_seconds: float | None
    best_reward: float | None
    final_reward: float | None
    best_snapshot: str | None
    last_improvement_active: float | None
    verdict_count: int
    outcome: Outcome | None
    outcome_evidence: str
    assisted: bool
    official: bool
    timed_by: str
    alerts: list[AlertObject]
    counts: Counts
    pause: PauseObject | None
    stopping: bool
    idle: float | None
    rebuilds: int
    turns_abandoned: int
    budget_changes: int
    messages_waiting: int
    warnings: list[LiveWarning]
    regraded: int
    gpus: list[str]


class RunObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sessions launched together; clocks and usage are sums. `state`: queued, running, finished.

    `budget` is for all of them together; `span` is how long at least one was under way, in seconds.
    """

    id: str
    created: str
    state: str
    sessions: list[str]
    clocks: ClocksObject
    usage: UsageObject
    forecast: Forecast | None
    budget: dict[str, Limit]
    span: float
    gpu_seconds: float


class EngineObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The daemon; seconds. `api_errors`: failed model calls of the last hour, by cause."""

    schema: str
    pid: int
    version: str
    state_dir: str
    uptime: float
    loop_lag: float
    sessions_running: int
    loop_lag_worst: float
    api_errors: dict[str, int]
    trouble: str


class StatusObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `status --json` prints; `engine` is null when none runs."""

    schema: str
    engine: EngineObject | None
    runs: list[RunObject]
    sessions: list[SessionObject]


def session_object(
    session: SessionState, clock: Clock, limits: Thresholds | None = None
) -> SessionObject:
    """One session as JSON shows it, as of now; `limits` say from when on it is warned of."""
    boot, now = clock.boot(), clock.now()
    known_age = bool(session.activity) and session.activity_boot == boot
    return SessionObject(
        id=session.id,
        run=session.run,
        task=session.task,
        domain=session.domain,
        model=session.model,
        agent=session.agent,
        harness=session.harness,
        harness_hash=session.harness_hash,
        attempt=session.attempt,
        state=session.state,
        activity=session.activity,
        activity_age=round(now - session.activity_stamp, 3) if known_age else None,
        clocks=_clocks([session.clocks], boot, now),
        budget={key: session.budget[key] for key in BUDGET_KEYS if key in session.budget},
        usage=_usage(session.usage),
        price=session.price,
        compactions=session.compactions,
        gpu_seconds=round(session.gpu_time.seconds(boot, now), 3),
        best_reward=session.best_reward,
        final_reward=session.final_reward,
        best_snapshot=session.best_snapshot,
        last_improvement_active=session.last_improvement_active,
        verdict_count=len(session.points),
        outcome=session.outcome,
        outcome_evidence=session.outcome_evidence,
        assisted=session.assisted,
        official=session.official,
        timed_by=session.timed_by,
        alerts=[
            AlertObject(a.id, a.text, rfc3339(a.at), a.acknowledged or None) for a in session.alerts
        ],
        counts=session.counts,
        pause=_pause(session.pause),
        stopping=bool(session.stopping),
        idle=_idle(session, boot, now),
        rebuilds=session.rebuilds,
        turns_abandoned=session.turns_abandoned,
        budget_changes=session.budget_changes,
        messages_waiting=len(session.messages),
        warnings=live_warnings(session, boot, now, limits),
        regraded=sum(1 for point in session.points if point.regrade),
        gpus=[gpu.uuid for gpu in session.lease],
    )


def _idle(session: SessionState, boot: str, now: float) -> float | None:
    if session.over or session.heard_boot != boot:
        return None
    return round(now - session.heard_stamp, 3)


def _pause(pause: Pause | None) -> PauseObject | None:
    if pause is None:
        return None
    until = None if pause.until is None else rfc3339(pause.until)
    return PauseObject(
        pause.cause, pause.why, pause.by, rfc3339(pause.at), pause.now, until, pause.release
    )


def run_object(state: State, run: RunState, clock: Clock, ahead: Forecast | None) -> RunObject:
    """One run as JSON shows it, as of now; `ahead` is its forecast."""
    sessions = [state.sessions[s] for s in run.sessions if s in state.sessions]
    usage = Usage()
    for session in sessions:
        usage = usage + session.usage
    begun = any(session.state != "queued" for session in sessions)
    return RunObject(
        id=run.id,
        created=rfc3339(run.created),
        state="finished" if run_over(state, run.id) else "running" if begun else "queued",
        sessions=list(run.sessions),
        clocks=_clocks([s.clocks for s in sessions], clock.boot(), clock.now()),
        usage=_usage(usage),
        forecast=ahead,
        budget=dict(run.budget),
        span=round(run.span.seconds(clock.boot(), clock.now()), 3),
        gpu_seconds=round(sum(s.gpu_time.seconds(clock.boot(), clock.now()) for s in sessions), 3),
    )


def status_object(
    state: State, engine: EngineObject | None, clock: Clock, limits: Thresholds | None = None
) -> StatusObject:
    """Everything, as `status --json` prints it."""
    return StatusObject(
        STATUS_SCHEMA,
        engine,
        [run_object(state, run, clock, forecast(state, run, clock)) for run in state.runs.values()],
        [session_object(session, clock, limits) for session in state.sessions.values()],
    )


def _clocks(clocks: Iterable[Clocks], boot: str, now: float) -> ClocksObject:
    every = list(clocks)
    return ClocksObject(
        wall=round(sum(c.wall(boot, now) for c in every), 3),
        active=round(sum(c.active(boot, now) for c in every), 3),
        waiting=round(sum(c.seconds("waiting", boot, now) for c in every), 3),
        frozen=round(sum(c.seconds("frozen", boot, now) for c in every), 3),
        paused=round(sum(c.seconds("paused", boot, now) for c in every), 3),
        causes=_causes(every, boot, now),
    )


def _causes(clocks: Iterable[Clocks], boot: str, now: float) -> dict[str, float]:
    total: Counter[str] = Counter()
    for each in clocks:
        total.update(each.by_cause(boot, now))
    return {cause: round(seconds, 3) for cause, seconds in sorted(total.items())}


def _usage(usage: Usage) -> UsageObject:
    return UsageObject(
        usage.input,
        usage.cached,
        usage.output,
        usage.reasoning,
        usage.turns,
        usage.cost,
        usage.cache_write,
        usage.unpriced,
        usage.stated,
    )
