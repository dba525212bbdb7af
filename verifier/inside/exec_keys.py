"""Keystrokes as tmux takes them: the arguments of the clients that press them."""

from __future__ import annotations

import re

_NAMED = re.compile(
    r"(?:[CMS]-){1,3}(?:[ -~]|Up|Down|Left|Right|Home|End|Space|Tab|Enter)"
    r"|Up|Down|Left|Right|Home|End|PageUp|PageDown|Enter|Escape|Tab|BTab|Space|BSpace|DC|IC"
    r"|F(?:[1-9]|1[0-2])"
)
_PIECE = 1000  # characters in one client; tmux takes no message above 16 KiB


def clients(keystrokes: str) -> list[list[str]]:
    """Arguments of `tmux send-keys`, one list for each client to run.

    Text is typed as it stands, each newline as Enter; a text that is the name of one key and
    nothing else (`C-c`, `Escape`, `Up`) presses that key.
    """
    if _NAMED.fullmatch(keystrokes):
        return [[keystrokes]]
    made: list[list[str]] = []
    lines = keystrokes.split("\n")
    for number, line in enumerate(lines):
        for at in range(0, len(line), _PIECE):
            made.append(["-l", "--", _literal(line[at : at + _PIECE])])
        if number < len(lines) - 1:
            made.append(["Enter"])
    return made


def _literal(text: str) -> str:
    """tmux takes a semicolon at the end of an argument for the end of the command."""
    text = text.replace("\0", "")
    return f"{text[:-1]}\\;" if text.endswith(";") else text
