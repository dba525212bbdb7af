"""The signs that screens draw with, once in Unicode and once in ASCII.

A sign never stands alone for a meaning: a word is beside it, or the legend names it.
"""

from __future__ import annotations

import locale
from collections.abc import Mapping
from typing import Literal

import msgspec
from rich.cells import get_character_cell_size

from engine.events import SessionPhase

Dots = Literal["braille", "blocks", "ascii"]


class Glyphs(msgspec.Struct, frozen=True):
    """One set of signs; each is one terminal cell wide, sequences go from little to much."""

    unicode: bool
    states: Mapping[SessionPhase, str]
    pulse: str
    spark: str
    bar_full: str
    bar_half: str
    bar_empty: str
    bar_tick: str
    cursor: str
    rule: str
    column: str
    alert: str
    improved: str
    scored: str
    failed: str
    unjudged: str
    suspect: str
    final: str
    folded: str
    opened: str
    falling: str
    rising: str
    more: str
    separator: str
    axis_corner: str
    axis_tick: str
    marked: str
    shade: str
    dots: Dots


UNICODE = Glyphs(
    unicode=True,
    states={
        "queued": "○",
        "preparing": "◌",
        "running": "●",
        "paused": "‖",
        "verifying": "◆",
        "finished": "✓",
        "failed": "✗",
    },
    pulse="⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏",
    spark="▁▂▃▄▅▆▇█",
    bar_full="━",
    bar_half="╸",
    bar_empty="─",
    bar_tick="┃",
    cursor="▌",
    rule="─",
    column="│",
    alert="▲",
    improved="●",
    scored="○",
    failed="✗",
    unjudged="?",
    suspect="!",
    final="◆",
    folded="▸",
    opened="▾",
    falling="▾",
    rising="▴",
    more="…",
    separator="·",
    axis_corner="└",
    axis_tick="┴",
    marked="✚",
    shade="░",
    dots="braille",
)

ASCII = Glyphs(
    unicode=False,
    states={
        "queued": "o",
        "preparing": "~",
        "running": "*",
        "paused": "=",
        "verifying": "?",
        "finished": "+",
        "failed": "x",
    },
    pulse="|/-\\",
    spark="_.-:=+*#",
    bar_full="#",
    bar_half="#",
    bar_empty=".",
    bar_tick="|",
    cursor=">",
    rule="-",
    column="|",
    alert="!",
    improved="*",
    scored="o",
    failed="x",
    unjudged="?",
    suspect="!",
    final="@",
    folded=">",
    opened="v",
    falling=" v",  # apart, or it would be a letter of the title
    rising=" ^",
    more="~",
    separator="-",
    axis_corner="+",
    axis_tick="+",
    marked="+",
    shade=":",
    dots="ascii",
)

# What text in an ASCII terminal becomes where a sign of ours or a stranger's letter has no ASCII.
_ASCII_FOR = str.maketrans(
    {
        "—": "-", "–": "-", "…": "~", "·": "-", "‘": "'", "’": "'", "“": '"', "”": '"',
        "→": ">", "←": "<", "↑": "^", "↓": "v", "×": "x", "≤": "<", "≥": ">", "▸": ">", "▾": "v",
        "▴": "^",
        "─": "-", "━": "-", "╌": "-", "│": "|", "┃": "|", "╸": "-", "▌": ">", "┌": "+", "┐": "+",
        "└": "+", "┘": "+", "├": "+", "┤": "+", "┬": "+", "┴": "+", "┼": "+", "╭": "+", "╮": "+",
        "╰": "+", "╯": "+", "█": "#", "▔": "-", "▁": "_", "▎": "|", "▊": "|", "▏": "|", "▕": "|",
        "✓": "+", "✗": "x", "●": "*", "○": "o", "◆": "@", "✚": "+", "░": ":",
    }
)  # fmt: skip


def to_ascii(text: str) -> str:
    """The text in ASCII, in as many terminal cells as before."""
    if text.isascii():
        return text
    translated = text.translate(_ASCII_FOR)
    return "".join(c if c.isascii() else "?" * get_character_cell_size(c) for c in translated)


def terminal_is_unicode(environ: Mapping[str, str]) -> bool:
    """Whether the locale says that the terminal reads UTF-8.

    `AUTOLAB_ASCII=1` says that it does not, for terminals whose fonts lack the signs.
    """
    if environ.get("AUTOLAB_ASCII", "") not in ("", "0"):
        return False
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        if environ.get(name):
            said = environ[name].lower().replace("-", "")
            return "utf8" in said
    return "utf" in locale.getpreferredencoding(False).lower()


def choose(unicode: bool, environ: Mapping[str, str] = {}) -> Glyphs:
    """The set for a terminal.

    `AUTOLAB_PLOT=blocks` draws plots in quarters of cells, for fonts that lack braille; the Linux
    console's own font always does.
    """
    if not unicode:
        return ASCII
    plain_font = environ.get("TERM") == "linux"
    asked = environ.get("AUTOLAB_PLOT", "blocks" if plain_font else "braille")
    if asked == "ascii":
        return msgspec.structs.replace(UNICODE, dots="ascii")
    return msgspec.structs.replace(UNICODE, dots="blocks") if asked == "blocks" else UNICODE
