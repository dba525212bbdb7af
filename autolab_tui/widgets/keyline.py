"""The bottom line: which keys do what here."""

from __future__ import annotations

from collections.abc import Iterable

from textual import events

from autolab_tui.actions import Action, Place, key_line, key_word
from autolab_tui.roles import Span
from autolab_tui.views.layout import Remark, between, remarks
from autolab_tui.widgets.lines import Lines


class KeyLine(Lines):
    """Shows the keys of some places, the most useful first, as many as fit."""

    def __init__(self, *places: Place, orders: bool = True) -> None:
        super().__init__()
        self._places: Iterable[Place] = places
        self._orders = orders
        self.note: tuple[Span, ...] = ()
        self._ends: list[tuple[int, Action]] = []  # the cell after each key's label

    def paint(self) -> None:
        """Draw the keys, and a note at the right."""
        cells = self.size.width or self.app.size.width
        actions = {_word(action): action for action in key_line(self._places, self._orders)}
        keys = [
            Remark(((word, "key"), (f" {action.label}", "dim")), 0 if word == "?" else rank)
            for rank, (word, action) in enumerate(actions.items(), 1)
        ]
        right = [*self.note, (" ", "text")] if self.note else []
        room = cells - 2 - sum(len(text) for text, _ in right)
        shown = remarks(keys, room, ("  ", "text"))
        self._ends = []
        end = 1
        for text, role in shown:
            end += len(text)
            if role == "key":
                self._ends.append((end + len(f" {actions[text].label}"), actions[text]))
        self.show([between([(" ", "text"), *shown], right, cells)])

    def on_click(self, event: events.Click) -> None:
        """A click on a key's word or label is that key."""
        for end, action in self._ends:
            if 1 <= event.x < end:
                self.app.simulate_key(action.keys[0])
                return


def _word(action: Action) -> str:
    return action.word or key_word(action.keys[0])
