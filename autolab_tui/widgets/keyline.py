"""The bottom line: which keys do what here."""

from __future__ import annotations

from collections.abc import Iterable

from autolab_tui.actions import Place, key_line, key_word
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

    def paint(self) -> None:
        """Draw the keys, and a note at the right."""
        cells = self.size.width or self.app.size.width
        keys = [
            Remark(
                ((action.word or key_word(action.keys[0]), "key"), (f" {action.label}", "dim")),
                rank,
            )
            for rank, action in enumerate(key_line(self._places, self._orders), 1)
        ]
        for index, remark in enumerate(keys):
            if remark.spans[0][0] == "?":
                keys[index] = Remark(remark.spans, 0)
        right = [*self.note, (" ", "text")] if self.note else []
        room = cells - 2 - sum(len(text) for text, _ in right)
        self.show([between([(" ", "text"), *remarks(keys, room, ("  ", "text"))], right, cells)])
