"""Only what changed goes to the terminal.

Textual rewrites a refreshed region from its widget's left edge, whether or not the cells differ.
Over SSH, and in a terminal multiplexer, bytes are what a frame costs, so a screen with this
compositor remembers what it wrote and sends the changed middle of each line. It builds on private
classes of Textual, which is why Textual is pinned, a test compares the result with a full repaint,
and `AUTOLAB_FULL_FRAMES=1` turns it off.
"""

from __future__ import annotations

from itertools import groupby

from rich.console import Console
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, Compositor, LayoutUpdate
from textual.strip import Strip

from autolab_tui.plain import width

Cells = list[tuple[str, Style | None]]
Written = dict[int, dict[int, Strip]]  # by line, by column: the strip that stands there


class ThriftyCompositor(Compositor):
    """A compositor that remembers, since its last full update, what it had written."""

    def __init__(self) -> None:
        super().__init__()
        self._written: Written = {}

    def forget(self) -> None:
        """Nothing may stand any more where it was written."""
        self._written.clear()

    def render_full_update(self, simplify: bool = False) -> LayoutUpdate:
        """Everything; what was remembered may not stand there any more."""
        self._written.clear()
        return super().render_full_update(simplify)

    def render_partial_update(self) -> ChopsUpdate | None:
        """The refreshed regions, as an update that leaves out what stands there already."""
        update = super().render_partial_update()
        if update is None:
            return None
        return _ThriftyUpdate(update, self._written)


class _ThriftyUpdate(ChopsUpdate):
    def __init__(self, update: ChopsUpdate, written: Written) -> None:
        super().__init__(update.chops, update.spans, update.chop_ends)
        self._written = written

    def render_segments(self, console: Console) -> str:
        """The escape sequences for what differs from what was written before."""
        sequences: list[str] = []
        for y, x1, x2 in self.spans:
            line = self._written.setdefault(y, {})
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= x2 or end <= x1:
                    continue
                new = strip.crop(0, min(end, x2) - x)
                cells = cells_of(new)
                begin, stop = self._remember(line, x, new, cells)
                if begin < stop:
                    sequences.append(Control.move_to(x + _width(cells[:begin]), y).segment.text)
                    sequences.append(_strip(cells[begin:stop]).render(console))
        return "".join(sequences)

    @staticmethod
    def _remember(line: dict[int, Strip], x: int, new: Strip, cells: Cells) -> tuple[int, int]:
        """Note that `new` stands at `x`; which of its cells [begin, stop) differ from before."""
        old = line.get(x)
        size = new.cell_length
        for other in [o for o in line if o != x and x - line[o].cell_length < o < x + size]:
            del line[other]
        if old is None:
            line[x] = new
            return 0, len(cells)
        if old.cell_length > size:
            line[x] = Strip.join([new, old.crop(size, old.cell_length)])
            old = old.crop(0, size)
        else:
            line[x] = new
        return changed(cells_of(old), cells, old.cell_length == size)


def cells_of(strip: Strip) -> Cells:
    """The characters of a strip, each with its style and with the accents that follow it."""
    cells: Cells = []
    for text, style, _ in strip:
        for character in text:
            if cells and not character.isascii() and not width(character):
                cells[-1] = (cells[-1][0] + character, cells[-1][1])
            else:
                cells.append((character, style))
    return cells


def changed(old: Cells, new: Cells, aligned: bool = True) -> tuple[int, int]:
    """The items [begin, stop) of `new` that are not as in `old`; equal ends count only if aligned.

    Both begin at the same column; `aligned` says that they end at the same one.
    """
    first, most = 0, min(len(old), len(new))
    while first < most and old[first] == new[first]:
        first += 1
    if first == len(old) == len(new):
        return 0, 0
    last = 0
    while aligned and last < most - first and old[-1 - last] == new[-1 - last]:
        last += 1
    return first, len(new) - last


def _width(cells: Cells) -> int:
    return width("".join(text for text, _ in cells))


def _strip(cells: Cells) -> Strip:
    grouped = groupby(cells, key=lambda cell: cell[1])
    return Strip([Segment("".join(text for text, _ in some), style) for style, some in grouped])
