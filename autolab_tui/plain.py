"""Text from elsewhere, made safe to show.

Whatever an agent, a task or an engine wrote passes through `plain` (one line) or `wrapped` (many)
before it is drawn: escape sequences go, control characters become visible marks, direction
overrides and invisible characters cannot reorder or hide anything, and every result has a known
width in terminal cells. Nothing here knows markup, so brackets are only brackets.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from rich.cells import cell_len, get_character_cell_size

LINE_LIMIT = 4000  # characters of one line that are looked at; no terminal shows more
TAB = "    "
MARK = "\N{REPLACEMENT CHARACTER}"
ELLIPSIS = "…"
_MOST_COMBINING = 2
# Letters that are drawn as nothing, and take two cells, one or none as the terminal likes.
_FILLERS = "\u115f\u1160\u3164\uffa0"
# Terminals disagree on whether they colour the sign before them or stand beside it.
_TONES = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"

# CSI, then the string sequences (OSC, DCS, SOS, PM, APC), ended or not, then two-byte ones.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_BREAKS = re.compile(r"\r\n|[\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]")
_SPACES = re.compile(r"\s+")


def plain(text: str) -> str:
    """One line of harmless text: runs of white space become one space."""
    text = text[:LINE_LIMIT]
    if text.isascii() and text.isprintable():
        return (text if "  " not in text else _SPACES.sub(" ", text)).strip()
    return _SPACES.sub(" ", _harmless(_ESCAPES.sub("", text))).strip()


def lines(text: str) -> Iterator[str]:
    """The text's lines, harmless, indentation kept; an over-long line says how much it lacks."""
    for line in _BREAKS.split(_ESCAPES.sub("", text)):
        shown = line[:LINE_LIMIT].expandtabs(len(TAB))
        if not (shown.isascii() and shown.isprintable()):
            shown = _harmless(shown)
        if len(line) > LINE_LIMIT:
            shown += f" {ELLIPSIS} {len(line) - LINE_LIMIT} more characters"
        yield shown


@lru_cache(maxsize=4096)
def _as_it_is(character: str) -> bool:
    """Whether `_harmless` keeps this character, wherever it stands."""
    if not character.isprintable() or character in _FILLERS or character in _TONES:
        return False
    return unicodedata.category(character) not in ("Mn", "Me")


def _harmless(text: str) -> str:
    if all(map(_as_it_is, set(text))):
        return text  # most text that is not ASCII: its letters are looked at once each
    kept: list[str] = []
    combining = 0
    for character in text:
        category = unicodedata.category(character)
        if category in ("Mn", "Me"):
            combining += 1
            if combining > _MOST_COMBINING or "\ufe00" <= character <= "\ufe0f":
                continue
            kept.append(character)
            continue
        if character in _TONES:
            continue
        combining = 0
        if character in _FILLERS:
            kept.append(MARK)
        elif character in "\n\t\r\v\f\x85\u2028\u2029" or category == "Zs":
            kept.append(" ")
        elif category == "Cf":
            # Joiners and variation tags only change looks; direction controls change the order.
            kept.append(MARK if unicodedata.bidirectional(character) not in ("BN", "L") else "")
        elif category[0] == "C":
            kept.append(MARK)
        else:
            kept.append(character)
    return "".join(kept)


def width(text: str) -> int:
    """Terminal cells that harmless text takes."""
    return len(text) if text.isascii() else cell_len(text)


def cut(text: str, cells: int, ellipsis: str = ELLIPSIS) -> str:
    """At most `cells` cells of one harmless line, cut between words where that loses little."""
    if width(text) <= cells:
        return text
    if cells <= len(ellipsis):
        return _head(text, max(0, cells))
    head = _head(text, cells - len(ellipsis))
    space = head.rfind(" ")
    if space >= len(head) * 0.6 and not text[len(head) : len(head) + 1].isspace():
        head = head[:space]
    return head.rstrip(" ,.:;") + ellipsis


def cut_middle(text: str, cells: int, ellipsis: str = ELLIPSIS) -> str:
    """At most `cells` cells of a name: its beginning and its end, which tell names apart."""
    if width(text) <= cells:
        return text
    if cells < 5:
        return cut(text, cells, ellipsis)
    tail = (cells - len(ellipsis)) // 2
    head = _head(text, cells - len(ellipsis) - tail)
    end = ""
    for character in reversed(text):
        if width(character + end) > tail:
            break
        end = character + end
    return head + ellipsis + end


def fit(text: str, cells: int, align: str = "left") -> str:
    """Exactly `cells` cells: cut, then padded at the right ("left" aligned), left or both sides."""
    text = cut(text, cells)
    room = cells - width(text)
    if align == "right":
        return " " * room + text
    if align == "center":
        return " " * (room // 2) + text + " " * (room - room // 2)
    return text + " " * room


def _head(text: str, cells: int) -> str:
    if text.isascii():
        return text[:cells]
    used = 0
    for index, character in enumerate(text):
        used += get_character_cell_size(character)
        if used > cells:
            return text[:index]
    return text


def wrapped(text: str, cells: int) -> list[str]:
    """The text's harmless lines, at most `cells` cells each, broken between words if possible."""
    return [part for line in lines(text) for part in _wrap(line, max(1, cells))]


@lru_cache(maxsize=4096)
def _wrap(line: str, cells: int) -> tuple[str, ...]:
    if width(line) <= cells:
        return (line,)
    indent = line[: len(line) - len(line.lstrip())]
    if len(indent) > cells // 2:
        indent = ""
    parts: list[str] = []
    rest = line
    while width(rest) > cells:
        head = _head(rest, cells)
        if not head:
            # A character wider than the whole column cannot be drawn at all.
            rest = MARK + rest[1:]
            continue
        space = head.rfind(" ")
        if rest[len(head)] != " " and space > max(len(indent), len(head) // 2):
            head = head[:space]
        parts.append(head.rstrip())
        rest = indent + rest[len(head) :].lstrip()
    parts.append(rest)
    return tuple(parts)
