"""State as a fold of events.

`reduce(state, event)` is the one reducer: the engine, the app, the reports and the replay all use
it. It reads no clock and does no input or output, so the same events give the same state. For speed
it changes the state it is given and returns it; whoever wants to share a state shares its JSON.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from engine.clock import ClockCause, Clocks, ClockState, PauseCause, Span
from engine.cycles import Cycles
from engine.events import (
    ActivityChanged,
    AlertCleared,
    AlertRaised,
    AlertsAcknowledged,
    BaselineKept,
    BudgetChanged,
    ClockMoved,
    ContextCompacted,
    Counts,
    EngineStarted,
    EngineStopped,
    Event,
    GpusNoted,
    Intervened,
    LeaseGranted,
    LeaseReturned,
    Limit,
    MessageLeft,
    MessageTold,
    ModelRetried,
    Noted,
    Outcome,
    RunCreated,
    SessionCreated,
    SessionEnded,
    SessionMoved,
    SessionPaused,
    SessionPhase,
    SessionRebuilt,
    SessionResumed,
    SnapshotTaken,
    StopAsked,
    ToolFinished,
    ToolStarted,
    TranscriptGrew,
    TurnAbandoned,
    TurnFailed,
    TurnFinished,
    TurnStarted,
    Usage,
    VerdictGiven,
    VerdictRegraded,
    VerdictReleased,
    VerificationStarted,
)
from engine.gpu.metering import GpuTime
from engine.money import Price
from verifier.gpus.device import Gpu, Want
from verifier.verdict import Anchors, Direction, Stage, Status, Verdict

FEED_LENGTH = 200
_RUNNING = ("working", "frozen", "waiting")
_COUNTED = ("scored", "zero", "rejected")  # verdicts whose reward says something of the snapshot
_LEAST_GAP, _MOST_GAPS = 1.0, 64  # seconds; gaps that are kept of one session


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


def run_over(state: State, run: str) -> bool:
    """Whether every session of a run has ended; one that is not yet known has not."""
    known = state.sessions
    return all(s in known and known[s].over for s in state.runs[run].sessions)


def reduce(state: State, event: Event) -> State:
    """Fold one event into the state (in place) and return it.

    Events at or before `state.seq` are ignored, so that a stream may overlap a snapshot.
    """
    if event.seq <= state.seq:
        return state
    state.seq = event.seq
    match event.body:
        case EngineStarted(version=version, pid=pid):
            state.engine = EngineState(event.engine, version, pid, event.at, True)
        case EngineStopped():
            if state.engine is not None:
                state.engine.running = False
        case RunCreated(run=run, sessions=sessions, spec=spec, budget=budget):
            state.runs[run] = RunState(run, event.at, spec, list(sessions), dict(budget))
            _feed(state, event, "run", f"run {run} created with {len(sessions)} sessions")
        case SessionCreated() as created:
            _create(state, event, created)
        case Noted(text=text):
            _feed(state, event, "note", text)
        case GpusNoted(name=name, state=standing):
            _feed(state, event, "gpu", f"{name}: {standing}")
        case BudgetChanged(run=name) as changed if name in state.runs:
            run_state = state.runs[name]
            run_state.soft_passed = _still_passed(
                run_state.soft_passed, run_state.budget, changed.budget
            )
            run_state.budget = dict(changed.budget)
            _feed(state, event, "budget", f"run {name}: {_changed(changed)}")
        case _:
            session = state.sessions.get(event.session or "")
            if session is not None:
                session.heard_boot, session.heard_stamp = event.boot, event.stamp
                _reduce_session(state, session, event)
    return state


def _create(state: State, event: Event, created: SessionCreated) -> None:
    if event.session is None:
        return
    fields = msgspec.structs.asdict(created)
    state.sessions[event.session] = SessionState(id=event.session, created=event.at, **fields)


def _reduce_session(  # noqa: PLR0912 - one case for each kind of event reads best in one list
    state: State, session: SessionState, event: Event
) -> None:
    match event.body:
        case SessionMoved(state=phase, reason=reason):
            session.state, session.state_reason = phase, reason
            session.begun = session.begun or phase == "running"
            if phase == "failed":
                _feed(state, event, "failed", reason)
        case ClockMoved() as moved:
            _clock(state, session, event, moved)
        case ActivityChanged(activity=activity):
            _activity(session, event, activity)
        case TranscriptGrew(end=end, entries=entries):
            session.transcript_bytes, session.transcript_entries = end, entries
        case SnapshotTaken(snapshot=snapshot, active=active) as taken:
            session.last_snapshot, session.last_snapshot_active = snapshot, active
            session.unjudged = taken
            session.snapshots += 1
            session.cycles.edited()
        case BaselineKept(snapshot=snapshot):
            session.baseline = snapshot
        case VerificationStarted(snapshot=snapshot):
            session.verifying = snapshot
            if session.unjudged is not None and session.unjudged.snapshot == snapshot:
                session.judging, session.unjudged = session.unjudged, None
        case VerdictGiven() as given:
            _verdict(state, session, event, given)
        case VerdictRegraded(verdict=verdict):
            _regraded(state, session, event, verdict)
        case SessionEnded() as ended:
            session.outcome, session.outcome_evidence = ended.outcome, ended.evidence
            session.final_reward, session.ended = ended.final_reward, event.at
            session.pause = None
            _activity(session, event, "")
            _feed(state, event, "ended", f"{ended.outcome}: {ended.evidence}")
        case AlertRaised(alert=alert, text=text):
            session.alerts = [a for a in session.alerts if a.id != alert]
            session.alerts.append(Alert(alert, text, event.at))
            _feed(state, event, "alert", text)
        case AlertsAcknowledged(alerts=alerts, by=by):
            session.alerts = [
                msgspec.structs.replace(a, acknowledged=by) if a.id in alerts else a
                for a in session.alerts
            ]
        case AlertCleared(alert=alert):
            session.alerts = [a for a in session.alerts if a.id != alert]
        case _:
            _reduce_work(state, session, event)
            _reduce_intervention(state, session, event)


def _reduce_work(state: State, session: SessionState, event: Event) -> None:
    """Model turns and tool calls."""
    match event.body:
        case TurnStarted(turn=turn):
            session.turn, session.retries, session.turn_open = turn, 0, True
        case TurnFinished(usage=usage) | TurnFailed(usage=usage):
            session.usage, session.turn_open = session.usage + usage, False
        case TurnAbandoned(turn=turn, usage=usage, why=why):
            session.usage, session.turn_open = session.usage + usage, False
            session.turns_abandoned += 1
            _feed(state, event, "abandoned", f"turn {turn} given up{_because(why)}")
        case ModelRetried(attempt=attempt, cause=cause):
            session.retries, session.turn_open = attempt, False
            session.retry_causes[cause] = session.retry_causes.get(cause, 0) + 1
            _feed(state, event, "retry", f"model call retried ({cause}), attempt {attempt}")
        case ContextCompacted() as compacted:
            session.compactions += 1
            session.turn_open = False  # the one that did not fit
            _feed(state, event, "context", compacted.in_words)
        case ToolStarted(tool=tool, summary=summary):
            doing = f"{tool} {summary}".strip()
            _activity(session, event, doing)
            session.repeats = session.repeats + 1 if doing == session.last_tool else 1
            session.last_tool, session.tool_open = doing, True
            session.cycles.called(tool, summary)
        case ToolFinished():
            session.tool_open = session.tool_lost = False
        case _:
            pass


def _reduce_intervention(state: State, session: SessionState, event: Event) -> None:
    """What is done to a session rather than by it."""
    match event.body:
        case SessionPaused() as paused:
            _paused(state, session, event, paused)
        case SessionResumed(by=by, why=why):
            session.pause = None
            # Whoever raised the alert may have died with its engine while the session stood still.
            session.alerts = [alert for alert in session.alerts if alert.id != "paused"]
            _feed(state, event, "resumed", f"resumed by {by}{_because(why)}")
        case StopAsked(by=by, why=why):
            session.stopping = f"stopped by {by}{_because(why)}"
        case BudgetChanged(budget=budget) as changed:
            session.soft_passed = _still_passed(session.soft_passed, session.budget, budget)
            session.budget = dict(budget)
            session.budget_changes += 1
            _feed(state, event, "budget", _changed(changed))
        case MessageLeft(text=text, by=by, origin=origin):
            session.messages.append(Message(event.seq, text, by, origin))
            session.assisted = session.assisted or origin == "operator"
            _feed(state, event, "message", f"{by} to the model: {text}")
        case Intervened(what=what, by=by, why=why):
            session.assisted = True
            _feed(state, event, "intervention", f"{what} by {by}{_because(why)}")
        case VerdictReleased() as released:
            _released(state, session, event, released)
        case MessageTold(message=told):
            session.messages = [m for m in session.messages if m.id != told]
        case SessionRebuilt(source=source, why=why):
            session.rebuilds += 1
            session.tool_lost = session.tool_lost or session.tool_open
            _feed(state, event, "rebuilt", f"sandbox built anew from the {source}{_because(why)}")
        case LeaseGranted(gpus=gpus, shared=shared):
            _leased(session, event, gpus)
            named = ", ".join(gpu.words for gpu in gpus)
            _feed(state, event, "lease", f"leased {named}{', shared' if shared else ''}")
        case LeaseReturned(why=why):
            _leased(session, event, ())
            _feed(state, event, "lease", f"GPU given back{_because(why)}")
        case _:
            pass


def _leased(session: SessionState, event: Event, gpus: tuple[Gpu, ...]) -> None:
    session.lease = gpus
    session.gpu_time.move(event.boot, event.stamp, devices=len(gpus))


def _paused(state: State, session: SessionState, event: Event, paused: SessionPaused) -> None:
    if paused.limit:
        whose: SessionState | RunState = session
        if paused.scope == "run" and session.run in state.runs:
            whose = state.runs[session.run]
        whose.soft_passed = sorted({*whose.soft_passed, paused.limit})
    before = session.pause
    if before is not None:  # the first pause stays; a later one may only be more urgent
        session.pause = msgspec.structs.replace(
            before, now=before.now or paused.now, release=before.release or paused.release
        )
        return
    session.pause = Pause(
        paused.cause,
        paused.why,
        paused.by,
        event.at,
        now=paused.now,
        until=paused.until,
        release=paused.release,
    )
    _feed(state, event, "paused", str(session.pause))


def _clock(state: State, session: SessionState, event: Event, moved: ClockMoved) -> None:
    boot = moved.moment_boot or event.boot
    ran = session.clocks.state in _RUNNING
    _note_gap(session, boot, moved.moment)
    session.clocks.move(moved.to, moved.reason, boot, moved.moment, moved.cause)
    session.gpu_time.move(boot, moved.moment, working=moved.to == "working")
    run = state.runs.get(session.run)
    if run is None or ran == (moved.to in _RUNNING):
        return
    if ran:
        run.span.end(boot, moved.moment)
    else:
        run.span.begin(boot, moved.moment)


def _note_gap(session: SessionState, boot: str, moment: float) -> None:
    """Keep the wait or pause that ends at `moment`; of too many the shortest are given up."""
    clocks = session.clocks
    if clocks.state not in ("waiting", "paused") or clocks.boot != boot:
        return
    seconds = moment - clocks.since
    if seconds < _LEAST_GAP:
        return
    closed = clocks.working + clocks.frozen + clocks.waiting
    session.gaps.append(Gap(clocks.state, clocks.cause, clocks.working, closed, seconds))
    if len(session.gaps) > _MOST_GAPS:
        session.gaps.remove(min(session.gaps, key=lambda gap: gap.seconds))


def _still_passed(
    passed: list[str], before: dict[str, Limit], after: dict[str, Limit]
) -> list[str]:
    """The soft limits that were reached and are the same as before."""
    none = Limit()
    return [k for k in passed if before.get(k, none).soft == after.get(k, none).soft]


def _changed(changed: BudgetChanged) -> str:
    limits = ", ".join(
        f"{key} {limit.hard:g}" for key, limit in changed.budget.items() if limit.hard is not None
    )
    return f"budget changed by {changed.by} to {limits}{_because(changed.why)}"


def _because(why: str) -> str:
    return f": {why}" if why else ""


def _activity(session: SessionState, event: Event, activity: str) -> None:
    session.activity = activity
    session.activity_boot, session.activity_stamp = event.boot, event.stamp


def _verdict(state: State, session: SessionState, event: Event, given: VerdictGiven) -> None:
    verdict = given.verdict
    session.verifying = None
    if verdict.cause == "contention" and verdict.stage == "checkpoint":
        session.unjudged = session.unjudged or session.judging  # it is tried again
    session.judging = None
    session.verified_seconds += verdict.seconds
    if verdict.status != "not_judged":
        # The final verdict is the one that counts, whatever was less sure on the way to it.
        so_far = session.official or verdict.stage == "final"
        session.official = so_far and verdict.seal.official
    counts = verdict.reward is not None and verdict.status in _COUNTED
    before = session.best_reward
    improved = counts and verdict.reward is not None and verdict.reward > (before or 0.0)
    # A final verdict comes when the session is over, often long after its snapshot was taken.
    active = given.active
    if verdict.snapshot == session.last_snapshot:
        active = min(active, session.last_snapshot_active)
    if counts and verdict.reward is not None and (before is None or verdict.reward > before):
        session.best_reward = verdict.reward
        # What could not even be collected is nobody's best, although it earned its 0.
        session.best_snapshot = None if verdict.status == "rejected" else verdict.snapshot
    if improved:
        session.last_improvement_active = active
    session.points.append(
        Point(
            verdict=verdict.id,
            snapshot=verdict.snapshot,
            stage=verdict.stage,
            status=verdict.status,
            active=active,
            wall=given.wall,
            tokens=given.tokens,
            turns=given.turns,
            cost=given.cost,
            at=event.at,
            reward=verdict.reward,
            best=session.best_reward or 0.0,
            value=verdict.metric.value if verdict.metric else None,
            speedup=verdict.speedup.value if verdict.speedup else None,
            failed_gate=verdict.failed_gate,
            reason=verdict.reason,
        )
    )
    if improved:
        _feed(state, event, "improved", f"reward {verdict.reward:.3f}: {verdict.reason}")
    elif verdict.failed_gate is not None:
        _feed(state, event, "gate", f"gate {verdict.failed_gate} failed: {verdict.reason}")
    elif verdict.status != "scored":
        _feed(state, event, verdict.status, verdict.reason)


def _regraded(state: State, session: SessionState, event: Event, verdict: Verdict) -> None:
    """The newest grade counts from now on; the class of the session's end stays what it was."""
    at = next((i for i, p in enumerate(session.points) if p.verdict == verdict.regrade_of), None)
    if at is None:
        return
    old = session.points[at]
    session.points[at] = msgspec.structs.replace(
        old,
        status=verdict.status,
        reward=verdict.reward,
        speedup=verdict.speedup.value if verdict.speedup else None,
        reason=verdict.reason,
        regrade=verdict.id,
        given=old.given if old.regrade else old.reward,
    )
    _walk_again(session)
    finals = [p for p in session.points if p.stage == "final"]
    if session.outcome is not None and finals and finals[-1].regrade:
        session.final_reward = finals[-1].reward
    before, now = (f"{r:.3f}" if r is not None else "none" for r in (old.reward, verdict.reward))
    _feed(state, event, "regraded", f"reward {before} is {now} as graded anew: {verdict.reason}")


