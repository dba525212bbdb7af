"""The line where a filter is typed."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input

from autolab_tui.bindings import bindings
from autolab_tui.views.layout import pad
from autolab_tui.widgets.lines import Lines


class FilterInput(Input, inherit_bindings=True):
    """Where the filter is typed."""

    BINDINGS = bindings("filter")


class FilterBar(Horizontal):
    """A label, and the words beside it."""

    def __init__(self) -> None:
        super().__init__(id="filter")
        self._label = Lines("filter-label")
        self.words = FilterInput(placeholder="words, task:x, model:x, state:x", id="filter-words")
        self.words.cursor_blink = False

    def compose(self) -> ComposeResult:
        """The label and the words."""
        yield from (self._label, self.words)

    def open(self) -> None:
        """Show it and take the focus, at once: what is typed next is for it."""
        self.display = True
        self._label.show([tuple(pad([(" filter ", "key")], 8))])
        self.screen.set_focus(self.words)
