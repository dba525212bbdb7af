"""What can be said of one session at one moment, whichever screen says it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import msgspec

from autolab_tui import words
from autolab_tui.glyphs import Glyphs
from autolab_tui.plain import cut_middle, plain
from autolab_tui.roles import Role, Span
from autolab_tui.store import Moment
from engine.events import SessionPhase
from engine.state import Point, SessionState

_RUN_ROLES: dict[SessionPhase, Role] = {
    "queued": "run-queued",
    "preparing": "run-preparing",
    "running": "run-running",
    "paused": "run-paused",
    "verifying": "run-verifying",
    "finished": "run-finished",
    "failed": "run-failed",
}
_VERDICT_WORDS: dict[str, tuple[str, Role]] = {
    "scored": ("scored", "verdict-pass"),
    "zero": ("zero", "verdict-fail"),
    "rejected": ("rejected", "verdict-fail"),
    "not_judged": ("not judged", "verdict-unjudged"),
    "suspect": ("suspect", "verdict-suspect"),
}


class Use(msgspec.Struct, frozen=True):
    """How much of the budgets of time is used, as shares; None has no limit.

    `gpu` is of all the session's devices together, and 0 without a limit for one that needs none.
    """

    active: float
    active_limit: float | None
    wall: float
    wall_limit: float | None
    gpu: float = 0.0
    gpu_limit: float | None = None

    @property
    def share(self) -> float | None:
        """Of active and of GPU time, what is nearer its limit: both pass with work alone."""
        return max((s for s in (self._active_share, self.gpu_share) if s is not None), default=None)

    @property
    def _active_share(self) -> float | None:
        return self.active / self.active_limit if self.active_limit else None

    @property
    def gpu_share(self) -> float | None:
        """GPU time used over its limit."""
        return self.gpu / self.gpu_limit if self.gpu_limit else None

    @property
    def gpu_ends_it(self) -> bool:
        """Whether GPU time is nearer its limit than active time."""
        return self.gpu_share is not None and self.gpu_share > (self._active_share or 0.0)

    @property
    def wall_share(self) -> float | None:
        """Wall time used over its cap."""
        return self.wall / self.wall_limit if self.wall_limit else None


def hard(session: SessionState, key: str) -> float | None:
    """The hard limit of a budget, or None."""
    limit = session.budget.get(key)
    return limit.hard if limit is not None else None


def use(session: SessionState, moment: Moment) -> Use:
    """The session's budgets of time at a moment."""
    clocks, on_gpus = session.clocks, bool(session.want.count)
    return Use(
        clocks.active(moment.boot, moment.stamp),
        hard(session, "active"),
        clocks.wall(moment.boot, moment.stamp),
        hard(session, "wall"),
        session.gpu_time.seconds(moment.boot, moment.stamp) if on_gpus else 0.0,
        hard(session, "gpu") if on_gpus else None,
    )


def attempt(session: SessionState) -> str:
    """Which attempt at its task it is, as it follows the task's name; nothing for the first."""
    return f" #{session.attempt}" if session.attempt > 1 else ""


def task(session: SessionState, cells: int) -> tuple[Span, ...]:
    """Its task, and which attempt it is from the second on."""
    again = attempt(session)
    name = cut_middle(plain(session.task), max(1, cells - len(again)))
    return ((name, "strong"), (again, "dim")) if again else ((name, "strong"),)


def who(session: SessionState) -> str:
    """The model, or the scripted agent that takes its place."""
    return plain(session.model or session.agent)


def state_role(session: SessionState) -> Role:
    """The role of its state's word and sign."""
    return _RUN_ROLES[session.state]


def state_role_of(state: SessionPhase) -> Role:
    """The role of a state's word and sign."""
    return _RUN_ROLES[state]


def state_spans(session: SessionState, glyphs: Glyphs) -> tuple[Span, ...]:
    """Its state as a sign and a word."""
    role = state_role(session)
    return ((f"{glyphs.states[session.state]} {session.state}", role),)


def activity(session: SessionState, moment: Moment) -> tuple[str, float | None]:
    """What it is doing, in words, and for how long; no age when nothing is going on."""
    clocks = session.clocks
    if session.over:
        said = session.outcome.replace("_", " ") if session.outcome else session.state_reason
        return plain(said), None
    if session.pause is not None:
        running = session.state != "paused" and clocks.state != "paused"
        # That it is paused its state says; what is leased says what it keeps of its GPUs.
        said = f"pausing: {session.pause}" if running else str(session.pause)
        kept = f"; {session.activity}" if session.lease and not running else ""
        return plain(said + kept), max(0.0, moment.at - session.pause.at)
    if clocks.state in ("paused", "frozen", "waiting") and clocks.reason:
        age = moment.stamp - clocks.since if clocks.boot == moment.boot else None
        word, reason = clocks.state, plain(clocks.reason)
        # What it waits for says that it waits, and the room is small.
        known = word == "waiting" or reason.startswith(word)
        return (reason if known else f"{word}: {reason}"), age
    age = None
    if session.activity and session.activity_boot == moment.boot:
        age = max(0.0, moment.stamp - session.activity_stamp)
    return plain(session.activity or session.state_reason), age


