"""The one reducer: each event's case. What takes more than a few lines has a module beside it."""

from __future__ import annotations

import msgspec

from engine.events import (
    ActivityChanged,
    AlertCleared,
    AlertRaised,
    AlertsAcknowledged,
    BaselineKept,
    BudgetChanged,
    ClockMoved,
    ContextCompacted,
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
    ModelPaced,
    ModelRetried,
    Noted,
    RunCreated,
    RunRemoved,
    SessionCreated,
    SessionEnded,
    SessionMoved,
    SessionPaused,
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
    VerdictGiven,
    VerdictRegraded,
    VerdictReleased,
    VerificationAsked,
    VerificationDropped,
    VerificationStarted,
)
from engine.limits import changes
from engine.state.clocks import lease, move_clock, pause
from engine.state.facts import Alert, EngineState, Message, RunState, SessionState, State
from engine.state.feed import because, feed
from engine.state.providers import ProviderState, came_back, forget_places, provider_of
from engine.state.verdicts import clipped, regrade, release, take_verdict

# Said about a session and not by it: an alarm of its silence does not end the silence.
_ABOUT = (AlertRaised, AlertCleared, AlertsAcknowledged)


def reduce(  # noqa: PLR0912 - one case for each kind of event reads best in one list
    state: State, event: Event
) -> State:
    """Fold one event into the state (in place) and return it.

    Events at or before `state.seq` are ignored, so that a stream may overlap a snapshot.
    """
    if event.seq <= state.seq:
        return state
    state.seq = event.seq
    match event.body:
        case EngineStarted(version=version, pid=pid):
            state.engine = EngineState(event.engine, version, pid, event.at, True)
            forget_places(state.providers)
        case EngineStopped():
            if state.engine is not None:
                state.engine.running = False
        case RunCreated(run=run, sessions=sessions, spec=spec, budget=budget):
            state.runs[run] = RunState(run, event.at, spec, list(sessions), dict(budget))
            many = "session" if len(sessions) == 1 else "sessions"
            feed(state, event, "run", f"run {run} created with {len(sessions)} {many}")
        case RunRemoved(run=run, by=by):
            _forget(state, run)
            feed(state, event, "run", f"run {run} removed by {by}")
        case SessionCreated() as created:
            _create(state, event, created)
        case ModelPaced(provider=name, limit=places):
            state.providers.setdefault(name, ProviderState()).places = places
        case Noted(text=text):
            feed(state, event, "note", text)
        case GpusNoted(name=name, state=standing):
            feed(state, event, "gpu", f"{name}: {standing}")
        case BudgetChanged(run=name) as changed if name in state.runs:
            run_state = state.runs[name]
            run_state.soft_passed = _still_passed(
                run_state.soft_passed, run_state.budget, changed.budget
            )
            feed(state, event, "budget", f"run {name}: {_changed(changed, run_state.budget)}")
            run_state.budget = dict(changed.budget)
        case _:
            session = state.sessions.get(event.session or "")
            if session is not None:
                if not isinstance(event.body, _ABOUT):
                    session.heard_boot, session.heard_stamp = event.boot, event.stamp
                _reduce_session(state, session, event)
    return state


