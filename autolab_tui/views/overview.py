"""The two lines at the top of the fleet: is everything alive, how far, what did it cost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from autolab_tui import words
from autolab_tui.plain import cut, plain, width
from autolab_tui.roles import Line, Span
from autolab_tui.store import Moment
from autolab_tui.views import sessions as say
from autolab_tui.views.fleet import Choice, in_scope, runs_shown
from autolab_tui.views.frame import Frame
from autolab_tui.views.layout import Remark, between, pad, remark, remarks
from autolab_tui.views.sorting import LEAST_NEED, need
from engine.events import Limit, SessionPhase, Usage
from engine.state import ProviderState, SessionState, State
from engine.state.waiting import Held, held_up

if TYPE_CHECKING:  # what reckons is loaded when there is an outlook
    from autolab_tui.views.ahead import Ahead

_LIVELIEST_FIRST: tuple[SessionPhase, ...] = (
    *("running", "verifying", "preparing", "paused", "queued"),
)
WIDE = 120  # cells from which providers are told of in full
LAGGING = 1.0  # seconds of loop lag from which the engine is called slow


def heartbeat(frame: Frame) -> list[Span]:  # noqa: PLR0911 - one return for each standing
    """A sign that moves while the engine is heard, and a word for how it is."""
    health, glyphs = frame.health, frame.glyphs
    sign = glyphs.pulse[frame.beat % len(glyphs.pulse)]
    if health.standing == "replay":
        return [(f"{sign} replay", "accent")]
    if health.standing == "connecting":
        return [(f"{sign} connecting to the engine", "dim")]
    if health.standing == "down":
        seen = f", data {words.duration(health.age)} old" if health.age else ""
        return [(f"{glyphs.failed} engine down{seen}", "bad")]
    if health.standing == "foreign":
        return [(f"{glyphs.failed} engine of another version", "bad")]
    if health.standing == "stale":
        seen = f", data {words.duration(health.age)} old" if health.age else ""
        return [(f"{glyphs.alert} engine silent{seen}", "warn")]
    if health.trouble:
        return [(f"{glyphs.alert} engine in trouble", "bad")]
    if health.loop_lag >= LAGGING:
        return [(f"{sign} engine slow, {health.loop_lag:.1f} s behind", "warn")]
    return [(sign, "good"), (" engine live", "dim")]


class Survey(msgspec.Struct, frozen=True):
    """What the strip counts over all sessions in scope; it changes only with state and choice."""

    sessions: tuple[SessionState, ...]
    progress: tuple[Remark, ...]
    spent: tuple[Remark, ...]
    trust: tuple[Remark, ...]
    waits: Mapping[str, Held] = {}
    gpu_limit: float | None = None  # of all of them together, in seconds


def survey(state: State, choice: Choice) -> Survey:
    """Count what the strip says."""
    sessions = in_scope(state, choice)
    runs = runs_shown(state, choice)
    if not runs:
        return Survey((), (), (remark("no run yet", "dim"),), ())
    name = f"run {plain(runs[0])}" if len(runs) == 1 else words.plural(len(runs), "run")
    usage = sum((s.usage for s in sessions), Usage())
    cost = words.cost(usage.cost, usage.unpriced)
    limits = state.runs[runs[0]].budget if len(runs) == 1 else {}
    together = limits.get("cost", Limit()).hard
    if together is not None:
        cost += f" of {words.money(together)}"
    spent = (
        remark(name, "text", rank=3),
        Remark((("cost ", "dim"), (cost, "text")), rank=1),
        Remark(((words.count(usage.tokens), "text"), (" tokens", "dim")), rank=5),
    )
    trust = [_trust(sessions)]
    bests = [s for s in sessions if s.last_improvement_active is not None]
    if bests:
        better = f"{len(bests)} of {len(sessions)}"
        trust.append(Remark(((better, "text"), (" improved on the baseline", "dim")), rank=6))
    older = len(state.runs) - len(runs)
    if older > 0:
        trust.append(remark(f"{older} older: a", "dim", rank=4))
    progress = tuple(_progress(sessions))
    on_gpus = limits.get("gpu", Limit()).hard
    return Survey(tuple(sessions), progress, spent, tuple(trust), held_up(sessions), on_gpus)


def lines(  # noqa: PLR0917 - all but the first four may be left out
    state: State,
    choice: Choice,
    frame: Frame,
    cells: int,
    ahead: Ahead | None = None,
    counted: Survey | None = None,
) -> tuple[Line, Line]:
    """The header strip of the fleet screen; `ahead` is the outlook where it is known.

    `counted` is the survey of this state, where it has been made before.
    """
    if counted is None:
        counted = survey(state, choice)
    health, moment, glyphs = frame.health, frame.moment, frame.glyphs
    clock: Span = (words.hour(moment.at), "dim")
    separator: Span = (f" {glyphs.separator} ", "faint")
    left: list[Span] = [("AutoLab  ", "title"), *heartbeat(frame)]
    room = cells - 5 - sum(width(text) for text, _ in left)
    right = remarks([*counted.progress, Remark((clock,), rank=2)], room, separator)
    top = between([(" ", "text"), *left], [*right, (" ", "text")], cells)
    second: list[Span]
    if health.standing == "down":
        # The remedy first: a reason is often longer than the line.
        second = [("autolab engine start", "key"), (" starts it; trying again. ", "dim")]
        second.append((cut(plain(health.reason), max(0, cells - 48)), "warn"))
    elif health.standing == "foreign":
        second = [("autolab engine restart", "key"), (" puts this one in its place", "dim")]
    elif health.reason:
        second = [
            ("autolab engine anomalies", "key"),
            (" says why, and what helps; trying again", "dim"),
        ]
    elif health.trouble:
        second = [(_trouble(plain(health.trouble), cells - 2), "warn")]
    else:
        said = [*counted.spent, *_providers(state, counted, moment, cells >= WIDE)]
        if counted.trust:
            said += [_left(counted.sessions, moment), *counted.trust]
        on_gpus = [one.gpu_time for one in counted.sessions if one.want.count]
        if on_gpus:
            seconds = sum(time.seconds(moment.boot, moment.stamp) for time in on_gpus)
            of = "" if counted.gpu_limit is None else f" of {words.limit(counted.gpu_limit)}"
            spans: tuple[Span, ...] = (("GPU ", "dim"), (words.duration(seconds) + of, "text"))
            said.insert(2, Remark(spans, rank=4))
        if ahead is not None and any(not s.over for s in counted.sessions):
            from autolab_tui.views import ahead as foresight

            said[2:2] = foresight.remarks(ahead, moment)
        second = remarks(said, cells - 2, separator)
    return top, tuple(pad([(" ", "text"), *second], cells))


def _trouble(text: str, cells: int) -> str:
    """What is wrong and what to do; where that is too long, what to do first."""
    what, _, remedy = text.partition("; ")
    return text if width(text) <= cells or not remedy else cut(f"{remedy}: {what}", cells)


def _progress(sessions: list[SessionState]) -> list[Remark]:
    if not sessions:
        return []
    over = sum(s.over for s in sessions)
    counts = Counter(s.state for s in sessions if not s.over)
    said = [remark(f"{over} of {len(sessions)} finished", "strong")]
    needy = sum(need(s) <= LEAST_NEED for s in sessions)
    if needy:
        said.append(remark(f"{needy} {'needs' if needy == 1 else 'need'} you", "warn"))
    for rank, state in enumerate(_LIVELIEST_FIRST, 3):
        if counts[state]:
            said.append(remark(f"{counts[state]} {state}", "text", rank))
    failed = sum(s.state == "failed" for s in sessions)
    if failed:
        said.insert(1, remark(f"{failed} failed", "bad", rank=1))
    return said


def _providers(state: State, counted: Survey, moment: Moment, wide: bool) -> list[Remark]:
    """How the API of each provider fares: answers a minute, and what holds calls up.

    A call is in line when the account already takes as many as it is known to bear; who backs off
    waits for the time that is said at most. Not `wide`, this leaves out how many the account takes,
    who backs off while others are in line, and all but the most frequent failure.
    """
    said, at = [], moment.at
    for name, waits in counted.waits.items():
        known = state.providers.get(name) or ProviderState()
        rate = known.rate(at)
        parts = [f"{rate:.0f}/min" if rate >= 1 or not rate else "under 1/min"]
        queue, backing = waits.in_line, waits.backing
        if queue:
            places = f"{known.places} at once, " if wide and known.places is not None else ""
            parts.append(f"{places}{queue} in line")
        if backing and (wide or not queue):
            left = waits.left(moment.boot, moment.stamp)
            most = "" if left < 1 else " for " if backing == 1 else " for up to "
            longest = most + words.short(left) if most else ""
            parts.append(f"{backing} {'backs' if backing == 1 else 'back'} off{longest}")
        failures = known.failures(at)
        if failures:
            cause = max(failures, key=lambda one: failures[one])
            more = sum(failures.values()) - failures[cause] if wide else 0
            parts.append(f"{failures[cause]}x {plain(cause)}" + (f" +{more}" if more else ""))
        held = queue or backing or failures
        if held or rate:
            text = f"{plain(name)} {', '.join(parts)}"
            said.append(remark(text, "warn" if held else "dim", 1 if held else 5))
    return said


def _seconds_left(session: SessionState, moment: Moment) -> float:
    """Of work, until the hard limit of active or of GPU time; infinite where there is neither."""
    left, when = math.inf, (moment.boot, moment.stamp)
    active, gpu = say.hard(session, "active"), say.hard(session, "gpu")
    if active is not None:
        left = active - session.clocks.active(*when)
    if gpu is not None and session.want.count:
        left = min(left, (gpu - session.gpu_time.seconds(*when)) / session.want.count)
    return max(0.0, left)


def _left(sessions: Sequence[SessionState], moment: Moment) -> Remark:
    """An upper bound for the end: the longest budget left among the sessions at work."""
    waiting = sum(s.state == "queued" for s in sessions)
    closing = sum(s.state == "verifying" for s in sessions)
    working = [s for s in sessions if s.state in ("preparing", "running", "paused")]
    if not working and not waiting:
        if closing:
            return remark(f"{words.plural(closing, 'final verdict')} to come", "dim", rank=2)
        return remark("all over", "good", rank=2)
    left = [_seconds_left(s, moment) for s in working]
    known = [seconds for seconds in left if math.isfinite(seconds)]
    spans: list[Span] = []
    if known:
        longest = words.duration(max(known))
        spans += [("at most ", "dim"), (longest, "text"), (" left", "dim")]
    if waiting:
        spans += [((", then " if spans else "") + f"{waiting} queued", "dim")]
    if not spans:
        spans = [("no limit of time", "dim")]
    return Remark(tuple(spans), rank=2)


def _trust(sessions: list[SessionState]) -> Remark:
    """Whether the scores can be trusted: how many verdicts, and what is wrong with any."""
    points = [point for s in sessions for point in s.points]
    if not points:
        return remark("no verdict yet", "dim", rank=2)
    suspect = sum(p.status == "suspect" for p in points)
    unjudged = sum(p.status == "not_judged" for p in points)
    unofficial = sum(1 for s in sessions if s.points and not s.official)
    spans: list[Span] = [(words.plural(len(points), "verdict"), "text")]
    for number, word in ((suspect, "suspect"), (unjudged, "not judged")):
        if number:
            spans.append((f", {number} {word}", "warn"))
    if unofficial:
        spans.append((f", {words.plural(unofficial, 'session')} unofficial", "warn"))
    elif len(spans) == 1:
        spans.append((", all official", "dim"))
    return Remark(tuple(spans), rank=1)
