"""A session's trajectory as something to plot."""

from __future__ import annotations

from collections.abc import Callable

from autolab_tui.glyphs import Glyphs
from autolab_tui.plotting.chart import Axis, Mark, Shade, Trajectory
from autolab_tui.store import Moment
from autolab_tui.views import sessions as say
from engine.state import Point, SessionState

_OF_POINT: dict[Axis, Callable[[Point], float]] = {
    "active": lambda point: point.active,
    "wall": lambda point: point.wall,
    "turns": lambda point: float(point.turns),
    "tokens": lambda point: float(point.tokens),
    "cost": lambda point: point.cost or 0.0,
}
# Of marks in one cell the more telling is seen.
_RANKS = {
    "no better": (0, "no better"),
    "not judged": (1, "not judged"),
    "improved": (2, "improved"),
    "suspect": (3, "suspect"),
    "gate failed": (4, "gate failed"),
    "final": (5, "final"),
}


def trajectory(
    session: SessionState, moment: Moment, axis: Axis, glyphs: Glyphs, whole: bool = True
) -> Trajectory:
    """The plot of a session along a budget; `whole` reaches to the budget's end, else to now."""
    x_of = _OF_POINT[axis]
    points = session.points
    now = _now(session, moment, axis)
    reached = max([now, *(x_of(point) for point in points)])
    limit = say.hard(session, axis)
    limited = whole and limit is not None and limit > 0
    end = max(reached, limit) if limited and limit is not None else reached
    if not limited:
        end *= 1.02
    marks = tuple(
        _mark(point, x_of(point), before, glyphs)
        for point, before in zip(points, say.best_before(points), strict=True)
    )
    best = tuple(sorted(((x_of(p), p.best) for p in points), key=lambda pair: pair[0]))
    return Trajectory(
        marks,
        best,
        now,
        end or 1.0,
        limited,
        session.reference_reward,
        axis,
        shades=_shades(session, axis),
    )


def _shades(session: SessionState, axis: Axis) -> tuple[Shade, ...]:
    """Where there was no work: waits have a width in wall time, everything else is a moment."""
    if axis not in ("active", "wall"):
        return ()
    found = []
    for gap in session.gaps:
        start = gap.wall if axis == "wall" else gap.active
        wide = gap.seconds if axis == "wall" and gap.state == "waiting" else 0.0
        found.append(Shade(start, start + wide, gap.cause or gap.state))
    return tuple(found)


def _now(session: SessionState, moment: Moment, axis: Axis) -> float:
    if axis == "active":
        return session.clocks.active(moment.boot, moment.stamp)
    if axis == "wall":
        return session.clocks.wall(moment.boot, moment.stamp)
    if axis == "cost":
        return session.usage.cost or 0.0
    return float(session.turn if axis == "turns" else session.usage.tokens)


def _mark(point: Point, x: float, before: float, glyphs: Glyphs) -> Mark:
    sign = say.sign_of(point, before, glyphs)
    rank, meaning = _RANKS[say.meaning_of(point, before)]
    return Mark(x, point.reward or 0.0, sign, rank, meaning)