def _forget(state: State, run: str) -> None:
    gone = state.runs.pop(run, None)
    if gone is None:
        return
    state.removed.append(run)
    for session in gone.sessions:
        state.sessions.pop(session, None)
    state.feed = [item for item in state.feed if item.session not in gone.sessions]


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
                feed(state, event, "failed", reason)
        case ClockMoved() as moved:
            move_clock(state, session, event, moved)
        case ActivityChanged(activity=activity):
            _activity(session, event, activity)
        case TranscriptGrew(end=end, entries=entries):
            session.transcript_bytes, session.transcript_entries = end, entries
        case SnapshotTaken(snapshot=snapshot, active=active) as taken:
            session.last_snapshot, session.last_snapshot_active = snapshot, active
            session.unjudged, session.verify_dropped = taken, ""
            session.snapshots += 1
            session.cycles.edited()
        case BaselineKept(snapshot=snapshot):
            session.baseline = snapshot
        case VerificationStarted(snapshot=snapshot):
            # A session that is over does not wait for what is still verified of it.
            session.verifying, session.verify_asked, session.verify_dropped = (
                (None if session.outcome else snapshot),
                False,
                "",
            )
            if session.unjudged is not None and session.unjudged.snapshot == snapshot:
                session.judging, session.unjudged = session.unjudged, None
        case VerificationAsked(by=by, why=why):
            session.verify_asked, session.verify_dropped = True, ""
            feed(state, event, "verify", f"a verdict is asked for by {by}{because(why)}")
        case VerificationDropped(why=why):
            session.verify_asked, session.verify_dropped = False, why
            feed(state, event, "verify", f"no new verdict: {why}")
        case VerdictGiven() as given:
            take_verdict(state, session, event, given)
        case VerdictRegraded(verdict=verdict):
            regrade(state, session, event, verdict)
        case SessionEnded() as ended:
            session.outcome, session.outcome_evidence = ended.outcome, ended.evidence
            session.final_reward, session.ended = clipped(ended.final_reward), event.at
            session.pause = session.verifying = None
            _activity(session, event, "")
            feed(state, event, "ended", f"{ended.outcome}: {ended.evidence}")
        case AlertRaised(alert=alert, text=text):
            session.alerts = [a for a in session.alerts if a.id != alert]
            session.alerts.append(Alert(alert, text, event.at))
            feed(state, event, "alert", text)
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
        case TurnFinished(usage=usage):
            session.usage, session.turn_open = session.usage + usage, False
            _came_back(state, session, event)
        case TurnFailed(usage=usage, cause=cause):
            session.usage, session.turn_open = session.usage + usage, False
            _came_back(state, session, event, cause)
        case TurnAbandoned(turn=turn, usage=usage, why=why):
            session.usage, session.turn_open = session.usage + usage, False
            session.turns_abandoned += 1
            feed(state, event, "abandoned", f"turn {turn} given up{because(why)}")
        case ModelRetried(attempt=attempt, cause=cause, wait=wait):
            session.retries, session.turn_open = attempt, False
            session.retry_boot, session.retry_stamp = event.boot, event.stamp + wait
            session.retry_causes[cause] = session.retry_causes.get(cause, 0) + 1
            feed(state, event, "retry", f"model call retried ({cause}), attempt {attempt}")
        case ContextCompacted() as compacted:
            session.compactions += 1
            session.turn_open = False  # the one that did not fit
            feed(state, event, "context", compacted.in_words)
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


def _came_back(state: State, session: SessionState, event: Event, cause: str = "") -> None:
    provider = provider_of(session.model)
    if provider is not None:
        came_back(state.providers, provider, event, cause)


def _reduce_intervention(state: State, session: SessionState, event: Event) -> None:
    """What is done to a session rather than by it."""
    match event.body:
        case SessionPaused() as paused:
            pause(state, session, event, paused)
        case SessionResumed(by=by, why=why):
            session.pause = None
            # Whoever raised the alert may have died with its engine while the session stood still.
            session.alerts = [alert for alert in session.alerts if alert.id != "paused"]
            feed(state, event, "resumed", f"resumed by {by}{because(why)}")
        case StopAsked(by=by, why=why):
            session.stopping = f"stopped by {by}{because(why)}"
        case BudgetChanged(budget=budget) as changed:
            session.soft_passed = _still_passed(session.soft_passed, session.budget, budget)
            feed(state, event, "budget", _changed(changed, session.budget))
            session.budget = dict(budget)
            session.budget_changes += 1
        case MessageLeft(text=text, by=by, origin=origin):
            session.messages.append(Message(event.seq, text, by, origin))
            session.assisted = session.assisted or origin == "operator"
            feed(state, event, "message", f"{by} to the model: {text}")
        case Intervened(what=what, by=by, why=why):
            session.assisted = True
            feed(state, event, "intervention", f"{what} by {by}{because(why)}")
        case VerdictReleased() as released:
            release(state, session, event, released)
        case MessageTold(message=told):
            session.messages = [m for m in session.messages if m.id != told]
        case SessionRebuilt(source=source, why=why):
            session.rebuilds += 1
            session.tool_lost = session.tool_lost or session.tool_open
            feed(state, event, "rebuilt", f"sandbox built anew from the {source}{because(why)}")
        case LeaseGranted(gpus=gpus, shared=shared):
            lease(session, event, gpus)
            named = ", ".join(gpu.words for gpu in gpus)
            feed(state, event, "lease", f"leased {named}{', shared' if shared else ''}")
        case LeaseReturned(why=why):
            lease(session, event, ())
            feed(state, event, "lease", f"GPU given back{because(why)}")
        case _:
            pass


def _still_passed(
    passed: list[str], before: dict[str, Limit], after: dict[str, Limit]
) -> list[str]:
    """The soft limits that were reached and are the same as before."""
    none = Limit()
    return [k for k in passed if before.get(k, none).soft == after.get(k, none).soft]


def _changed(changed: BudgetChanged, before: dict[str, Limit]) -> str:
    to = changes(before, changed.budget) or "what it was"
    return f"budget changed by {changed.by} to {to}{because(changed.why)}"


def _activity(session: SessionState, event: Event, activity: str) -> None:
    session.activity = activity
    session.activity_boot, session.activity_stamp = event.boot, event.stamp
