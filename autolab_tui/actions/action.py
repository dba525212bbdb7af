"""What an action is, and how its keys are called."""

from __future__ import annotations

from typing import Literal

import msgspec

Place = Literal[
    "app",
    "top",
    "fleet",
    "session",
    "tasks",
    "launch",
    "leaderboard",
    "compare",
    "gpus",
    "list",
    "plot",
    "verdict",
    "diff",
    "files",
    "processes",
    "help",
    "confirm",
    "filter",
    "prompt",
    "replay",
]


class Action(msgspec.Struct, frozen=True):
    """A thing the operator can do at a place.

    `call` is Textual's action; the first of `keys` is the one shown, and one without keys is in the
    palette, and where it can be clicked. `rank` orders the key line,
    0 keeps it out; `label` is what the key line says, `help` what help and palette say. `word` is
    what the key line calls its key, where that stands for several actions. An `order` changes
    something in the engine; a replay has none.
    """

    name: str
    place: Place
    keys: tuple[str, ...]
    call: str
    label: str
    help: str
    rank: int = 0
    in_palette: bool = True
    word: str = ""
    order: bool = False


_KEY_WORDS = {
    "slash": "/",
    "left_parenthesis": "(",
    "right_parenthesis": ")",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "question_mark": "?",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "asterisk": "*",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
    "comma": ",",
    "full_stop": ".",
    "escape": "esc",
    "enter": "enter",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "backspace": "bksp",
}


def key_word(key: str) -> str:
    """A key as the operator knows it."""
    return _KEY_WORDS.get(key, key.replace("ctrl+", "^"))
