"""A session's trajectory as a picture in the page: no script, no font, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from autolab_tui.plotting import ticks
from autolab_tui.report.markup import Markup, element, join
from engine.analysis.curve import counts, curve
from engine.state import Point, SessionState

WIDTH, HEIGHT = 720.0, 210.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 12.0, 12.0, 30.0
_MOST_MARKS = 600
MEANINGS = {
    "improved": "better than all before",
    "same": "no better",
    "gate": "a gate failed",
    "suspect": "suspect",
    "unjudged": "not judged",
    "final": "final",
}


def meaning(point: Point, best_before: float, last: bool) -> str:
    """Which mark a verdict gets: a key of `MEANINGS`."""
    if point.status == "suspect":
        return "suspect"
    if not counts(point):
        return "unjudged"
    if point.failed_gate is not None:
        return "gate"
    if last and point.stage == "final":
        return "final"
    return "improved" if (point.reward or 0.0) > best_before else "same"


def trajectory(session: SessionState, used: float, budget: float | None) -> Markup:
    """The picture. `used` and `budget` in seconds of the clock that counts."""
    placed = marks(session)
    end = max([1.0, budget or 0.0, used, *(at for at, _, _ in placed)])
    x = _Scale(0.0, end, _LEFT, WIDTH - _RIGHT)
    y = _Scale(0.0, 1.0, HEIGHT - _BOTTOM, _TOP)
    shown = _thinned(placed)
    left_out = len(placed) - len(shown)
    label = f"best reward so far of {session.id} over its {session.counts} time"
    return element(
        "svg",
        element("title", label),
        _axes(x, y, end),
        element("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y(session.reference_reward),
                y2=y(session.reference_reward), class_="reference"),
        _now(session, x, y, used, end),
        _line(session, x, y, used),
        element("g", *(_mark(kind, x(at), y(point.reward or 0.0), point)
                       for at, point, kind in shown)),
        element("text", f"{left_out} more marks are not drawn", x=WIDTH - _RIGHT, y=_TOP + 10,
                class_="tick", text_anchor="end") if left_out else None,
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}", role="img", class_="trajectory",
    )  # fmt: skip


def marks(session: SessionState) -> list[tuple[float, Point, str]]:
    """Every verdict with its moment (seconds of the clock that counts) and its mark."""
    found, best = [], 0.0
    for index, point in enumerate(session.points):
        at = point.wall if session.counts == "wall" else point.active
        kind = meaning(point, best, session.over and index == len(session.points) - 1)
        if counts(point):
            best = max(best, point.reward or 0.0)
        found.append((max(0.0, at), point, kind))
    return found


def legend() -> Markup:
    """What the marks and lines mean."""
    items = [
        element(
            "span",
            element("svg", _shape(kind, 7.0, 7.0), viewBox="0 0 14 14", class_="key"),
            words,
        )
        for kind, words in MEANINGS.items()
    ]
    lines = [
        element(
            "span",
            element("svg", element("line", x1=0, x2=22, y1=7, y2=7, class_=kind),
                    viewBox="0 0 22 14", class_="key wide"),
            words,
        )
        for kind, words in (("best", "best so far"), ("reference", "the reference's reward"))
    ]  # fmt: skip
    shade = element(
        "span",
        element("svg", element("rect", width=22, height=14, class_="unused"),
                viewBox="0 0 22 14", class_="key wide"),
        "budget not used",
    )  # fmt: skip
    return element("p", *lines, *items, shade, class_="legend")


class _Scale:
    """From values to pixels."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self._low, self._start = low, start
        self._factor = (end - start) / (high - low)

    def __call__(self, value: float) -> float:
        return self._start + (value - self._low) * self._factor


def _axes(x: _Scale, y: _Scale, end: float) -> Markup:
    parts = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(element("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y(value), y2=y(value),
                             class_="grid"))  # fmt: skip
        parts.append(element("text", f"{value:g}", x=_LEFT - 6, y=y(value) + 4, class_="tick",
                             text_anchor="end"))  # fmt: skip
    for value in ticks.times(0.0, end, 8):
        parts.append(element("line", x1=x(value), x2=x(value), y1=y(0.0), y2=y(0.0) + 4,
                             class_="grid"))  # fmt: skip
        parts.append(element("text", ticks.time_label(value), x=x(value), y=HEIGHT - 10,
                             class_="tick", text_anchor="middle"))  # fmt: skip
    return element("g", *parts)


def _now(session: SessionState, x: _Scale, y: _Scale, used: float, end: float) -> Markup:
    """The part of the budget that was not used, shaded."""
    if used >= end:
        return join()
    return element("rect", x=x(used), y=y(1.0), width=x(end) - x(used), height=y(0.0) - y(1.0),
                   class_="unused")  # fmt: skip


def _line(session: SessionState, x: _Scale, y: _Scale, used: float) -> Markup:
    line = curve(session)
    path = [f"M{x(0.0):.1f} {y(0.0):.1f}"]
    for at, reward in zip(line.times, line.rewards, strict=True):
        path.append(f"H{x(at):.1f}V{y(reward):.1f}")
    path.append(f"H{x(max([used, *line.times])):.1f}")
    return element("path", d="".join(path), class_="best")


def _mark(kind: str, x: float, y: float, point: Point) -> Markup:
    reward = "not judged" if point.reward is None else f"reward {point.reward:.3f}"
    gate = f", gate {point.failed_gate} failed" if point.failed_gate else ""
    said = f"{ticks.time_label(round(point.active))}: {reward}{gate}. {point.reason}"
    return element("g", _shape(kind, x, y), element("title", said[:300]))


def _shape(kind: str, x: float, y: float) -> Markup:
    match kind:
        case "gate":
            d = f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"
            return element("path", d=d, class_="mark gate")
        case "suspect":
            return element("path", d=f"M{x:.1f} {y - 5:.1f}l5 9h-10z", class_="mark suspect")
        case "final":
            return element("path", d=f"M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z", class_="mark final")
        case "unjudged":
            return element("rect", x=x - 3.5, y=y - 3.5, width=7, height=7, class_="mark unjudged")
        case "improved":
            return element("circle", cx=x, cy=y, r=4, class_="mark improved")
    return element("circle", cx=x, cy=y, r=2.5, class_="mark same")


def _thinned(
    placed: Sequence[tuple[float, Point, str]],
) -> list[tuple[float, Point, str]]:
    """At most so many marks that a page stays small; every kind is thinned alike."""
    if len(placed) <= _MOST_MARKS:
        return list(placed)
    kinds = {kind: list(group) for kind, group in
             groupby(sorted(placed, key=lambda m: m[2]), key=lambda m: m[2])}  # fmt: skip
    kept = []
    for group in kinds.values():
        room = max(1, len(group) * _MOST_MARKS // len(placed))
        kept += [group[i * len(group) // room] for i in range(room)]
    return sorted(kept, key=lambda mark: mark[0])
