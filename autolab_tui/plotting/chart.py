"""The trajectory plot: verdict marks, best-so-far step line, reference, budget as the x axis."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from autolab_tui import words
from autolab_tui.glyphs import Glyphs
from autolab_tui.plotting import ticks
from autolab_tui.plotting.canvas import Canvas
from autolab_tui.plotting.decimate import column_of, decimate
from autolab_tui.plotting.window import Window
from autolab_tui.roles import Line, Role, Span, text_of
from autolab_tui.views.layout import Remark, pad, remarks

Axis = Literal["active", "wall", "turns", "tokens", "cost", "share"]
AXES: tuple[Axis, ...] = ("active", "wall", "turns", "tokens", "cost")  # those of one session
AXIS_WORDS: dict[Axis, str] = {
    "active": "active time",
    "wall": "wall time",
    "turns": "turns",
    "tokens": "tokens",
    "cost": "US dollars",
    "share": "of the budget",
}
_WHOLE = Window()
_SAMPLE = 5  # cells of a line in the legend, at most: a break of any line of ours shows in them
_SOLID, _REFERENCE_DASH = (1, 0), (2, 2)  # (dots drawn, dots left out)


@dataclass(frozen=True, slots=True)
class Mark:
    """A verdict on the plot; of marks in one cell the highest rank is seen."""

    x: float
    y: float
    sign: Span
    rank: int
    meaning: str


@dataclass(frozen=True, slots=True)
class Shade:
    """A part of the x axis that was no work; one without width is drawn as a line."""

    start: float
    end: float
    meaning: str


@dataclass(frozen=True, slots=True)
class Series:
    """Another trajectory's best-so-far line: (x, best) at each verdict, up to `now`.

    `dash` is (dots drawn, dots left out), so that lines differ where colours do not.
    """

    name: str
    best: tuple[tuple[float, float], ...]
    now: float
    role: Role
    dash: tuple[int, int] = _SOLID


@dataclass(frozen=True, slots=True)
class Trajectory:
    """What to plot. `best` holds (x, best so far) at each verdict; `end` is the budget's limit."""

    marks: tuple[Mark, ...]
    best: tuple[tuple[float, float], ...]
    now: float
    end: float
    limited: bool
    reference: float
    axis: Axis
    shades: tuple[Shade, ...] = ()
    others: tuple[Series, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """How it is looked at: the part of the x axis, and where the cursor stands, as a share."""

    window: Window = _WHOLE
    cursor: float | None = None


def top_of(trajectory: Trajectory) -> float:
    """The highest reward on the y axis: a round value above all that is shown, at most 1."""
    others = [best[-1][1] for best in (one.best for one in trajectory.others) if best]
    highest = max([trajectory.reference, *(m.y for m in trajectory.marks), *others, 0.05])
    size = ticks.step(highest, 5)
    return min(1.0, size * (int(highest * 1.04 / size) + 1))


def chart(
    trajectory: Trajectory, cells: int, rows: int, glyphs: Glyphs, look: Look = Look()
) -> list[Line]:
    """`rows` lines of `cells` cells: the plot, its axes, and a legend where there is room.

    With a cursor the legend says what stands there.
    """
    legend = rows >= 9 or (look.cursor is not None and rows >= 5)
    plot_rows = rows - (3 if legend else 2)
    top = top_of(trajectory)
    y_ticks = ticks.values(0.0, top, max(1, min(6, plot_rows // 2)))
    labels = ticks.reward_labels(y_ticks)
    gutter = max(len(label) for label in labels) + 2
    plot_cells = cells - gutter - 1
    if plot_rows < 2 or plot_cells < 10:
        return [tuple(pad([("too small to plot", "dim")], cells)) for _ in range(rows)]
    canvas = _draw(trajectory, Canvas(plot_cells, plot_rows), top, look)
    by_row = {_row(tick, top, plot_rows): text for tick, text in zip(y_ticks, labels, strict=True)}
    lines: list[Line] = []
    for row in range(plot_rows):
        label = by_row.get(row, "")
        head: list[Span] = [(f"{label:>{gutter - 1}}", "dim"), (glyphs.column, "axis")]
        lines.append(tuple(pad([*head, *canvas.line(row, glyphs)], cells)))
    lines += _x_axis(trajectory, look, (cells, gutter, plot_cells), glyphs)
    if legend:
        foot = _legend if look.cursor is None else _reading
        parts, room = foot(trajectory, look, glyphs), cells - gutter
        gap = "   " if sum(part.cells + 3 for part in parts) <= room + 3 else "  "
        said = remarks(parts, room, (gap, "text"))
        lines.append(tuple(pad([(" " * gutter, "text"), *said], cells)))
    return lines


def part_of(trajectory: Trajectory, window: Window) -> tuple[float, float]:
    """Where the window begins and ends on the x axis."""
    return window.start * trajectory.end, window.end * trajectory.end


def nearest(trajectory: Trajectory, x: float, within: float) -> Mark | None:
    """The mark next to `x` and at most `within` away; of several the most telling."""
    close = [mark for mark in trajectory.marks if abs(mark.x - x) <= within]
    return min(close, key=lambda mark: (abs(mark.x - x), -mark.rank), default=None)


def level(best: Sequence[tuple[float, float]], x: float) -> float | None:
    """The best so far at `x`, or None before the first verdict."""
    at = bisect_right(best, x, key=lambda pair: pair[0])
    return best[at - 1][1] if at else None


def _y(value: float, top: float, height: int) -> int:
    """The dot row of a reward, counted from the top."""
    share = min(1.0, max(0.0, value / top))
    return round((1.0 - share) * (height - 1))


def _row(value: float, top: float, rows: int) -> int:
    return _y(value, top, rows * 4) // 4


def _draw(trajectory: Trajectory, canvas: Canvas, top: float, look: Look) -> Canvas:
    start, end = part_of(trajectory, look.window)
    _shade(canvas, trajectory, start, end)
    if _shows_now(trajectory, start, end):
        now = column_of(trajectory.now, start, end, canvas.width)
        for y in range(0, canvas.height, 2):
            canvas.dot(now, y, "plot-now")
    for x in range(canvas.width):
        reference = _y(trajectory.reference, top, canvas.height)
        _level(canvas, x, reference, _REFERENCE_DASH, "plot-reference")
    for other in trajectory.others:
        _steps(canvas, other, top, (start, end))
    own = Series("", trajectory.best, trajectory.now, "plot-best")
    _steps(canvas, own, top, (start, end))
    for mark in trajectory.marks:
        if start <= mark.x <= end:
            x = column_of(mark.x, start, end, canvas.width)
            canvas.sign(x, _y(mark.y, top, canvas.height), mark.sign, mark.rank)
    if look.cursor is not None:
        x = column_of(look.cursor * trajectory.end, start, end, canvas.width)
        for y in range(canvas.height):
            canvas.dot(x, y, "plot-cursor")
    return canvas


def _shade(canvas: Canvas, trajectory: Trajectory, start: float, end: float) -> None:
    for shade in trajectory.shades:
        if shade.end < start or shade.start > end:
            continue
        first = column_of(max(start, shade.start), start, end, canvas.width)
        last = column_of(min(end, shade.end), start, end, canvas.width)
        canvas.shade(first // 2, last // 2)


def _steps(canvas: Canvas, series: Series, top: float, part: tuple[float, float]) -> None:
    """The best-so-far line: level until a verdict raises it, up to now."""
    start, end = part
    buckets = decimate(series.best, start, end, canvas.width)
    last = column_of(min(series.now, end), start, end, canvas.width) if series.now >= start else -1
    held = level(series.best, start) if start > 0.0 else None
    for x, bucket in enumerate(buckets):
        if bucket is None:
            if held is not None and x <= last:
                _level(canvas, x, _y(held, top, canvas.height), series.dash, series.role)
            continue
        low = bucket.low if held is None else min(bucket.low, held)
        high = bucket.high if held is None else max(bucket.high, held)
        upper, lower = (_y(v, top, canvas.height) for v in (high, low))
        canvas.column(x, upper, lower, series.role)
        held = bucket.last


def _shows_now(trajectory: Trajectory, start: float, end: float) -> bool:
    """Whether the upright line of now is in this part, and not the plot's end."""
    return trajectory.limited and start <= trajectory.now <= end and trajectory.now < trajectory.end


def _level(canvas: Canvas, x: int, y: int, dash: tuple[int, int], role: Role) -> None:
    """The dot at `x` of a level line, unless the line is broken there."""
    drawn, left_out = dash
    if x % (drawn + left_out) < drawn:
        canvas.dot(x, y, role)


def _sample(dash: tuple[int, int], role: Role, glyphs: Glyphs) -> Span:
    """A piece of a line as the plot has it, for the legend; broken, long enough to show it."""
    canvas = Canvas(min(_SAMPLE, max(2, sum(dash))), 1)
    for x in range(canvas.width):
        _level(canvas, x, canvas.height // 2, dash, role)
    return text_of(canvas.line(0, glyphs)).rstrip(), role


def label_of(axis: Axis, value: float) -> str:
    """A value of an axis in words."""
    if axis in ("active", "wall"):
        return words.duration(value)
    if axis == "share":
        return f"{value:.0%}"
    return words.money(value) if axis == "cost" else words.count(value)


def _tick(axis: Axis, value: float, gap: float) -> str:
    if axis in ("active", "wall"):
        return ticks.time_label(value)
    if axis == "cost":
        return "0" if value == 0 else f"${value:.{0 if gap >= 1 else 2 if gap >= 0.01 else 4}f}"
    return f"{value:.0%}" if axis == "share" else ticks.number_label(value)


def _x_axis(
    trajectory: Trajectory, look: Look, room: tuple[int, int, int], glyphs: Glyphs
) -> list[Line]:
    cells, gutter, plot_cells = room
    axis = trajectory.axis
    start, end = part_of(trajectory, look.window)
    make = ticks.times if axis in ("active", "wall") else ticks.values
    places = make(start, end, max(1, plot_cells // 14))
    gap = places[1] - places[0] if len(places) > 1 else end
    name = AXIS_WORDS[axis]
    if not look.window.whole:
        name = f"{name}, {label_of(axis, start)} to {label_of(axis, end)}"
    rule = [glyphs.rule] * plot_cells
    labels = [" "] * (plot_cells + 1)
    name = name[: plot_cells - 2]
    free = 0
    for place in places:
        column = column_of(place, start, end, plot_cells)
        text = _tick(axis, place, gap)
        left = max(0, min(plot_cells + 1 - len(text), column - (len(text) - 1) // 2))
        rule[column] = glyphs.axis_tick
        if left >= free and left + len(text) <= plot_cells - len(name) - 1:
            labels[left : left + len(text)] = text
            free = left + len(text) + 2
    labels[plot_cells - len(name) : plot_cells] = name
    margin = " " * (gutter - 1)
    return [
        tuple(pad([(margin, "dim"), (glyphs.axis_corner + "".join(rule), "axis")], cells)),
        tuple(pad([(margin + " ", "dim"), ("".join(labels), "dim")], cells)),
    ]


def _legend(trajectory: Trajectory, look: Look, glyphs: Glyphs) -> list[Remark]:
    """What the lines and signs mean."""
    seen: dict[str, Span] = {}
    for mark in trajectory.marks:
        seen.setdefault(mark.meaning, mark.sign)
    if trajectory.others:
        said = [_entry(_sample(s.dash, s.role, glyphs), s.name, 0) for s in trajectory.others]
    else:
        said = [_entry(_sample(_SOLID, "plot-best", glyphs), "best so far", 0)]
    reference = _sample(_REFERENCE_DASH, "plot-reference", glyphs)
    said.append(_entry(reference, f"reference {_two(trajectory.reference)}", 1))
    said += [_entry(sign, meaning, 2) for meaning, sign in seen.items()]
    start, end = part_of(trajectory, look.window)
    if _shows_now(trajectory, start, end):
        upright = Canvas(1, 1)
        upright.dot(0, 0, "plot-now")
        upright.dot(0, upright.height // 2, "plot-now")
        said.append(_entry((text_of(upright.line(0, glyphs)), "plot-now"), "used", 4))
    meanings = dict.fromkeys(shade.meaning for shade in trajectory.shades)
    if meanings:
        said.append(_entry((glyphs.shade * 2, "plot-shade"), ", ".join(meanings), 3))
    return said


def _reading(trajectory: Trajectory, look: Look, glyphs: Glyphs) -> list[Remark]:
    """What stands at the cursor."""
    x = (look.cursor or 0.0) * trajectory.end
    said = [Remark(((f"at {label_of(trajectory.axis, x)}", "strong"),), 0)]
    own = Series("best", trajectory.best, trajectory.now, "plot-best")
    for one in trajectory.others or (own,):
        found = level(one.best, x)
        known = words.UNKNOWN if found is None else words.reward(found)
        sign = _sample(one.dash, one.role, glyphs)
        said.append(Remark((sign, (f" {one.name} {known}", "text")), 1))
    mark = nearest(trajectory, x, look.window.span * trajectory.end / 100)
    if mark is not None:
        value = f" {mark.meaning} {words.reward(mark.y)} at {label_of(trajectory.axis, mark.x)}"
        said.append(Remark((mark.sign, (value, "text")), 0))
    inside = [s for s in trajectory.shades if s.start <= x <= s.end]
    if inside:
        said.append(Remark(((inside[0].meaning, "dim"),), 2))
    return said


def _entry(sign: Span, meaning: str, rank: int) -> Remark:
    return Remark((sign, (f" {meaning}", "dim")), rank)


def _two(value: float) -> str:
    return words.reward(value).rstrip("0").rstrip(".") if value else "0"
