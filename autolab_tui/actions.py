"""Every key of the app, declared once.

Bindings, the key line at the bottom, the help and the command palette are all made from `ACTIONS`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Place = Literal["app", "fleet", "session", "list", "verdict", "help", "confirm", "filter"]


@dataclass(frozen=True, slots=True)
class Action:
    """A thing the operator can do at a place.

    `call` is Textual's action; the first of `keys` is the one shown. `rank` orders the key line,
    0 keeps it out; `label` is what the key line says, `help` what help and palette say.
    """

    name: str
    place: Place
    keys: tuple[str, ...]
    call: str
    label: str
    help: str
    rank: int = 0
    in_palette: bool = True


ACTIONS: tuple[Action, ...] = (
    # The fleet
    Action(
        "fleet.open", "fleet", ("enter",), "open", "open", "Open the session under the cursor", 1
    ),
    Action(
        "fleet.filter",
        "fleet",
        ("slash",),
        "filter",
        "filter",
        "Show only sessions that match words; task:x, model:x, state:x look in one place",
        2,
    ),
    Action("fleet.sort", "fleet", ("s",), "sort", "sort", "Sort by the next order", 3),
    Action(
        "fleet.stop",
        "fleet",
        ("x",),
        "stop",
        "stop",
        "Stop the session and score it (asks first)",
        4,
    ),
    Action(
        "fleet.pause",
        "fleet",
        ("p",),
        "pause",
        "pause",
        "Pause the session (its processes stand still), or let it go on",
        4,
    ),
    Action(
        "fleet.pane",
        "fleet",
        ("tab",),
        "pane",
        "feed",
        "Go between the sessions and the feed",
        5,
        False,
    ),
    Action(
        "fleet.history",
        "fleet",
        ("a",),
        "history",
        "all runs",
        "Show the runs that are over, too",
        7,
    ),
    Action(
        "fleet.quit",
        "fleet",
        ("q",),
        "app.leave",
        "quit",
        "Leave the app; everything goes on without it",
        6,
        False,
    ),
    Action("fleet.clear", "fleet", ("escape",), "clear", "", "Clear the filter", 0, False),
    # One session
    Action(
        "session.back",
        "session",
        ("escape", "q", "backspace"),
        "back",
        "back",
        "Go back to the fleet",
        1,
        False,
    ),
    Action(
        "session.next",
        "session",
        ("right_square_bracket", "n"),
        "step(1)",
        "next",
        "The next session of the fleet",
        3,
    ),
    Action(
        "session.previous",
        "session",
        ("left_square_bracket", "N"),
        "step(-1)",
        "previous",
        "The previous session of the fleet",
        4,
    ),
    Action(
        "session.pane",
        "session",
        ("tab",),
        "pane",
        "pane",
        "Go between the verdicts and the transcript",
        2,
        False,
    ),
    Action(
        "session.open",
        "session",
        ("enter", "space"),
        "open",
        "open",
        "Open the verdict, or fold and unfold the entry, under the cursor",
        5,
        False,
    ),
    Action(
        "session.axis",
        "session",
        ("b",),
        "axis",
        "axis",
        "Plot along the next budget: active time, wall time, turns, tokens",
        6,
    ),
    Action(
        "session.zoom",
        "session",
        ("z",),
        "zoom",
        "zoom",
        "Plot the whole budget, or only what has been used",
        8,
    ),
    Action(
        "session.large",
        "session",
        ("l",),
        "large",
        "larger",
        "Give the list in use the plot's room, or give it back",
        8,
    ),
    Action(
        "session.follow",
        "session",
        ("f",),
        "follow",
        "follow",
        "Go to the end of the transcript and follow it",
        9,
    ),
    Action(
        "session.pause",
        "session",
        ("p",),
        "pause",
        "pause",
        "Pause this session (its processes stand still), or let it go on",
        6,
    ),
    Action(
        "session.stop",
        "session",
        ("x",),
        "stop",
        "stop",
        "Stop this session and score it (asks first)",
        7,
    ),
    # Lists, wherever they are
    Action("list.down", "list", ("j", "down"), "cursor(1)", "", "Down", 0, False),
    Action("list.up", "list", ("k", "up"), "cursor(-1)", "", "Up", 0, False),
    Action(
        "list.page_down", "list", ("pagedown", "ctrl+d"), "page(1)", "", "A page down", 0, False
    ),
    Action("list.page_up", "list", ("pageup", "ctrl+u"), "page(-1)", "", "A page up", 0, False),
    Action("list.first", "list", ("g", "home"), "edge(-1)", "", "To the first", 0, False),
    Action("list.last", "list", ("G", "end"), "edge(1)", "", "To the last", 0, False),
    # Everywhere
    Action(
        "app.help",
        "app",
        ("question_mark",),
        "help",
        "help",
        "What this screen shows, and its keys",
        10,
    ),
    Action(
        "app.palette", "app", ("ctrl+p",), "command_palette", "", "All commands, by name", 0, False
    ),
    Action("app.theme", "app", ("T",), "change_theme", "", "Choose another theme", 0),
    Action(
        "app.quit",
        "app",
        ("ctrl+q", "ctrl+c"),
        "leave",
        "",
        "Leave the app; everything goes on without it",
        0,
    ),
    # Small screens on top
    Action(
        "help.close",
        "help",
        ("escape", "q", "question_mark", "enter"),
        "dismiss",
        "close",
        "Close",
        1,
        False,
    ),
    Action(
        "verdict.close",
        "verdict",
        ("escape", "q", "enter", "space"),
        "dismiss",
        "close",
        "Close",
        1,
        False,
    ),
    Action("confirm.yes", "confirm", ("y",), "answer(True)", "yes", "Yes", 1, False),
    Action("confirm.no", "confirm", ("n", "escape", "q"), "answer(False)", "no", "No", 2, False),
    Action(
        "filter.keep",
        "filter",
        ("enter",),
        "screen.keep",
        "keep the filter",
        "Keep the filter",
        1,
        False,
    ),
    Action(
        "filter.drop",
        "filter",
        ("escape",),
        "screen.drop",
        "clear it",
        "Clear the filter",
        2,
        False,
    ),
)

_KEY_WORDS = {
    "slash": "/",
    "question_mark": "?",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "escape": "esc",
    "enter": "enter",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "backspace": "bksp",
}


def key_word(key: str) -> str:
    """A key as the operator knows it."""
    return _KEY_WORDS.get(key, key.replace("ctrl+", "^"))


def at(place: Place) -> list[Action]:
    """The actions of a place, in the order in which they are declared."""
    return [action for action in ACTIONS if action.place == place]


def key_line(places: Iterable[Place]) -> list[Action]:
    """What the key line of a screen shows, in order."""
    wanted = set(places)
    found = [action for action in ACTIONS if action.place in wanted and action.rank]
    return sorted(found, key=lambda action: action.rank)
