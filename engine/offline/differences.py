"""What differs between two sets of files, as unified text; pure, and bounded whatever they hold.

Lines that both sides have exactly once anchor the comparison, and the standard library's matcher
fills what lies between two anchors. Where that is still long, as no file that people edit by hand
is, the whole stretch counts as replaced: a file can be made for which any fine comparison takes
minutes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

MOST_LINES = 2000  # of one file's difference
LINE_CHARS = 4000
_CONTEXT = 3
_STRETCH = 2000  # lines of both sides between two anchors that are compared finely
_NO_NEWLINE = "\\ No newline at end of file"

Change = Literal["added", "removed", "changed"]
_Block = tuple[int, int, int]  # where equal lines begin on both sides, and how many


@dataclass(frozen=True, slots=True)
class FileDifference:
    """One file that differs.

    `lines` are the hunks of a unified diff, without the two lines that name the files; `left_out`
    counts those beyond the limit. For a binary file there are none, and no counts.
    """

    path: str
    change: Change
    binary: bool
    removed: int | None
    added: int | None
    lines: tuple[str, ...]
    left_out: int


def compare(
    old: Mapping[str, bytes], new: Mapping[str, bytes], most_lines: int = MOST_LINES
) -> list[FileDifference]:
    """The files that differ, by path."""
    return [
        _file(path, old.get(path), new.get(path), most_lines)
        for path in sorted({*old, *new})
        if old.get(path) != new.get(path)
    ]


def _file(path: str, old: bytes | None, new: bytes | None, most: int) -> FileDifference:
    change: Change = "added" if old is None else "removed" if new is None else "changed"
    before, after = old or b"", new or b""
    if b"\0" in before or b"\0" in after:
        return FileDifference(path, change, True, None, None, (), 0)
    lines: list[str] = []
    removed = added = left_out = 0
    for line in _unified(_lines(before), _lines(after)):
        removed += line.startswith("-")
        added += line.startswith("+")
        if len(lines) < most:
            lines.append(line)
        else:
            left_out += 1
    return FileDifference(path, change, False, removed, added, tuple(lines), left_out)


def _lines(data: bytes) -> list[str]:
    """Lines with their newline, so that a missing last one is a difference."""
    found = data.decode("utf-8", "backslashreplace").split("\n")
    whole = [f"{line}\n" for line in found[:-1]]
    return [*whole, found[-1]] if found[-1] else whole


def _unified(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    for hunk in _hunks(_changes(old, new)):
        (first, _, begin, _), (_, last, _, end) = hunk[0], hunk[-1]
        before = min(_CONTEXT, first)
        after = min(_CONTEXT, len(old) - last)
        start, stop = first - before, last + after
        yield f"@@ -{_range(start, stop)} +{_range(begin - before, end + after)} @@"
        at = start
        for i1, i2, j1, j2 in hunk:
            yield from _marked(" ", old[at:i1])
            yield from _marked("-", old[i1:i2])
            yield from _marked("+", new[j1:j2])
            at = i2
        yield from _marked(" ", old[at:stop])


def _range(start: int, stop: int) -> str:
    """Lines [start, stop) as a unified diff counts them."""
    length = stop - start
    first = start + 1 if length else start
    return str(first) if length == 1 else f"{first},{length}"


def _marked(mark: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        text = line.removesuffix("\n")
        cut = len(text) - LINE_CHARS
        more = f" … {cut} more characters" if cut > 0 else ""
        yield f"{mark}{text[:LINE_CHARS]}{more}"
        if not line.endswith("\n"):
            yield _NO_NEWLINE


_Change = tuple[int, int, int, int]  # old[i1:i2] became new[j1:j2]


def _hunks(changes: Sequence[_Change]) -> Iterator[list[_Change]]:
    """Changes whose context would touch belong to one hunk."""
    hunk: list[_Change] = []
    for change in changes:
        if hunk and change[0] - hunk[-1][1] > 2 * _CONTEXT:
            yield hunk
            hunk = []
        hunk.append(change)
    if hunk:
        yield hunk


def _changes(old: Sequence[str], new: Sequence[str]) -> list[_Change]:
    changes = []
    i = j = 0
    for a, b, length in [*_equal(old, new), (len(old), len(new), 0)]:
        if i < a or j < b:
            changes.append((i, a, j, b))
        i, j = a + length, b + length
    return changes


def _equal(old: Sequence[str], new: Sequence[str]) -> Iterator[_Block]:
    """The stretches that are equal, in order."""
    i = j = 0
    for a, b in [*_anchors(old, new), (len(old), len(new))]:
        for x, y, length in _between(old[i:a], new[j:b]):
            yield i + x, j + y, length
        if a < len(old):
            yield a, b, 1
        i, j = a + 1, b + 1


def _between(old: Sequence[str], new: Sequence[str]) -> Iterator[_Block]:
    """The equal stretches between two anchors."""
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    if head:
        yield 0, 0, head
    inner_old, inner_new = old[head : len(old) - tail], new[head : len(new) - tail]
    if len(inner_old) + len(inner_new) <= _STRETCH:
        for x, y, length in SequenceMatcher(None, inner_old, inner_new).get_matching_blocks():
            if length:
                yield head + x, head + y, length
    if tail:
        yield len(old) - tail, len(new) - tail, tail


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    """How many lines at the beginning are equal."""
    count = 0
    for a, b in zip(old, new, strict=False):
        if a != b:
            break
        count += 1
    return count


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Lines that stand once on each side, as many as are in the same order on both."""
    once_old, once_new = Counter(old), Counter(new)
    place = {line: j for j, line in enumerate(new) if once_new[line] == 1}
    pairs = [
        (i, place[line]) for i, line in enumerate(old) if once_old[line] == 1 and line in place
    ]
    # The longest rising run of places, by patience sorting.
    tops: list[int] = []
    piles: list[list[tuple[int, int, int]]] = []  # (i, j, which of the pile before it lies on)
    for i, j in pairs:
        pile = bisect_left(tops, j)
        below = len(piles[pile - 1]) - 1 if pile else -1
        if pile == len(tops):
            tops.append(j)
            piles.append([])
        tops[pile] = j
        piles[pile].append((i, j, below))
    chain = []
    at = -1
    for heap in reversed(piles):
        i, j, at = heap[at]
        chain.append((i, j))
    return chain[::-1]
