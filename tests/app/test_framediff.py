"""Only what changed is written, and the terminal shows the same as if all of it had been."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyte
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from autolab_tui.framediff import Paper, cells_of, changes
from autolab_tui.pen import Pen
from tests.app.test_terminal import looks

STYLES = st.sampled_from(
    [
        Style(color="red"),
        Style(color="#102030", bgcolor="#405060"),
        Style(color="red", underline=True),
        Style(bold=True),
        Style(bold=True, italic=True),
        None,
    ]
)
TEXTS = st.lists(st.sampled_from(["a", "b", " ", "é", "世", "e\u0301"]), max_size=12).map("".join)
STRIPS = st.lists(st.tuples(TEXTS, STYLES)).map(
    lambda parts: Strip([Segment(text, style) for text, style in parts])
)


COLUMNS = 60


def screen_after(*written: str) -> list[tuple[Any, ...]]:
    """The first line of a terminal that got all this."""
    screen = pyte.Screen(COLUMNS, 2)
    pyte.Stream(screen).feed("".join(written))
    return [looks(screen.buffer[0][x]) for x in range(COLUMNS)]


def written(strip: Strip, old: Strip | None = None) -> str:
    """A line, as a pen writes it on an empty line or over another one."""
    pen = Pen(Console(color_system="truecolor"))
    cells = cells_of(strip)
    for begin, stop in changes(cells_of(old) if old is not None else [], cells):
        pen.move(begin, 0)
        for text, style in cells[begin:stop]:
            pen.add(text, style)
    return pen.lift()


@given(STRIPS, STRIPS)
def test_putting_the_changes_on_the_old_line_gives_the_new_one(one: Strip, other: Strip) -> None:
    one, other = (strip.adjust_cell_length(COLUMNS) for strip in (one, other))
    rich = "\x1b[1;1H" + other.render(Console(color_system="truecolor"))
    assert screen_after(written(one), written(other, one)) == screen_after(rich)


def test_equal_lines_change_nothing_and_one_cell_changes_one() -> None:
    bold = Style(bold=True)
    line = Strip([Segment("running 0:41", bold)])
    assert written(line, line) == ""
    later = Strip([Segment("running 0:42", bold)])
    assert written(later, line) == "\x1b[1;12H\x1b[1m2\x1b[0m"


def test_what_lies_between_two_changes_is_not_sent() -> None:
    dim = Style(color="#8f9bad", bgcolor="#10141b")
    line, later = (
        Strip([Segment(f"{n} of 64", dim), Segment(" " * 30), Segment(str(n), dim)]) for n in (8, 9)
    )
    said = written(later, line)
    assert said == "\x1b[1;1H\x1b[38;2;143;155;173;48;2;16;20;27m9\x1b[38G9\x1b[0m"


# A frame: the widths of the parts of a line, what each shows, and which of them are drawn anew.
PART = st.tuples(st.integers(1, COLUMNS), STRIPS, st.booleans())
FRAMES = st.lists(st.tuples(st.booleans(), st.lists(PART, min_size=1, max_size=5)), max_size=6)


@given(FRAMES)
def test_paper_shows_what_whole_frames_show(
    frames: list[tuple[bool, list[tuple[int, Strip, bool]]]],
) -> None:
    console = Console(color_system="truecolor")
    paper, sent = Paper(), ""
    line: list[Strip] = []
    for anew, parts in frames:
        sizes = _sizes([size for size, _, _ in parts])
        whole = anew or [strip.cell_length for strip in line] != sizes
        before, line = line, []
        pen, x = Pen(console), 0
        for at, (size, (_, strip, drawn)) in enumerate(zip(sizes, parts, strict=True)):
            part = strip.adjust_cell_length(size) if drawn or whole else before[at]
            line.append(part)
            if drawn or whole:
                paper.write(pen, x, 0, part)
            x += size
        sent += pen.lift()
    everything = "\x1b[1;1H" + "".join(strip.render(console) for strip in line)
    assert screen_after(sent) == screen_after(everything)


def _sizes(wanted: list[int]) -> list[int]:
    """Widths in about these proportions that fill the line."""
    edges = sorted({wanted_edge * COLUMNS // sum(wanted) for wanted_edge in _sums(wanted)})
    edges = [0, *(edge for edge in edges if 0 < edge < COLUMNS), COLUMNS]
    sizes = [b - a for a, b in pairwise(edges)]
    return sizes + [0] * (len(wanted) - len(sizes))


def _sums(numbers: list[int]) -> list[int]:
    return [sum(numbers[:n]) for n in range(len(numbers) + 1)]


def test_paper_knows_nothing_after_it_was_told_to_forget() -> None:
    paper, console = Paper(), Console(color_system="truecolor")
    line = Strip([Segment("running")])
    said = []
    for _ in range(2):
        pen = Pen(console)
        paper.write(pen, 0, 0, line)
        said.append(pen.lift())
    paper.forget()
    pen = Pen(console)
    paper.write(pen, 0, 0, line)
    assert said == ["\x1b[1;1Hrunning", ""]
    assert pen.lift() == said[0]
