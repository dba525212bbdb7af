"""Every key of the app, declared once, in a module for each place.

Bindings, the key line at the bottom, the help and the command palette are all made from `ACTIONS`.
"""

from __future__ import annotations

from collections.abc import Iterable

from autolab_tui.actions import (
    compare,
    everywhere,
    fleet,
    gpus,
    launch,
    leaderboard,
    plot,
    popups,
    reading,
    replay,
    session,
    tasks,
)
from autolab_tui.actions.action import Action, Place, key_word

__all__ = ["ACTIONS", "Action", "Place", "at", "key_line", "key_word"]

ACTIONS: tuple[Action, ...] = (
    *fleet.ACTIONS,
    *session.ACTIONS,
    *tasks.ACTIONS,
    *leaderboard.ACTIONS,
    *compare.ACTIONS,
    *gpus.ACTIONS,
    *launch.ACTIONS,
    *plot.ACTIONS,
    *everywhere.ACTIONS,
    *popups.ACTIONS,
    *reading.ACTIONS,
    *replay.ACTIONS,
)


def at(place: Place) -> list[Action]:
    """The actions of a place, in the order in which they are declared."""
    return [action for action in ACTIONS if action.place == place]


def key_line(places: Iterable[Place]) -> list[Action]:
    """What the key line of a screen shows, in order."""
    wanted = set(places)
    found = [action for action in ACTIONS if action.place in wanted and action.rank]
    return sorted(found, key=lambda action: action.rank)
