"""Small screens on top of another: a box of lines, as tall as it needs to be."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from textual import events
from textual.screen import ModalScreen

from autolab_tui.widgets.lines import Lines

Result = TypeVar("Result")


class Popup(ModalScreen[Result]):
    """Has a `#box` with a `#content` of lines and a key line."""

    CSS_PATH = Path(__file__).with_name("popup.tcss")
    AUTO_FOCUS = "#content"

    def fill(self, cells: int) -> int:
        """Write the content for a width; how many lines that took."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Fill once the width is known."""
        self.call_after_refresh(self._lay_out)

    def on_resize(self, event: events.Resize) -> None:
        """Fill anew for the new width."""
        del event
        self.call_after_refresh(self._lay_out)

    def _lay_out(self) -> None:
        content = self.query_one("#content", Lines)
        if content.size.width > 0:
            wanted = self.fill(content.size.width)
            content.styles.height = max(1, min(wanted, self.size.height - 6))
