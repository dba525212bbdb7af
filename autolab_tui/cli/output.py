"""What commands print: JSON with its schema for programs, aligned plain text for eyes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# JSON escapes C0 controls by itself. These a terminal would obey too, or be led astray by: C1 and
# DEL, what changes the direction of writing, line separators, tags; and halves of surrogate pairs,
# which are no UTF-8.
_OBEYED = re.compile(
    "[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
_MOST_REPLACED = 40  # characters that are replaced one after the other


def emit(schema: str, content: Mapping[str, Any]) -> None:
    """Print one JSON object as `autolab/SCHEMA/1`."""
    print(as_json({"schema": f"autolab/{schema}/1", **content}, indent=2))


def as_json(value: object, indent: int | None = None) -> str:
    """JSON whose strings hold no character that a terminal obeys."""
    return quiet(json.dumps(value, ensure_ascii=False, indent=indent))


def quiet(text: str) -> str:
    """The same JSON, with what a terminal obeys written as escapes."""
    if text.isascii() and "\x7f" not in text:
        return text
    obeyed = [character for character in set(text) if _OBEYED.match(character)]
    if len(obeyed) > _MOST_REPLACED:
        return _OBEYED.sub(lambda found: _escape(found[0]), text)
    for character in obeyed:  # a megabyte of one of them is one pass
        text = text.replace(character, _escape(character))
    return text


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def plain(text: str, limit: int | None = None) -> str:
    """One line that a terminal cannot take for commands, cut to `limit` cells.

    Whatever an agent or a suite wrote may hold escape sequences or direction overrides.
    """
    from autolab_tui.plain import cut
    from autolab_tui.plain import plain as harmless

    line = harmless(text)
    return line if limit is None else cut(line, limit)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Aligned columns under upper-case heads; columns numbered in `right` stand to the right."""
    from autolab_tui.plain import fit, width

    lines = [[h.upper() for h in head], *([plain(cell) for cell in row] for row in rows)]
    widths = [max(width(line[i]) for line in lines) for i in range(len(head))]

    def cell(index: int, text: str) -> str:
        return fit(text, widths[index], "right" if index in right else "left")

    return "\n".join(
        "  ".join(cell(i, text) for i, text in enumerate(line)).rstrip() for line in lines
    )


def number(value: float | None, digits: int = 3) -> str:
    """A figure, or a dash for what is not known."""
    return "-" if value is None else f"{value:.{digits}f}"


def note(text: str) -> None:
    """A remark for the operator that is no part of the output."""
    print(f"autolab: {plain(text)}", file=sys.stderr, flush=True)
