"""The fold of a session's running time: its clocks, waits, pauses and GPUs."""

from __future__ import annotations

import msgspec

from engine.events import ClockMoved, Event, SessionPaused
from engine.state.facts import Gap, Pause, RunState, SessionState, State
from engine.state.feed import feed
from verifier.gpus.device import Gpu

_RUNNING = ("working", "frozen", "waiting")
_LEAST_GAP, _MOST_GAPS = 1.0, 64  # seconds; gaps that are kept of one session


def lease(session: SessionState, event: Event, gpus: tuple[Gpu, ...]) -> None:
    """The session holds these GPUs from now on."""
    session.lease = gpus
    session.gpu_time.move(event.boot, event.stamp, devices=len(gpus))


def pause(state: State, session: SessionState, event: Event, paused: SessionPaused) -> None:
    """It may not work from now on, and the soft limit that was reached is known."""
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
    feed(state, event, "paused", str(session.pause))


def move_clock(state: State, session: SessionState, event: Event, moved: ClockMoved) -> None:
    """Another state for its clock, and with it for its GPU time and the span of its run."""
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
