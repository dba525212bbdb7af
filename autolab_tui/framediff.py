"""Only what changed goes to the terminal.

Textual rewrites a refreshed region from its widget's left edge, whether or not the cells differ,
and the whole screen when another one is shown. Over SSH, and in a terminal multiplexer, bytes are
what a frame costs, so the app keeps a `Paper` that remembers what stands on the terminal, and sends
the cells that differ. It builds on private classes of Textual, which is why Textual is pinned, a
test compares the result with a full repaint, and `AUTOLAB_FULL_FRAMES=1` turns it off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console, RenderableType
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.strip import Strip

from autolab_tui.pen import Pen
from autolab_tui.plain import width

Cell = tuple[str, Style | None]
Cells = list[Cell]
_GAP = 4  # cells in one style that cost no more than to go past them


class Paper:
    """What stands on the terminal, as far as it is known."""

    def __init__(self) -> None:
        self._lines: dict[int, list[Cell | None]] = {}
        self._strips: dict[int, dict[int, Strip]] = {}  # by line and column: to know them again

    def forget(self) -> None:
        """Nothing may stand any more where it was written."""
        self._lines.clear()
        self._strips.clear()

    def write(self, pen: Pen, x: int, y: int, strip: Strip) -> None:
        """Put a strip at column `x` of line `y`: the pen gets what differs from what is there."""
        strips = self._strips.setdefault(y, {})
        if not strip.cell_length or strips.get(x) == strip:
            return
        new = cells_of(strip)
        stop = x + len(new)
        for other in [o for o in strips if o < stop and o + strips[o].cell_length > x]:
            del strips[other]
        strips[x] = strip
        line = self._lines.setdefault(y, [])
        line += [None] * (stop - len(line))
        for begin, end in changes(line[x:stop], new):
            pen.move(x + begin, y)
            for style, some in groupby(new[begin:end], key=lambda cell: cell[1]):
                pen.add("".join(text for text, _ in some), style)
        line[x:stop] = new
        # Half of a wide character that was written over is nothing that can be relied on.
        if x and new[0][0] and _is_wide(line[x - 1]):
            line[x - 1] = None
        after = line[stop] if stop < len(line) else None
        if after is not None and not after[0]:
            line[stop] = None


def _is_wide(cell: Cell | None) -> bool:
    return cell is not None and not cell[0].isascii() and width(cell[0]) > 1


def thrifty(update: RenderableType | None, paper: Paper) -> RenderableType | None:
    """What Textual is about to display, less what stands there already."""
    if isinstance(update, LayoutUpdate):
        return _WholeUpdate(update, paper)
    if isinstance(update, ChopsUpdate):
        return _PartialUpdate(update, paper)
    if update is not None:
        paper.forget()  # whoever writes that does not say what
    return update


class _WholeUpdate(LayoutUpdate):
    def __init__(self, update: LayoutUpdate, paper: Paper) -> None:
        super().__init__(update.strips, update.region)
        self._paper = paper

    def render_segments(self, console: Console) -> str:
        """The escape sequences for what differs from what stands there."""
        pen = Pen(console)
        for y, strips in enumerate(self.strips, self.region.y):
            x = self.region.x
            for strip in strips:
                self._paper.write(pen, x, y, strip)
                x += strip.cell_length
        return pen.lift()


class _PartialUpdate(ChopsUpdate):
    def __init__(self, update: ChopsUpdate, paper: Paper) -> None:
        super().__init__(update.chops, update.spans, update.chop_ends)
        self._paper = paper

    def render_segments(self, console: Console) -> str:
        """The escape sequences for what differs from what stands there."""
        pen = Pen(console)
        for y, x1, x2 in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is not None and x < x2 and end > x1:
                    self._paper.write(pen, x, y, strip.crop(0, min(end, x2) - x))
        return pen.lift()


def cells_of(strip: Strip) -> Cells:
    """What stands in each column: a character with its style and with the accents that follow it.

    The second column of a wide character has no text of its own.
    """
    cells: Cells = []
    lead = 0  # where the last character stands
    for text, style, _ in strip:
        if text.isascii():
            cells += [(character, style) for character in text]
            lead = len(cells) - 1
            continue
        for character in text:
            columns = 1 if character.isascii() else width(character)
            if not columns and cells:
                cells[lead] = (cells[lead][0] + character, cells[lead][1])
                continue
            lead = len(cells)
            cells.append((character, style))
            cells += [("", style)] * (columns - 1)
    return cells


def changes(old: Sequence[Cell | None], new: Cells) -> Iterator[tuple[int, int]]:
    """The columns [begin, stop) of `new` that are to be written over `old`, from left to right.

    Both begin at the same column; None in `old` is unknown. What is alike between two changes is
    written again where that costs no more than to go past it.
    """
    known, size = len(old), len(new)
    begin = stop = -1
    for at in range(size):
        if at < known and old[at] == new[at] and (new[at][0] or at != stop):
            continue
        if begin >= 0 and not _near(new, stop, at):
            yield begin, stop
            begin = -1
        if begin < 0:
            begin = at
        stop = at + 1
    if begin >= 0:
        yield begin, stop


def _near(cells: Cells, stop: int, at: int) -> bool:
    style = cells[stop - 1][1]
    return at - stop <= _GAP and all(cells[n][1] == style for n in range(stop, at))
