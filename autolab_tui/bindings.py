"""The registry of keys, as Textual wants it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.screen import Screen

from autolab_tui.actions import Place, at, key_word, of


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


def commands(
    screen: Screen[object], places: Iterable[Place], orders: bool = True
) -> Iterator[SystemCommand]:
    """The actions of these places for the command palette."""
    for action in of(places, orders):
        if action.in_palette:
            target: DOMNode = screen if action.place != "app" else screen.app
            run = partial(screen.app.run_action, action.call, target)
            key = f"key {key_word(action.keys[0])}" if action.keys else ""
            yield SystemCommand(action.help, key, run)
