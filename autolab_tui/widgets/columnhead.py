"""The titles over a table, which sort it when they are clicked."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events

from autolab_tui.actions import ACTIONS
from autolab_tui.roles import Line
from autolab_tui.widgets.lines import Lines


class ColumnHead(Lines):
    """A click on a title is the action with the title's name in the registry."""

    def __init__(self, identity: str) -> None:
        super().__init__(identity)
        self._ends: Sequence[tuple[int, str]] = ()

    def show_head(self, line: Line, ends: Sequence[tuple[int, str]]) -> None:
        """Draw the titles; `ends` are the cell after each one and the name of its action."""
        self._ends = ends
        self.show([line])

    async def on_click(self, event: events.Click) -> None:
        """A click on a title does what the title stands for."""
        wanted = next((name for end, name in self._ends if event.x < end), None)
        for action in ACTIONS:
            if action.name == wanted:
                await self.app.run_action(action.call, self.screen)
