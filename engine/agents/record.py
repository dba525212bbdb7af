"""Entries of a conversation as text, cut to a size: what a model is told of its own past.

Sizes are characters. What a tool or the terminal printed is `bulk`: it goes first, oldest first,
because a model can look again; what it said and did cannot be had a second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.agents.toolbox import KEYS, excerpt
from engine.entries import Entry

KEPT = 600  # of what is shortened
_LEAST = 40
_SCREEN = "terminal"
_BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that was said, done or printed, of entry number `entry`."""

    entry: int
    head: str
    body: str
    bulk: bool = False
    begins: bool = False  # a step: what a model answered, with what came of it

    @property
    def text(self) -> str:
        """The part as it is read."""
        return f"{self.head}:\n{self.body}"

    @property
    def size(self) -> int:
        """With the gap after it."""
        return len(self.head) + len(self.body) + 2 + len(_BETWEEN)


def parts_of(entries: Sequence[Entry], thoughts: bool = False) -> list[Part]:
    """The entries in parts; what the model thought aloud only if asked for."""
    found: list[Part] = []
    for entry in entries:
        match entry["kind"]:
            case "user":
                screen = entry.get("about") == _SCREEN
                found.append(Part(entry["n"], "You were told", entry["text"], bulk=screen))
            case "assistant":
                found += _answer(entry, thoughts)
            case "tool" if entry["name"] != KEYS:
                head = f"{entry['name']} gave"
                found.append(Part(entry["n"], head, entry["output"], bulk=True))
    return found


def _answer(entry: Entry, thoughts: bool) -> list[Part]:
    number = entry["n"]
    parts = []
    if thoughts and entry["reasoning"].strip():
        parts.append(Part(number, "You thought", entry["reasoning"], bulk=True))
    if entry["text"].strip():
        parts.append(Part(number, "You said", entry["text"]))
    parts += [
        Part(number, f"You called {call['name']} with", call["arguments"])
        for call in entry["tool_calls"]
    ]
    return [replace(part, begins=at == 0) for at, part in enumerate(parts)]


def size_of(parts: Sequence[Part]) -> int:
    """How long they are together."""
    return sum(part.size for part in parts)


def text_of(parts: Sequence[Part]) -> str:
    """The parts as one text."""
    return _BETWEEN.join(part.text for part in parts)


def shortened(parts: Sequence[Part], limit: int) -> list[Part]:
    """With as many bodies cut to head and tail as it takes to come down to `limit`.

    Bulk first, then anything; each oldest first. The result may be longer all the same.
    """
    made, size = list(parts), size_of(parts)
    for anything in (False, True):
        for at, part in enumerate(made):
            if size <= limit:
                return made
            if anything or part.bulk:
                made[at] = _cut(part, KEPT)
                size -= part.size - made[at].size
    return made


def without_output(parts: Sequence[Part], limit: int) -> list[Part] | None:
    """With the oldest bulk replaced by how long it was, until the whole is no longer than `limit`.

    The newest step is left whole. None when that is not enough.
    """
    made, size = list(parts), size_of(parts)
    newest = max((at for at, part in enumerate(made) if part.begins), default=0)
    for at, part in enumerate(made[:newest]):
        if size <= limit:
            break
        if part.bulk:
            left_out = replace(part, body=f"[{len(part.body)} characters stood here]")
            if left_out.size < part.size:
                made[at] = left_out
                size -= part.size - left_out.size
    return made if size <= limit else None


def newest(parts: Sequence[Part], limit: int) -> list[Part]:
    """The newest whole steps that are no longer than `limit` together.

    The newest one is there in any case, shortened as far as it must be.
    """
    begin, size = len(parts), 0
    for at in range(len(parts) - 1, -1, -1):
        size += parts[at].size
        if size > limit:
            break
        if parts[at].begins or at == 0:
            begin = at
    if begin < len(parts):
        return list(parts[begin:])
    last = max((at for at, part in enumerate(parts) if part.begins), default=0)
    return _forced(parts[last:], limit)


def first(parts: Sequence[Part], limit: int) -> tuple[list[Part], list[Part]]:
    """(the oldest parts that are no longer than `limit` together, the rest).

    At least one part, shortened if it alone is longer.
    """
    taken, size = 0, 0
    while taken < len(parts) and size + parts[taken].size <= limit:
        size += parts[taken].size
        taken += 1
    if taken or not parts:
        return list(parts[:taken]), list(parts[taken:])
    return _forced(parts[:1], limit), list(parts[1:])


def _forced(parts: Sequence[Part], limit: int) -> list[Part]:
    made = shortened(parts, limit)
    if size_of(made) <= limit:
        return made
    # Hundreds of calls in one answer, or very little room: the newest ones, cut further.
    kept: list[Part] = []
    size = 0
    for part in reversed([_cut(part, max(_LEAST, limit // 4)) for part in made]):
        size += part.size
        if kept and size > limit:
            break
        kept.insert(0, part)
    return kept


def _cut(part: Part, chars: int) -> Part:
    """The part with its body cut, unless that would make it longer."""
    short = replace(part, body=excerpt(part.body, chars))
    return short if short.size < part.size else part
