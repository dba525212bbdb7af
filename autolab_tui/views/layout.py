"""Lines of text in columns: which columns fit, how wide each is, which remarks fit on a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from autolab_tui.plain import fit, width
from autolab_tui.roles import Line, Role, Span

Align = Literal["left", "right"]
HEADING = "#"  # what the identity of a row begins with that a list's cursor passes over


class Column(msgspec.Struct, frozen=True):
    """A column wants between `least` and `most` cells; a higher `rank` is given up earlier."""

    key: str
    title: str
    least: int
    most: int
    rank: int = 0
    align: Align = "left"


def widths(columns: Sequence[Column], room: int, gap: int = 1) -> dict[str, int]:
    """The width of each column that fits in `room` cells, in order; others are absent.

    Columns go by rank until the least widths fit; what is left over is spread over those that can
    use it, evenly.
    """
    kept = list(columns)

    def least() -> int:
        return sum(c.least for c in kept) + gap * max(0, len(kept) - 1)

    while len(kept) > 1 and least() > room:
        kept.remove(max(reversed(kept), key=lambda c: c.rank))
    given = {c.key: c.least for c in kept}
    spare = room - least()
    while spare > 0:
        growing = [c for c in kept if given[c.key] < c.most]
        if not growing:
            break
        share = max(1, spare // len(growing))
        for column in growing:
            more = min(share, column.most - given[column.key], spare)
            given[column.key] += more
            spare -= more
    return given


def pad(line: Sequence[Span], cells: int, align: Align = "left") -> list[Span]:
    """The spans in exactly `cells` cells."""
    done: list[Span] = []
    room = cells
    for text, role in line:
        if room <= 0:
            break
        shown = text if width(text) <= room else fit(text, room)
        done.append((shown, role))
        room -= width(shown)
    if room > 0:
        blank: Span = (" " * room, "text")
        done = [blank, *done] if align == "right" else [*done, blank]
    return done


def between(left: Sequence[Span], right: Sequence[Span], cells: int) -> Line:
    """Left and right parts on one line; the right one stays whole."""
    right_cells = sum(width(text) for text, _ in right)
    if right_cells >= cells:
        return tuple(pad(right, cells))
    room = cells - right_cells
    if right and sum(width(text) for text, _ in left) > room:  # what is cut touches nothing
        return (*pad(left, room - 1), (" ", "text"), *right)
    return (*pad(left, room), *right)


def heading(name: str, note: str, rule: str, cells: int, focused: bool = False) -> Line:
    """The title over a part of a screen: its name, a rule, a note at the right."""
    left: list[Span] = [(f"{rule * 2} ", "faint"), (name, "title" if focused else "strong")]
    right: list[Span] = [(f" {note} " if note else "", "dim"), (rule * 2, "faint")]
    middle = cells - sum(width(text) for text, _ in (*left, *right)) - 1
    return between([*left, (" " + rule * max(0, middle), "faint")], right, cells)


class Remark(msgspec.Struct, frozen=True):
    """Something a line can say if there is room; a higher `rank` is given up earlier."""

    spans: tuple[Span, ...]
    rank: int = 0

    @property
    def cells(self) -> int:
        """How wide it is."""
        return sum(width(text) for text, _ in self.spans)


def remarks(said: Sequence[Remark], cells: int, separator: Span) -> list[Span]:
    """As many remarks as fit, in their order, separated; the least important go first."""
    kept = list(said)
    gap = width(separator[0])
    while kept and sum(r.cells for r in kept) + gap * (len(kept) - 1) > cells:
        if len(kept) == 1:
            return pad(kept[0].spans, cells)
        kept.remove(max(reversed(kept), key=lambda r: r.rank))
    spans: list[Span] = []
    for remark in kept:
        if spans:
            spans.append(separator)
        spans.extend(remark.spans)
    return spans


def remark(text: str, role: Role = "text", rank: int = 0) -> Remark:
    """A remark of one span."""
    return Remark(((text, role),), rank)
