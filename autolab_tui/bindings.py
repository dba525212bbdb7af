"""The registry of keys, as Textual wants it."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from autolab_tui.actions import Place, at


def bindings(place: Place, priority: bool = False) -> list[BindingType]:
    """The bindings of a place."""
    return [
        Binding(
            ",".join(action.keys),
            action.call,
            action.label or action.help,
            show=False,
            id=action.name,
            priority=priority,
        )
        for action in at(place)
        if action.keys
    ]
