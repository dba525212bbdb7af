"""All that a report says of a run, computed once: what the page, the table and `--json` share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

import autolab_tui
from engine.analysis.counting import Missing, standing
from engine.analysis.forecast import Forecast, forecast
from engine.analysis.harness_effect import HarnessEffect, harness_effect
from engine.analysis.leaderboard import Leaderboard, leaderboard
from engine.analysis.persistence import Persistence, persistence
from engine.analysis.persistence_index import Correlation, persistence_index
from engine.analysis.warnings import LiveWarning, live_warnings
from engine.clock import Clock
from engine.events import Usage, rfc3339
from engine.state import RunState, SessionState, State


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """One session with what is computed from it; seconds."""

    session: SessionState
    persistence: Persistence
    warnings: list[LiveWarning]
    used: float
    budget: float | None
    clocks: dict[str, float]
    causes: dict[str, float]
    gpu_seconds: float


@dataclass(frozen=True, slots=True)
class HarnessFacts:
    """A harness as the run used it; `knobs` None, with the reason, where it is not known now."""

    name: str
    hash: str
    knobs: dict[str, Any] | None
    why_not: str


@dataclass(frozen=True, slots=True)
class Facts:
    """One run."""

    run: RunState
    version: str
    as_of: str
    span: float
    usage: Usage
    sessions: list[SessionFacts]
    board: Leaderboard
    effect: HarnessEffect | None
    index: list[Correlation]
    forecast: Forecast | None
    harnesses: list[HarnessFacts]


def gather(state: State, run: RunState, clock: Clock, missing: Missing) -> Facts:
    """Everything that is said of a run as of now."""
    boot, now = clock.boot(), clock.now()
    sessions = [state.sessions[s] for s in run.sessions if s in state.sessions]
    usage = Usage()
    for session in sessions:
        usage = usage + session.usage
    return Facts(
        run=run,
        version=autolab_tui.__version__,
        as_of=rfc3339(clock.wall()),
        span=run.span.seconds(boot, now),
        usage=usage,
        sessions=[_session(session, boot, now) for session in sessions],
        board=leaderboard(state, sessions, missing),
        effect=harness_effect(state, sessions, missing),
        index=persistence_index(sessions, boot, now),
        forecast=forecast(state, run, clock),
        harnesses=_harnesses(sessions),
    )


def content(facts: Facts) -> dict[str, Any]:
    """The run as `--json` prints it, without the schema and what was written."""
    sessions = [
        {
            "id": one.session.id,
            "standing": standing(one.session),
            "outcome": one.session.outcome,
            "outcome_evidence": one.session.outcome_evidence,
            "persistence": msgspec.to_builtins(one.persistence),
            "warnings": msgspec.to_builtins(one.warnings),
        }
        for one in facts.sessions
    ]
    return {
        "run": facts.run.id,
        "as_of": facts.as_of,
        "sessions": sessions,
        "leaderboard": msgspec.to_builtins(facts.board),
        "harness_effect": msgspec.to_builtins(facts.effect),
        "persistence_index": msgspec.to_builtins(facts.index),
        "forecast": msgspec.to_builtins(facts.forecast),
        "harnesses": [
            {"name": h.name, "hash": h.hash, "knobs": h.knobs, "why_not": h.why_not}
            for h in facts.harnesses
        ],
    }


def _session(session: SessionState, boot: str, now: float) -> SessionFacts:
    clocks = session.clocks
    limit = session.budget.get(session.counts)
    seconds = {
        "wall": clocks.wall(boot, now),
        "active": clocks.active(boot, now),
        "waiting": clocks.seconds("waiting", boot, now),
        "frozen": clocks.seconds("frozen", boot, now),
        "paused": clocks.seconds("paused", boot, now),
    }
    return SessionFacts(
        session=session,
        persistence=persistence(session, boot, now),
        warnings=live_warnings(session, boot, now),
        used=seconds[session.counts],
        budget=limit.hard if limit is not None else None,
        clocks={name: round(value, 3) for name, value in seconds.items()},
        causes={k: round(v, 3) for k, v in sorted(clocks.by_cause(boot, now).items())},
        gpu_seconds=round(session.gpu_time.seconds(boot, now), 3),
    )


def _harnesses(sessions: list[SessionState]) -> list[HarnessFacts]:
    used = sorted({(s.harness, s.harness_hash) for s in sessions if s.harness_hash})
    return [_harness(name, hash_) for name, hash_ in used]


def _harness(name: str, hash_: str) -> HarnessFacts:
    """The journal keeps a hash; the knobs are those of the file as it is now, if that fits."""
    from engine import harnesses

    try:
        found = harnesses.load(name)
    except harnesses.HarnessError as error:
        return HarnessFacts(name, hash_, None, str(error))
    if found.hash != hash_:
        return HarnessFacts(
            name, hash_, None, f"the harness of this name is another one now ({found.hash[:12]})"
        )
    return HarnessFacts(name, hash_, harnesses.knobs(found), "")
