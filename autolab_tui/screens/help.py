"""What this screen shows, what its signs mean, and which keys there are."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical

from autolab_tui.actions import Place
from autolab_tui.bindings import bindings
from autolab_tui.glyphs import Glyphs
from autolab_tui.screens.popup import Popup
from autolab_tui.views import help as view
from autolab_tui.widgets.keyline import KeyLine
from autolab_tui.widgets.lines import Choosable


class HelpScreen(Popup[None]):
    """Help for the screen it was opened from."""

    BINDINGS = bindings("help")

    def __init__(self, places: Sequence[Place], glyphs: Glyphs, orders: bool = True) -> None:
        super().__init__()
        self._places = places
        self._glyphs = glyphs
        self._orders = orders

    def compose(self) -> ComposeResult:
        """The help and the keys."""
        with Vertical(id="box") as box:
            box.border_title = "Help: keys, then signs and words"
            yield Choosable("content", self._glyphs.cursor)
            yield KeyLine("help")

    def fill(self, cells: int) -> int:
        """Write the help."""
        lines = view.lines(self._places, cells, self._glyphs, self._orders)
        rows = [(str(number), (line,)) for number, line in enumerate(lines)]
        self.query_one("#content", Choosable).show_rows(rows)
        return len(lines)
