"""What is sent to the terminal: cells that differ, and every cell when it may have lost some."""

from __future__ import annotations

import os
import sys

from rich.console import RenderableType
from textual import events
from textual.app import App
from textual.geometry import Size
from textual.screen import Screen

from autolab_tui.framediff import Paper, thrifty

_AFTER_RESIZE = 0.1  # seconds until the new layout stands


class RepaintingApp(App[None]):
    """An app that knows what stands on its terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._paper = Paper() if os.environ.get("AUTOLAB_FULL_FRAMES", "") in ("", "0") else None
        self._terminal: Size | None = None
        self._ticks = 0  # of the frame clock; none until the first screen has been up for a while

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        if self._paper is not None:
            renderable = thrifty(renderable, self._paper)
        super()._display(screen, renderable)

    def on_resize(self, event: events.Resize) -> None:
        """Send everything again, once the new layout stands.

        A terminal that was made smaller and larger again, faster than we look, has the size that it
        had and has lost its last columns; Textual takes such a resize for none.
        """
        known, self._terminal = self._terminal, event.size
        if not self._ticks and known in (None, event.size):
            return  # told at the start, twice, while nothing can have been lost
        if self._paper is not None:
            self._paper.forget()
        self.set_timer(_AFTER_RESIZE, self._settle)

    def _settle(self) -> None:
        """Draw for the size that the terminal has by now."""
        if not self.heed_size():
            self.action_repaint()

    def heed_size(self) -> bool:
        """Take up the terminal's size if it is another than was told; whether it was.

        Two sizes in a row may be told in the wrong order: the signal of the second interrupts
        Textual between asking for the first one and passing it on. And Textual believes COLUMNS and
        LINES, which somebody exported when the terminal had another size.
        """
        size = None if self.is_headless else _size()
        if size is None or self._terminal in (None, size):
            return False
        self.post_message(events.Resize(size, size))
        return True

    def action_repaint(self) -> None:
        """Send every cell again: the terminal may have lost some."""
        if self._paper is not None:
            self._paper.forget()
        if self.screen_stack:  # after a resize just before the end there is none any more
            self.screen.refresh()


def _size() -> Size | None:
    """The terminal's columns and lines; None where it does not tell."""
    try:
        size = os.get_terminal_size(sys.__stdin__.fileno() if sys.__stdin__ else 0)
    except (OSError, ValueError):
        return None
    return Size(*size) if all(size) else None
