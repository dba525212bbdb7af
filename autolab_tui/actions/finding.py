"""Actions found by what an operator calls them, which need not be what we call them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Protocol, TypeVar

# Words for the same thing; one of each line stands in what our actions say of themselves.
_ALIKE = (
    "stop kill end abort cancel terminate",
    "pause resume freeze suspend halt hold unpause continue",
    "budgets budget extend time hour hours minutes longer limit more",
    "say message tell prompt talk hint instruct",
    "judge verify check score grade test",
    "known acknowledge silence mute dismiss snooze alert alerts",
    "copy yank clipboard id",
    "changes diff difference edits patch code",
    "verdict gates gate result reason why",
    "snapshot checkpoint version",
    "restore rollback revert undo",
    "report csv export html save download",
    "terminal shell tmux attach watch console",
    "transcript log logs conversation chat output tail",
    "figures cost money tokens spent persistence outcome evidence",
    "processes process cpu memory top ps ram",
    "files file path folder open",
    "filter find search grep only",
    "sort order rank",
    "mark select choose all every several",
    "group fold cluster",
    "over old history past finished previous runs",
    "theme colour color colors dark light contrast",
    "leave quit exit detach close",
    "launch start new run rerun again retry",
    "models model provider",
    "gpus gpu cuda device",
    "feed events happened news",
    "help keys shortcuts bindings explain",
    "closer zoom scale axis",
    "leaderboard ranking winner standings",
    "next following",
    "whole everything reset",
    "anew refresh redraw repaint",
)
_IDLE = re.compile("a|an|and|by|for|from|in|is|it|its|my|of|on|one|or|the|this|to|with")


class Findable(Protocol):
    """What can be found by words."""

    @property
    def name(self) -> str:
        """What it is called, after its place and a dot."""

    @property
    def label(self) -> str:
        """What it does, in a word; may be empty."""

    @property
    def help(self) -> str:
        """What it does, in a line."""


Found = TypeVar("Found", bound=Findable)


def rank(asked: str, action: Findable) -> float:
    """How well an action is what was asked for, in words; 0 when it is not.

    Every word that carries meaning counts: most where it begins a word of the action's label or
    name, less in its help, least where it only means the same. A third of them has to be met.
    """
    typed = re.findall(r"\w+", asked.lower())
    meant = [word for word in typed if not _IDLE.fullmatch(word)] or typed
    found = [_one(word, action) for word in meant]
    met = sum(score > 0 for score in found)
    return sum(found) / len(found) if found and 3 * met >= len(found) else 0.0


def best(asked: str, actions: Iterable[Found]) -> list[tuple[float, Found]]:
    """The actions that are meant, the best first; of equals the one that was declared first."""
    ranked = [(rank(asked, action), action) for action in actions]
    return sorted((pair for pair in ranked if pair[0]), key=lambda pair: -pair[0])


def _one(word: str, action: Findable) -> float:
    called, said = _called(action.name, action.label, action.help)
    if any(other.startswith(word) for other in called):
        return 1.0
    if any(other.startswith(word) for other in said):
        return 0.8 if next(iter(said), "").startswith(word) else 0.6
    same = _same(word)
    if same & called:
        return 0.5
    return 0.4 if same & set(said) else 0.0


@cache
def _called(name: str, label: str, line: str) -> tuple[frozenset[str], tuple[str, ...]]:
    called = re.findall(r"[a-z]+", f"{label} {name.partition('.')[2]}".lower())
    return frozenset(called), tuple(re.findall(r"\w+", line.lower()))


@cache
def _same(word: str) -> frozenset[str]:
    """Words that mean what a word means, or what it may become when it is typed on."""
    groups = (group.split() for group in _ALIKE)
    return frozenset(
        other
        for group in groups
        if (len(word) > 2 and any(each.startswith(word) for each in group)) or word in group
        for other in group
    )
