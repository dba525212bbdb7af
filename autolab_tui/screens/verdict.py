"""A verdict, whole, over the session's screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical

from autolab_tui.bindings import bindings
from autolab_tui.glyphs import Glyphs
from autolab_tui.screens.popup import Popup
from autolab_tui.views import verdict as view
from autolab_tui.widgets.keyline import KeyLine
from autolab_tui.widgets.lines import Choosable


class VerdictScreen(Popup[None]):
    """Gates, measurement, seal and findings of one verdict."""

    BINDINGS = bindings("verdict")

    def __init__(self, verdict: Mapping[str, Any], glyphs: Glyphs) -> None:
        super().__init__()
        self._verdict = verdict
        self._glyphs = glyphs

    def compose(self) -> ComposeResult:
        """The verdict's lines and the keys."""
        with Vertical(id="box") as box:
            box.border_title = "Verdict"
            yield Choosable("content", self._glyphs.cursor)
            yield KeyLine("verdict")

    def fill(self, cells: int) -> int:
        """Write the verdict; how many lines that took."""
        lines = view.lines(self._verdict, cells, self._glyphs)
        rows = [(str(number), (line,)) for number, line in enumerate(lines)]
        self.query_one("#content", Choosable).show_rows(rows)
        return len(lines)
