"""A line to type, with what it is for above it and what is wrong with it below."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from autolab_tui.bindings import bindings
from autolab_tui.plain import wrapped
from autolab_tui.roles import Line
from autolab_tui.screens.popup import Popup
from autolab_tui.widgets.keyline import KeyLine
from autolab_tui.widgets.lines import Lines


class PromptInput(Input, inherit_bindings=True):
    """Where it is typed."""

    BINDINGS = bindings("prompt")


class PromptScreen(Popup[str]):
    """Asks for a line; the answer is the line, or None where it was left.

    `problem` says in words what is wrong with a line, or nothing; a wrong line cannot be sent.
    """

    AUTO_FOCUS = "#answer"

    def __init__(
        self, title: str, notes: Sequence[str], example: str, problem: Callable[[str], str]
    ) -> None:
        super().__init__()
        self._title = title
        self._notes = notes
        self._problem = problem
        self._trouble = ""
        self._answer = PromptInput(placeholder=example, id="answer")
        self._answer.cursor_blink = False

    def compose(self) -> ComposeResult:
        """Notes, the line, keys."""
        with Vertical(id="box", classes="narrow") as box:
            box.border_title = self._title
            yield Lines("content")
            yield self._answer
            yield KeyLine("prompt")

    def fill(self, cells: int) -> int:
        """Write the notes, and what is wrong."""
        room = max(8, cells - 2)
        lines: list[Line] = [
            ((f" {part}", "text"),) for text in self._notes for part in wrapped(text, room)
        ]
        lines += [((f" {part}", "warn"),) for part in wrapped(self._trouble, room) if part]
        self.query_one("#content", Lines).show(lines)
        return len(lines)

    def action_send(self) -> None:
        """Answer, unless something is wrong with it."""
        text = self._answer.value
        self._trouble = self._problem(text)
        if self._trouble:
            self.call_after_refresh(self._lay_out)
        else:
            self.dismiss(text)

    def action_drop(self) -> None:
        """Leave it."""
        self.dismiss(None)

    @on(Input.Changed)
    def _typed(self) -> None:
        if self._trouble:
            self._trouble = ""
            self.call_after_refresh(self._lay_out)
