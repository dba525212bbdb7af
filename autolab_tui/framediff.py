"""Only what changed goes to the terminal.

Textual rewrites a refreshed region from its widget's left edge, whether or not the cells differ.
Over SSH, and in a terminal multiplexer, bytes are what a frame costs, so a screen with this
compositor remembers what it wrote and sends the cells of each line that differ. It builds on
private classes of Textual, which is why Textual is pinned, a test compares the result with a full
repaint, and `AUTOLAB_FULL_FRAMES=1` turns it off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from rich.console import Console
from rich.style import Style
from textual._compositor import ChopsUpdate, Compositor, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from autolab_tui.pen import Pen
from autolab_tui.plain import width

Cells = list[tuple[str, Style | None]]
Written = dict[int, dict[int, Strip]]  # by line, by column: the strip that stands there
_GAP = 4  # cells in one style that cost no more than to go past them


class ThriftyCompositor(Compositor):
    """A compositor that remembers what it had written since it last had to forget."""

    def __init__(self) -> None:
        super().__init__()
        self._written: Written = {}

    def forget(self) -> None:
        """Nothing may stand any more where it was written."""
        self._written.clear()

    def render_full_update(self, simplify: bool = False) -> LayoutUpdate:
        """Everything, whatever was remembered: it may not stand there any more."""
        self._written.clear()
        update = super().render_full_update(simplify)
        return _WholeUpdate(update.strips, update.region, self._written)

    def render_partial_update(self) -> ChopsUpdate | None:
        """The refreshed regions, as an update that leaves out what stands there already."""
        update = super().render_partial_update()
        if update is None:
            return None
        return _ThriftyUpdate(update, self._written)


class _WholeUpdate(LayoutUpdate):
    def __init__(self, strips: list[Iterable[Strip]], region: Region, written: Written) -> None:
        super().__init__(strips, region)
        self._written = written

    def render_segments(self, console: Console) -> str:
        """The escape sequences for all of it, as few as they can be."""
        pen = Pen(console)
        for y, strips in enumerate(self.strips, self.region.y):
            x, line = self.region.x, self._written.setdefault(y, {})
            pen.move(x, y)
            for strip in strips:
                line[x] = strip
                x += strip.cell_length
                for text, style, control in strip:
                    if not control:
                        pen.add(text, style)
        return pen.lift()


class _ThriftyUpdate(ChopsUpdate):
    def __init__(self, update: ChopsUpdate, written: Written) -> None:
        super().__init__(update.chops, update.spans, update.chop_ends)
        self._written = written

    def render_segments(self, console: Console) -> str:
        """The escape sequences for what differs from what was written before."""
        pen = Pen(console)
        for y, x1, x2 in self.spans:
            line = self._written.setdefault(y, {})
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= x2 or end <= x1:
                    continue
                new = strip.crop(0, min(end, x2) - x)
                old = self._remember(line, x, new)
                if old == new:
                    continue
                cells = cells_of(new)
                for begin, stop in changes(cells_of(old) if old is not None else [], cells):
                    pen.move(x + begin, y)
                    for style, some in groupby(cells[begin:stop], key=lambda cell: cell[1]):
                        pen.add("".join(text for text, _ in some), style)
        return pen.lift()

    @staticmethod
    def _remember(line: dict[int, Strip], x: int, new: Strip) -> Strip | None:
        """Note that `new` stands at `x`; what stood there in as many columns or fewer, if known."""
        old = line.get(x)
        size = new.cell_length
        for other in [o for o in line if o != x and x - line[o].cell_length < o < x + size]:
            del line[other]
        if old is not None and old.cell_length > size:
            line[x] = Strip.join([new, old.crop(size, old.cell_length)])
            return old.crop(0, size)
        line[x] = new
        return old


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


def changes(old: Cells, new: Cells) -> Iterator[tuple[int, int]]:
    """The columns [begin, stop) of `new` that are to be written over `old`, from left to right.

    Both begin at the same column. What is alike between two changes is written again where that
    costs no more than to go past it.
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
