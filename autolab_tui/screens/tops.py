"""The screens that stand on their own, by name; each is loaded when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import NamedTuple

from autolab_tui.screens.base import DrawnScreen, Host


class Top(NamedTuple):
    """A screen by the key, title and class that it has."""

    key: str
    title: str
    module: str
    name: str


HOME = "fleet"  # it stays below the others
TOPS: Mapping[str, Top] = {
    "fleet": Top("1", "fleet", "fleet", "FleetScreen"),
    "tasks": Top("2", "tasks", "tasks", "TasksScreen"),
    "leaderboard": Top("3", "leaderboard", "leaderboard", "LeaderboardScreen"),
    "compare": Top("4", "compare", "compare", "CompareScreen"),
    "gpus": Top("5", "GPUs", "gpus", "GpusScreen"),
    "launch": Top("6", "launch", "launch", "LaunchScreen"),
}


def make(name: str, host: Host) -> DrawnScreen:
    """A new screen of that name. Raises `KeyError` for a name that is not in `TOPS`."""
    top = TOPS[name]
    module = import_module(f"autolab_tui.screens.{top.module}")
    made: DrawnScreen = getattr(module, top.name)(host)
    return made
