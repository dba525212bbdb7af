"""Escape sequences for styled text, each saying only what is not in force already.

Rich writes every attribute before a piece of text and a reset after it: 40 bytes around one digit.
A pen remembers how it writes, so that a second digit in the same colours costs its move alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from rich.color import Color, ColorSystem
from rich.console import Console
from rich.style import Style

_ATTRIBUTES = {
    "bold": "1",
    "dim": "2",
    "italic": "3",
    "underline": "4",
    "blink": "5",
    "blink2": "6",
    "reverse": "7",
    "conceal": "8",
    "strike": "9",
    "underline2": "21",
    "frame": "51",
    "encircle": "52",
    "overline": "53",
}  # ECMA-48, 8.3.117
_OF_INK = frozenset("123")  # bold, dim and italic change only what is written


class Look(NamedTuple):
    """The parameters of SGR that a style stands for; empty is the terminal's own."""

    attributes: frozenset[str] = frozenset()
    ink: str = ""
    ground: str = ""


_PLAIN = Look()


class Pen:
    """Writes cells for one terminal, from the terminal's own colours on; `lift` ends so, too."""

    def __init__(self, console: Console) -> None:
        self._system = console._color_system  # as Textual asks for it; the public one is a word
        self._look = _PLAIN
        self._line = -1
        self._written: list[str] = []

    def move(self, column: int, line: int) -> None:
        """Go to a column (from 0) of a line (from 0)."""
        if line == self._line:
            self._written.append(f"\x1b[{column + 1}G")
        else:
            self._line = line
            self._written.append(f"\x1b[{line + 1};{column + 1}H")

    def add(self, text: str, style: Style | None) -> None:
        """Text of one style where the last one ended."""
        style = style or Style.null()
        if style.link:
            self._become(_PLAIN)
            self._written.append(style.render(text, color_system=self._system))
            return
        look = look_of(style, self._system)
        if text.isspace() and look.attributes <= _OF_INK >= self._look.attributes:
            look = self._look._replace(ground=look.ground)  # a blank shows no ink
        self._become(look)
        self._written.append(text)

    def lift(self) -> str:
        """All that was written; whoever writes next finds the terminal's own colours."""
        self._become(_PLAIN)
        written, self._written, self._line = "".join(self._written), [], -1
        return written

    def _become(self, look: Look) -> None:
        codes = between(self._look, look)
        if codes is not None:
            self._written.append(f"\x1b[{codes}m")
        self._look = look


@lru_cache(maxsize=4096)
def between(old: Look, new: Look) -> str | None:
    """The parameters that lead from one look to another; None when there is nothing to say."""
    if old == new:
        return None
    if new == _PLAIN:
        return "0"
    lost = old.attributes - new.attributes or (old.ink and not new.ink)
    # Attributes are only added: what ends one ends others with it (22 ends bold and dim).
    begin: list[str] = []
    if lost or (old.ground and not new.ground):
        begin, old = ["0"], _PLAIN
    codes = [*begin, *sorted(new.attributes - old.attributes, key=int)]
    codes += [code for code, had in ((new.ink, old.ink), (new.ground, old.ground)) if code != had]
    return ";".join(codes)


@lru_cache(maxsize=4096)
def look_of(style: Style, system: ColorSystem | None) -> Look:
    """How a style looks on a terminal with so many colours; None for one that shows no styles."""
    if system is None:
        return _PLAIN
    attributes = frozenset(code for name, code in _ATTRIBUTES.items() if getattr(style, name))
    return Look(
        attributes, _colour(style.color, system, True), _colour(style.bgcolor, system, False)
    )


def _colour(colour: Color | None, system: ColorSystem, ink: bool) -> str:
    if colour is None:
        return ""
    return ";".join(colour.downgrade(system).get_ansi_codes(foreground=ink))
