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

__all__ = ["ACTIONS", "Action", "Place", "at", "key_line", "key_word", "of"]

ACTIONS: tuple[Action, ...] = (
    *replay.ACTIONS,
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
)


def at(place: Place) -> list[Action]:
    """The actions of a place, in the order in which they are declared."""
    return [action for action in ACTIONS if action.place == place]


def of(places: Iterable[Place], orders: bool = True) -> list[Action]:
    """The actions of several places, in the order in which they are declared."""
    wanted = set(places)
    return [a for a in ACTIONS if a.place in wanted and (orders or not a.order)]


_PLACE_RANKS: dict[Place, int] = {"replay": -1}  # the keys of time go before a screen's own


def key_line(places: Iterable[Place], orders: bool = True) -> list[Action]:
    """What the key line of a screen shows, in order: by rank of the place, then of the action."""
    found = [action for action in of(places, orders) if action.rank]
    return sorted(found, key=lambda action: (_PLACE_RANKS.get(action.place, 0), action.rank))
