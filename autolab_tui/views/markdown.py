"""Markdown as models write it, coloured rather than rendered: every character stays to be seen.

A renderer would hide what it has no picture for (comments, link targets, definitions), and would
have to guess while a text is still being streamed. Colours need only the line and whether a fence
is open.
"""

from __future__ import annotations

import re

from autolab_tui.plain import lines as harmless_lines
from autolab_tui.plain import wrapped
from autolab_tui.roles import Role, Span

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}#{1,6}(\s|$)")
_BULLET = re.compile(r"(\s*(?:[-*+]|\d{1,4}[.)])\s)(.*)", re.DOTALL)
_INLINE = re.compile(r"(`[^`]+`)|(\*\*[^*]+\*\*|__[^_]+__)")


def coloured(text: str, cells: int, role: Role) -> list[list[Span]]:
    """The text's harmless lines, at most `cells` cells each, in spans; ordinary words in `role`."""
    made: list[list[Span]] = []
    fence = ""
    for line in harmless_lines(text):
        found = _FENCE.match(line)
        if fence:
            made += [[(part, "output")] for part in wrapped(line, cells)]
            if found and found[1].startswith(fence) and not line.strip("`~ \t"):
                fence = ""
        elif found:
            fence = found[1]
            made += [[(part, "dim")] for part in wrapped(line, cells)]
        elif _HEADING.match(line):
            made += [[(part, "title")] for part in wrapped(line, cells)]
        elif line.lstrip().startswith(">"):
            made += [[(part, "dim")] for part in wrapped(line, cells)]
        else:
            made += _paragraph(line, cells, role)
    return made


def _paragraph(line: str, cells: int, role: Role) -> list[list[Span]]:
    rows: list[list[Span]] = []
    for number, part in enumerate(wrapped(line, cells)):
        spans: list[Span] = []
        bullet = _BULLET.fullmatch(part) if number == 0 else None
        rest = part
        if bullet:
            spans.append((bullet[1], "key"))
            rest = bullet[2]
        rows.append([*spans, *_inline(rest, role)])
    return rows


def _inline(text: str, role: Role) -> list[Span]:
    spans: list[Span] = []
    end = 0
    for found in _INLINE.finditer(text):
        if found.start() > end:
            spans.append((text[end : found.start()], role))
        spans.append((found[0], "accent" if found[1] else "strong"))
        end = found.end()
    if end < len(text) or not spans:
        spans.append((text[end:], role))
    return spans
