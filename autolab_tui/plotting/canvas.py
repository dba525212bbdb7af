"""A canvas of dots, two across and four down in each terminal cell, drawn in braille or ASCII."""

from __future__ import annotations

from autolab_tui.roles import Line, Role, Span

# The bit of each dot of a braille cell, by row and column.
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_TOP = 0x01 | 0x08 | 0x02 | 0x10
_BOTTOM = 0x04 | 0x20 | 0x40 | 0x80


class Canvas:
    """Dots with a role for each cell; a dot drawn later gives its cell its role."""

    def __init__(self, cells: int, rows: int) -> None:
        self.cells, self.rows = cells, rows
        self.width, self.height = cells * 2, rows * 4
        self._masks = [[0] * cells for _ in range(rows)]
        self._roles: list[list[Role]] = [["text"] * cells for _ in range(rows)]
        self._signs: dict[tuple[int, int], tuple[int, Span]] = {}

    def dot(self, x: int, y: int, role: Role) -> None:
        """Set the dot `x` from the left and `y` from the top; outside is nothing."""
        if 0 <= x < self.width and 0 <= y < self.height:
            self._masks[y // 4][x // 2] |= _BITS[y % 4][x % 2]
            self._roles[y // 4][x // 2] = role

    def column(self, x: int, top: int, bottom: int, role: Role) -> None:
        """Set the dots of a column from `top` to `bottom`, both included."""
        for y in range(top, bottom + 1):
            self.dot(x, y, role)

    def sign(self, x: int, y: int, sign: Span, rank: int) -> None:
        """Put a one-cell sign over the cell of a dot; the higher rank keeps the cell."""
        cell = (min(self.rows - 1, max(0, y // 4)), min(self.cells - 1, max(0, x // 2)))
        if cell not in self._signs or rank >= self._signs[cell][0]:
            self._signs[cell] = (rank, sign)

    def line(self, row: int, unicode: bool) -> Line:
        """One row of cells, neighbours of one role joined."""
        spans: list[Span] = []
        text = ""
        role: Role = "text"
        for cell, mask in enumerate(self._masks[row]):
            placed = self._signs.get((row, cell))
            here: Span
            if placed is not None:
                here = placed[1]
            elif not mask:
                here = (" ", role)
            else:
                here = (chr(0x2800 + mask) if unicode else _ascii(mask), self._roles[row][cell])
            if here[1] != role and text:
                spans.append((text, role))
                text = ""
            text, role = text + here[0], here[1]
        if text:
            spans.append((text, role))
        return tuple(spans)


def _ascii(mask: int) -> str:
    upper, lower = mask & _TOP, mask & _BOTTOM
    return "|" if upper and lower else "'" if upper else "."