def _released(state: State, session: SessionState, event: Event, released: VerdictReleased) -> None:
    """Let a suspect verdict count from now on."""
    for i, point in enumerate(session.points):
        if point.verdict == released.verdict and point.status == "suspect":
            session.points[i] = msgspec.structs.replace(
                point, status="scored", released=released.by
            )
            said = f"verdict {point.verdict} released by {released.by}{_because(released.why)}"
            _feed(state, event, "released", said)
    _walk_again(session)


def _walk_again(session: SessionState) -> None:
    """The best so far at each point, after one of them changed."""
    best: float | None = None
    session.best_snapshot = session.last_improvement_active = None
    for i, point in enumerate(session.points):
        reward = point.reward if point.status in _COUNTED else None
        if reward is not None and reward > (best or 0.0):
            session.last_improvement_active = point.active
        if reward is not None and (best is None or reward > best):
            best = reward
            session.best_snapshot = None if point.status == "rejected" else point.snapshot
        session.points[i] = msgspec.structs.replace(point, best=best or 0.0)
    session.best_reward = best


def _feed(state: State, event: Event, kind: str, text: str) -> None:
    state.feed.append(FeedItem(event.seq, event.at, event.session, kind, text))
    if len(state.feed) > FEED_LENGTH:
        del state.feed[: len(state.feed) - FEED_LENGTH]
