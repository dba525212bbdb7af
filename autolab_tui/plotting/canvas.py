"""A canvas of dots, two across and four down in each cell, in braille, in blocks or in ASCII."""

from __future__ import annotations

from autolab_tui.glyphs import Glyphs
from autolab_tui.roles import Line, Role, Span

# The bit of each dot of a braille cell, by row and column.
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_TOP_LEFT, _TOP_RIGHT = 0x01 | 0x02, 0x08 | 0x10
_BOTTOM_LEFT, _BOTTOM_RIGHT = 0x04 | 0x40, 0x20 | 0x80
_TOP, _BOTTOM = _TOP_LEFT | _TOP_RIGHT, _BOTTOM_LEFT | _BOTTOM_RIGHT
# Quarters of a cell: top left 1, top right 2, bottom left 4, bottom right 8.
_QUARTERS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"


class Canvas:
    """Dots with a role for each cell; a dot drawn later gives its cell its role."""

    def __init__(self, cells: int, rows: int) -> None:
        self.cells, self.rows = cells, rows
        self.width, self.height = cells * 2, rows * 4
        self._masks = [[0] * cells for _ in range(rows)]
        self._roles: list[list[Role]] = [["text"] * cells for _ in range(rows)]
        self._signs: dict[tuple[int, int], tuple[int, Span]] = {}
        self._shaded: set[int] = set()

    def dot(self, x: int, y: int, role: Role) -> None:
        """Set the dot `x` from the left and `y` from the top; outside is nothing."""
        if 0 <= x < self.width and 0 <= y < self.height:
            self._masks[y // 4][x // 2] |= _BITS[y % 4][x % 2]
            self._roles[y // 4][x // 2] = role

    def column(self, x: int, top: int, bottom: int, role: Role) -> None:
        """Set the dots of a column from `top` to `bottom`, both included."""
        for y in range(top, bottom + 1):
            self.dot(x, y, role)

    def shade(self, first: int, last: int) -> None:
        """Shade cells of every row, where nothing else is drawn."""
        self._shaded |= set(range(max(0, first), min(self.cells - 1, last) + 1))

    def sign(self, x: int, y: int, sign: Span, rank: int) -> None:
        """Put a one-cell sign over the cell of a dot; the higher rank keeps the cell."""
        cell = (min(self.rows - 1, max(0, y // 4)), min(self.cells - 1, max(0, x // 2)))
        if cell not in self._signs or rank >= self._signs[cell][0]:
            self._signs[cell] = (rank, sign)

    def line(self, row: int, glyphs: Glyphs) -> Line:
        """One row of cells, neighbours of one role joined."""
        spans: list[Span] = []
        text = ""
        role: Role = "text"
        for cell, mask in enumerate(self._masks[row]):
            placed = self._signs.get((row, cell))
            here: Span
            if placed is not None:
                here = placed[1]
            elif mask:
                here = (_drawn(mask, glyphs), self._roles[row][cell])
            elif cell in self._shaded:
                here = (glyphs.shade, "plot-shade")
            else:
                here = (" ", role)
            if here[1] != role and text:
                spans.append((text, role))
                text = ""
            text, role = text + here[0], here[1]
        if text:
            spans.append((text, role))
        return tuple(spans)


def _drawn(mask: int, glyphs: Glyphs) -> str:
    if glyphs.dots == "braille":
        return chr(0x2800 + mask)
    if glyphs.dots == "blocks":
        parts = (_TOP_LEFT, _TOP_RIGHT, _BOTTOM_LEFT, _BOTTOM_RIGHT)
        return _QUARTERS[sum(1 << at for at, part in enumerate(parts) if mask & part)]
    upper, lower = mask & _TOP, mask & _BOTTOM
    return "|" if upper and lower else "'" if upper else "."