def since_improvement(session: SessionState, moment: Moment) -> float | None:
    """Active seconds since the best reward last rose, or None if it never did."""
    if session.last_improvement_active is None:
        return None
    return max(0.0, use(session, moment).active - session.last_improvement_active)


def last_point(session: SessionState) -> Point | None:
    """Its newest verdict."""
    return session.points[-1] if session.points else None


def verdict_words(point: Point) -> tuple[str, Role]:
    """A verdict in a few words: the failed gate, else its status and reward."""
    if point.failed_gate is not None:
        return f"gate {plain(point.failed_gate)} failed", "verdict-fail"
    word, role = _VERDICT_WORDS[point.status]
    if point.status in ("scored", "suspect") and point.reward is not None:
        faster = f" {words.speedup(point.speedup)}" if point.speedup is not None else ""
        return f"{word} {words.reward(point.reward)}{faster}", role
    return word, role


def meaning_of(point: Point, before: float) -> str:
    """What a verdict means on the trajectory; `before` is the best reward before it."""
    if point.failed_gate is not None or point.status == "rejected":
        return "gate failed"
    if point.status == "not_judged":
        return "not judged"
    if point.status == "suspect":
        return "suspect"
    if point.stage == "final":
        return "final"
    return "improved" if point.reward is not None and point.reward > before else "no better"


def sign_of(point: Point, before: float, glyphs: Glyphs) -> Span:
    """The mark of a verdict, on the plot and in lists."""
    signs: dict[str, Span] = {
        "gate failed": (glyphs.failed, "verdict-fail"),
        "not judged": (glyphs.unjudged, "verdict-unjudged"),
        "suspect": (glyphs.suspect, "verdict-suspect"),
        "final": (glyphs.final, "strong"),
        "improved": (glyphs.improved, "verdict-pass"),
        "no better": (glyphs.scored, "text"),
    }
    return signs[meaning_of(point, before)]


def best_before(points: Sequence[Point]) -> list[float]:
    """For each verdict the best reward before it, 0 at first."""
    return [0.0, *(point.best for point in points[:-1])] if points else []


def spark(session: SessionState, used: Use, cells: int, glyphs: Glyphs) -> list[Span]:
    """Best-so-far over the active budget: a cell for each part of the budget that has passed."""
    points = session.points
    limit = used.active_limit or max(used.active, 1.0)
    share = min(1.0, used.active / limit)
    filled = min(cells, max(1, round(share * cells))) if points else 0
    top = max(session.reference_reward, session.best_reward or 0.0, 1e-9)
    times = [point.active for point in points]
    drawn: list[str] = []
    for cell in range(filled):
        edge = used.active if cell == filled - 1 else (cell + 1) / cells * limit
        index = bisect_right(times, edge) - 1
        if index < 0:
            drawn.append(" ")
        else:
            level = min(1.0, max(0.0, points[index].best / top))
            drawn.append(glyphs.spark[round(level * (len(glyphs.spark) - 1))])
    return [("".join(drawn), "spark"), (" " * (cells - filled), "text")]


def bar(used: Use, cells: int, glyphs: Glyphs) -> list[Span]:
    """The budget of work used, as a bar; the tick stands where wall time is within its cap."""
    share = used.share
    if share is None:
        return [(" " * cells, "text")]
    halves = min(2 * cells, max(0, round(share * cells * 2)))
    role: Role = "bad" if share >= 0.95 else "warn" if share >= 0.8 else "bar-used"
    full = glyphs.bar_full * (halves // 2) + (glyphs.bar_half if halves % 2 else "")
    spans: list[Span] = [(full, role), (glyphs.bar_empty * (cells - len(full)), "bar-left")]
    if used.wall_share is None:
        return spans
    tick = min(cells - 1, int(min(1.0, used.wall_share) * cells))
    return _overwrite(spans, tick, (glyphs.bar_tick, "bar-tick"))


def _overwrite(spans: Sequence[Span], at: int, sign: Span) -> list[Span]:
    """The spans (of one-cell characters) with the character at `at` replaced."""
    done: list[Span] = []
    for text, role in spans:
        if 0 <= at < len(text):
            done += [(text[:at], role), sign, (text[at + 1 :], role)]
        else:
            done.append((text, role))
        at -= len(text)
    return [span for span in done if span[0]]
