"""The best reward so far as a step line over the clock that counts."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from engine.runs.outcomes import COUNTED
from engine.session.endings import moment
from engine.state import Point, SessionState


@dataclass(frozen=True, slots=True)
class Curve:
    """Steps at `times` (seconds, rising) to `rewards` (rising); 0 before the first."""

    times: tuple[float, ...] = ()
    rewards: tuple[float, ...] = ()

    def at(self, seconds: float) -> float:
        """The best reward up to and including a moment."""
        index = bisect_right(self.times, seconds)
        return self.rewards[index - 1] if index else 0.0

    @property
    def best(self) -> float:
        """The highest step."""
        return self.rewards[-1] if self.rewards else 0.0

    def area(self, end: float) -> float:
        """The mean height over [0, end]; the last step goes on to the end."""
        total = 0.0
        edges = (*(min(t, end) for t in self.times), end)
        for index, reward in enumerate(self.rewards):
            total += reward * (edges[index + 1] - edges[index])
        return total / end

    def reaches(self, reward: float) -> float | None:
        """The first moment with at least this reward, or None."""
        found = (t for t, r in zip(self.times, self.rewards, strict=True) if r >= reward)
        return next(found, None)


def counts(point: Point) -> bool:
    """Whether the verdict's reward counts: suspect and unjudged ones do not."""
    return point.reward is not None and point.status in COUNTED


def curve(session: SessionState) -> Curve:
    """The best-so-far curve of a session."""
    times: list[float] = []
    rewards: list[float] = []
    placed = sorted(
        (moment(p, session.counts), p.reward)
        for p in session.points
        if counts(p) and p.reward is not None
    )
    for at, reward in placed:
        if reward <= (rewards[-1] if rewards else 0.0):
            continue
        if times and times[-1] == at:
            rewards[-1] = reward
        else:
            times.append(max(0.0, at))
            rewards.append(reward)
    return Curve(tuple(times), tuple(rewards))
