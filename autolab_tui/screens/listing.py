"""A list on top of a screen, to be read and closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from autolab_tui.bindings import bindings
from autolab_tui.glyphs import Glyphs
from autolab_tui.plain import plain
from autolab_tui.roles import Line
from autolab_tui.screens.popup import Popup
from autolab_tui.widgets.keyline import KeyLine
from autolab_tui.widgets.lines import Choosable

Rows = Sequence[tuple[str, Sequence[Line]]]


class ListingScreen(Popup[None]):
    """Shows rows; `rows` makes them for a width."""

    BINDINGS = bindings("help")

    def __init__(self, title: str, rows: Callable[[int], Rows], glyphs: Glyphs) -> None:
        super().__init__()
        self._title = title
        self._rows = rows
        self._glyphs = glyphs

    def compose(self) -> ComposeResult:
        """The rows and the keys."""
        with Vertical(id="box") as box:
            box.border_title = Content(plain(self._title))
            yield Choosable("content", self._glyphs.cursor)
            yield KeyLine("help")

    def fill(self, cells: int) -> int:
        """Write the rows."""
        rows = self._rows(cells)
        self.query_one("#content", Choosable).show_rows(rows)
        return sum(len(lines) for _, lines in rows)
