"""What lies ahead of the runs on the screen: when they will be done, and for how much."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from autolab_tui import words
from autolab_tui.roles import Span
from autolab_tui.store import Moment
from autolab_tui.views.layout import Remark
from engine.clock import Clock
from engine.state import State

if TYPE_CHECKING:
    from engine.analysis.forecast import Forecast

Three = tuple[float, float, float]  # expected, low, high


@dataclass(frozen=True, slots=True)
class Ahead:
    """Unix times, and US dollars; None where it cannot be told."""

    finish: Three | None
    cost: Three | None


def reckon(state: State, runs: Sequence[str], moment: Moment) -> Callable[[], Ahead | None]:
    """What makes the outlook of these runs, on any thread; all of `state` has been read before."""
    from engine.analysis.forecast import prospect  # not before the first paint

    clock = Clock(boot=lambda: moment.boot, now=lambda: moment.stamp, wall=lambda: moment.at)
    makers = [prospect(state, state.runs[run], clock) for run in runs if run in state.runs]
    return partial(_together, [make for make in makers if make is not None])


def _together(makers: Sequence[Callable[[], Forecast]]) -> Ahead | None:
    """Runs side by side: the last to finish, and the sum of what they cost."""
    found = [make() for make in makers]
    if not found:
        return None
    finishes = [_times(f) for f in found]
    costs = [(f.cost.expected, f.cost.low, f.cost.high) if f.cost else None for f in found]
    known_times = [t for t in finishes if t is not None]
    known_costs = [c for c in costs if c is not None]
    return Ahead(
        _each(max, known_times) if len(known_times) == len(found) else None,
        _each(sum, known_costs) if len(known_costs) == len(found) else None,
    )


def _each(of: Callable[[list[float]], float], many: Sequence[Three]) -> Three:
    expected, low, high = (of([three[at] for three in many]) for at in range(3))
    return expected, low, high


def _times(forecast: Forecast) -> Three | None:
    if forecast.finish is None:
        return None
    finish = forecast.finish
    expected, low, high = (
        datetime.fromisoformat(text).timestamp()
        for text in (finish.expected, finish.low, finish.high)
    )
    return expected, low, high


def remarks(ahead: Ahead, moment: Moment) -> list[Remark]:
    """The outlook for the header strip: each figure with its interval."""
    said = []
    if ahead.finish is not None:
        expected, low, high = ahead.finish
        spans: list[Span] = [("done ", "dim"), (_clock(expected, moment), "text")]
        if high - low >= 60:
            spans.append((f" ({_clock(low, moment)} to {_clock(high, moment)})", "dim"))
        said.append(Remark(tuple(spans), 2))
    if ahead.cost is not None and ahead.cost[2] > 0:
        money, least, most = (words.money(dollars) for dollars in ahead.cost)
        spans = [("for ", "dim"), (money, "text")]
        if least != most:
            spans.append((f" ({least} to {most})", "dim"))
        said.append(Remark(tuple(spans), 3))
    return said


def _clock(at: float, moment: Moment) -> str:
    """The time of day; before it the day's name where it is another, or the date a week from now.

    Another year's date has no time of day.
    """
    try:
        there, here = (datetime.fromtimestamp(t).astimezone() for t in (at, moment.at))
    except (ValueError, OverflowError, OSError):  # beyond the calendar
        return words.UNKNOWN
    if there.date() == here.date():
        return there.strftime("%H:%M")
    if abs(there - here) < timedelta(days=6):
        return there.strftime("%a %H:%M")
    if there.year == here.year:
        return f"{there.day} {there.strftime('%b %H:%M')}"
    return f"{there.day} {there.strftime('%b %Y')}"
