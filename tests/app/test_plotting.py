"""The plot loses no extreme, its ticks are round, its marks are where they belong."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autolab_tui.glyphs import ASCII, UNICODE
from autolab_tui.plain import width
from autolab_tui.plotting import ticks
from autolab_tui.plotting.canvas import Canvas
from autolab_tui.plotting.chart import Mark, Series, Trajectory, chart, top_of
from autolab_tui.plotting.decimate import column_of, decimate
from autolab_tui.roles import text_of

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)
POINTS = st.lists(st.tuples(st.floats(-10, 110), NUMBERS), max_size=300)


@given(POINTS, st.integers(1, 80))
def test_every_extreme_is_kept(points: list[tuple[float, float]], columns: int) -> None:
    buckets = decimate(points, 0.0, 100.0, columns)
    by_column: dict[int, list[float]] = {}
    for x, y in points:
        if 0.0 <= x <= 100.0:
            by_column.setdefault(column_of(x, 0.0, 100.0, columns), []).append(y)
    assert len(buckets) == columns
    for column, bucket in enumerate(buckets):
        values = by_column.get(column)
        if bucket is None:
            assert values is None
        else:
            assert values is not None
            assert (bucket.low, bucket.high) == (min(values), max(values))
            assert (bucket.first, bucket.last) == (values[0], values[-1])


@given(st.floats(0.001, 1e6), st.integers(1, 12))
def test_ticks_are_round_and_few(span: float, most: int) -> None:
    found = ticks.values(0.0, span, most)
    assert found[0] == 0.0
    assert len(found) <= most + 1
    size = ticks.step(span, most)
    leading = f"{size:e}"[0]
    assert leading in "125"


@given(st.floats(1, 3e6), st.integers(1, 12))
def test_time_ticks_are_whole_seconds(span: float, most: int) -> None:
    found = ticks.times(0.0, span, most)
    assert 1 <= len(found) <= most + 1
    assert all(tick == int(tick) for tick in found)
    assert all(0 <= tick <= span * 1.0001 for tick in found)


def test_time_ticks_are_those_of_clocks() -> None:
    assert ticks.times(0, 600, 6) == [0, 120, 240, 360, 480, 600]
    assert [ticks.time_label(t) for t in ticks.times(0, 7200, 4)] == [
        "0",
        "30m",
        "1h",
        "1h30",
        "2h",
    ]


@given(st.floats(1, 3e6), st.integers(2, 12))
def test_time_labels_tell_ticks_apart(span: float, most: int) -> None:
    found = [ticks.time_label(tick) for tick in ticks.times(0.0, span, most)]
    assert len(set(found)) == len(found)


def test_labels_tell_ticks_apart() -> None:
    assert ticks.reward_labels([0.0, 0.1, 0.2]) == ["0.0", "0.1", "0.2"]
    assert ticks.reward_labels([0.0, 0.05, 0.1]) == ["0.00", "0.05", "0.10"]


def test_dots_are_where_braille_has_them() -> None:
    canvas = Canvas(2, 1)
    canvas.dot(0, 0, "plot-best")
    canvas.dot(1, 3, "plot-best")
    canvas.dot(2, 1, "plot-now")
    canvas.dot(99, 99, "plot-now")
    assert canvas.line(0, UNICODE) == (("\u2881", "plot-best"), ("\u2802", "plot-now"))
    assert text_of(canvas.line(0, ASCII)).isascii()


def example(**changes: object) -> Trajectory:
    fields: dict[str, object] = {
        "marks": (
            Mark(10, 0.1, ("●", "verdict-pass"), 2, "improved"),
            Mark(30, 0.0, ("✗", "verdict-fail"), 4, "gate failed"),
            Mark(60, 0.4, ("●", "verdict-pass"), 2, "improved"),
        ),
        "best": ((10, 0.1), (30, 0.1), (60, 0.4)),
        "now": 80.0, "end": 100.0, "limited": True, "reference": 0.5, "axis": "active",
    }  # fmt: skip
    return Trajectory(**{**fields, **changes})  # type: ignore[arg-type]


@given(st.integers(1, 200), st.integers(1, 60))
def test_a_chart_fills_exactly_its_room(cells: int, rows: int) -> None:
    for glyphs in (UNICODE, ASCII):
        lines = chart(example(), cells, rows, glyphs)
        assert len(lines) == max(rows, 0)
        assert all(width(text_of(line)) == cells for line in lines)


def test_marks_lines_and_legend_are_there() -> None:
    text = "\n".join(text_of(line) for line in chart(example(), 80, 20, UNICODE))
    assert text.count("●") == 2 + 1  # and one in the legend
    assert text.count("✗") == 2
    for word in ("best so far", "reference 0.5", "improved", "gate failed", "active time"):
        assert word in text


def test_the_legend_draws_each_line_as_the_plot_does() -> None:
    dashes = {"A": (1, 0), "B": (4, 2), "C": (1, 2), "D": (6, 2), "E": (2, 2), "F": (1, 4)}
    others = tuple(
        Series(name, ((0.0, 0.1 + at / 10),), 100.0, "text", dash)
        for at, (name, dash) in enumerate(dashes.items())
    )
    lines = chart(example(others=others, marks=(), best=(), reference=0.9), 160, 40, UNICODE)
    *drawn, _, _, legend = [text_of(line).partition("│")[2] or text_of(line) for line in lines]
    samples = [legend.partition(f" {name} ")[0].rpartition("   ")[2].strip() for name in dashes]
    assert samples[0] == "⠤⠤"
    assert len(set(samples)) == len(dashes)
    for sample in samples:  # a plotted line may lie in another row of its cells
        gaps = [[cell == " " for cell in row[: len(sample)]] for row in drawn if row.strip()]
        assert [cell == " " for cell in sample] in gaps


def test_a_failed_gate_wins_the_cell_it_shares() -> None:
    marks = (
        Mark(50, 0.0, ("✗", "verdict-fail"), 4, "gate failed"),
        Mark(50, 0.0, ("○", "text"), 0, "no better"),
    )
    (row,) = [
        text_of(line)
        for line in chart(example(marks=marks, best=()), 60, 8, UNICODE)
        if "✗" in text_of(line)
    ]
    assert "○" not in row


def test_the_axis_holds_everything() -> None:
    assert top_of(example(marks=(), reference=0.5)) >= 0.5
    assert top_of(example(marks=(Mark(1, 1.0, ("●", "text"), 0, "improved"),))) == 1.0
    assert top_of(example(marks=(), reference=0.0)) > 0


@given(
    st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1)), max_size=40),
    st.floats(0, 1e5),
    st.floats(0.1, 1e5),
    st.floats(0, 1),
)
def test_anything_can_be_plotted(
    points: list[tuple[float, float]], now: float, end: float, reference: float
) -> None:
    marks = tuple(Mark(x, y, ("●", "verdict-pass"), 2, "improved") for x, y in points)
    for axis in ("active", "tokens"):
        drawn = example(
            marks=marks,
            best=tuple(sorted(points)),
            now=now,
            end=end,
            reference=reference,
            axis=axis,
        )
        assert len(chart(drawn, 70, 14, UNICODE)) == 14
