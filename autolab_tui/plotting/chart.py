"""The trajectory plot: verdict marks, best-so-far step line, reference, budget as the x axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autolab_tui import words
from autolab_tui.glyphs import Glyphs
from autolab_tui.plotting import ticks
from autolab_tui.plotting.canvas import Canvas
from autolab_tui.plotting.decimate import column_of, decimate
from autolab_tui.roles import Line, Role, Span
from autolab_tui.views.layout import Remark, pad, remarks

Axis = Literal["active", "wall", "turns", "tokens"]
AXES: tuple[Axis, ...] = ("active", "wall", "turns", "tokens")
AXIS_WORDS: dict[Axis, str] = {
    "active": "active time",
    "wall": "wall time",
    "turns": "turns",
    "tokens": "tokens",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """A verdict on the plot; of marks in one cell the highest rank is seen."""

    x: float
    y: float
    sign: Span
    rank: int
    meaning: str


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


def top_of(trajectory: Trajectory) -> float:
    """The highest reward on the y axis: a round value above all that is shown, at most 1."""
    highest = max([trajectory.reference, *(m.y for m in trajectory.marks), 0.05])
    size = ticks.step(highest, 5)
    return min(1.0, size * (int(highest * 1.04 / size) + 1))


def chart(trajectory: Trajectory, cells: int, rows: int, glyphs: Glyphs) -> list[Line]:
    """`rows` lines of `cells` cells: the plot, its axes, and a legend where there is room."""
    legend = rows >= 9
    plot_rows = rows - (3 if legend else 2)
    top = top_of(trajectory)
    y_ticks = ticks.values(0.0, top, max(1, min(6, plot_rows // 2)))
    labels = ticks.reward_labels(y_ticks)
    gutter = max(len(label) for label in labels) + 2
    plot_cells = cells - gutter - 1
    if plot_rows < 2 or plot_cells < 10:
        return [tuple(pad([("too small to plot", "dim")], cells)) for _ in range(rows)]
    canvas = _draw(trajectory, plot_cells, plot_rows, top)
    by_row = {_row(tick, top, plot_rows): text for tick, text in zip(y_ticks, labels, strict=True)}
    lines: list[Line] = []
    for row in range(plot_rows):
        label = by_row.get(row, "")
        head: list[Span] = [(f"{label:>{gutter - 1}}", "dim"), (glyphs.column, "axis")]
        lines.append(tuple(pad([*head, *canvas.line(row, glyphs.unicode)], cells)))
    lines += _x_axis(trajectory, cells, gutter, plot_cells, glyphs)
    if legend:
        lines.append(_legend(trajectory, cells, gutter, glyphs))
    return lines


def _y(value: float, top: float, height: int) -> int:
    """The dot row of a reward, counted from the top."""
    share = min(1.0, max(0.0, value / top))
    return round((1.0 - share) * (height - 1))


def _row(value: float, top: float, rows: int) -> int:
    return _y(value, top, rows * 4) // 4


def _draw(trajectory: Trajectory, plot_cells: int, plot_rows: int, top: float) -> Canvas:
    canvas = Canvas(plot_cells, plot_rows)
    end = trajectory.end
    last = column_of(trajectory.now, 0.0, end, canvas.width)
    reference = _y(trajectory.reference, top, canvas.height)
    for x in range(canvas.width):
        if x % 4 < 2:
            canvas.dot(x, reference, "plot-reference")
    if trajectory.limited and trajectory.now < end:
        for y in range(0, canvas.height, 2):
            canvas.dot(last, y, "plot-now")
    _steps(canvas, trajectory, top, last)
    for mark in trajectory.marks:
        x = column_of(mark.x, 0.0, end, canvas.width)
        canvas.sign(x, _y(mark.y, top, canvas.height), mark.sign, mark.rank)
    return canvas


def _steps(canvas: Canvas, trajectory: Trajectory, top: float, last: int) -> None:
    """The best-so-far line: level until a verdict raises it, up to now."""
    buckets = decimate(trajectory.best, 0.0, trajectory.end, canvas.width)
    level: float | None = None
    for x, bucket in enumerate(buckets):
        if bucket is None:
            if level is not None and x <= last:
                canvas.dot(x, _y(level, top, canvas.height), "plot-best")
            continue
        low = bucket.low if level is None else min(bucket.low, level)
        high = bucket.high if level is None else max(bucket.high, level)
        upper, lower = (_y(v, top, canvas.height) for v in (high, low))
        canvas.column(x, upper, lower, "plot-best")
        level = bucket.last


def _x_axis(
    trajectory: Trajectory, cells: int, gutter: int, plot_cells: int, glyphs: Glyphs
) -> list[Line]:
    timed = trajectory.axis in ("active", "wall")
    most = max(1, plot_cells // 14)
    places = (ticks.times if timed else ticks.values)(0.0, trajectory.end, most)
    name = AXIS_WORDS[trajectory.axis]
    rule = [glyphs.rule] * plot_cells
    labels = [" "] * (plot_cells + 1)
    free = 0
    for place in places:
        column = column_of(place, 0.0, trajectory.end, plot_cells)
        text = ticks.time_label(place) if timed else ticks.number_label(place)
        start = max(0, min(plot_cells + 1 - len(text), column - (len(text) - 1) // 2))
        rule[column] = glyphs.axis_tick
        if start >= free and start + len(text) <= plot_cells - len(name) - 1:
            labels[start : start + len(text)] = text
            free = start + len(text) + 2
    labels[plot_cells - len(name) : plot_cells] = name
    left = " " * (gutter - 1)
    return [
        tuple(pad([(left, "dim"), (glyphs.axis_corner + "".join(rule), "axis")], cells)),
        tuple(pad([(left + " ", "dim"), ("".join(labels), "dim")], cells)),
    ]


def _legend(trajectory: Trajectory, cells: int, gutter: int, glyphs: Glyphs) -> Line:
    seen: dict[str, Span] = {}
    for mark in trajectory.marks:
        seen.setdefault(mark.meaning, mark.sign)
    line_sign: tuple[str, Role] = (glyphs.rule * 2, "plot-best")
    dashed: tuple[str, Role] = (glyphs.dashed * 2, "plot-reference")
    said = [
        _entry(line_sign, "best so far", 0),
        _entry(dashed, f"reference {_two(trajectory.reference)}", 1),
    ]
    said += [_entry(sign, meaning, 2) for meaning, sign in seen.items()]
    spans = remarks(said, cells - gutter, ("   ", "text"))
    return tuple(pad([(" " * gutter, "text"), *spans], cells))


def _entry(sign: Span, meaning: str, rank: int) -> Remark:
    return Remark((sign, (f" {meaning}", "dim")), rank)


def _two(value: float) -> str:
    return words.reward(value).rstrip("0").rstrip(".") if value else "0"
