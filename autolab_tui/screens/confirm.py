"""A question before something that cannot be undone."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical

from autolab_tui.bindings import bindings
from autolab_tui.plain import wrapped
from autolab_tui.roles import Line
from autolab_tui.screens.popup import Popup
from autolab_tui.widgets.keyline import KeyLine
from autolab_tui.widgets.lines import Lines


class ConfirmScreen(Popup[bool]):
    """Asks; `y` is yes, everything else is no."""

    BINDINGS = bindings("confirm")
    AUTO_FOCUS = ""

    def __init__(self, title: str, text: Sequence[str]) -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        """The question and the keys."""
        with Vertical(id="box", classes="narrow") as box:
            box.border_title = self._title
            yield Lines("content")
            yield KeyLine("confirm")

    def fill(self, cells: int) -> int:
        """Write the question."""
        parts = [part for text in self._text for part in wrapped(text, max(8, cells - 2))]
        lines: list[Line] = [((f" {part}", "text"),) for part in parts]
        lines.append(((" ", "text"),))
        self.query_one("#content", Lines).show(lines)
        return len(lines)

    def action_answer(self, yes: bool) -> None:
        """Answer and close."""
        self.dismiss(yes)
