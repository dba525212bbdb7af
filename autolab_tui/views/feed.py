"""The feed: what happened that an operator would want to have seen, newest first.

What befell many sessions at once for one cause (an engine that was killed, a provider that is down)
is one line with their number, which opens.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import partial

import msgspec

from autolab_tui import words
from autolab_tui.glyphs import Glyphs
from autolab_tui.plain import cut, cut_middle, plain
from autolab_tui.roles import Line, Role, Span
from autolab_tui.views import sessions as say
from autolab_tui.views.fleet import Choice, runs_shown
from autolab_tui.views.layout import pad
from autolab_tui.views.rows import Painted, Row
from engine.state import FeedItem, State

_KINDS: dict[str, tuple[str, Role]] = {
    "run": ("run", "title"),
    "note": ("note", "dim"),
    "improved": ("improved", "verdict-pass"),
    "gate": ("gate failed", "verdict-fail"),
    "zero": ("zero", "verdict-fail"),
    "rejected": ("rejected", "verdict-fail"),
    "not_judged": ("not judged", "verdict-unjudged"),
    "suspect": ("suspect", "verdict-suspect"),
    "verify": ("verify", "run-verifying"),
    "intervention": ("by hand", "warn"),
    "retry": ("retry", "warn"),
    "context": ("compacted", "title"),
    "abandoned": ("turn lost", "warn"),
    "alert": ("alert", "warn"),
    "failed": ("failed", "run-failed"),
    "ended": ("ended", "run-finished"),
}
_KIND_CELLS = 11
_FOLDED = frozenset(("abandoned", "retry", "paused", "resumed", "rebuilt", "alert", "lease"))
_AT_ONCE = 10.0  # seconds from one to the next
_LEAST = 3  # fewer take no more room by themselves
_TURN = re.compile(r"turn \d+ given up(.*)", re.DOTALL)
_RETRY = re.compile(r"model call retried (.*), attempt \d+", re.DOTALL)
_PREFIX = "fold/"


class Fold(msgspec.Struct, frozen=True):
    """What happened to several sessions at once for one cause, newest first."""

    items: tuple[FeedItem, ...]

    @property
    def identity(self) -> str:
        """By its oldest item, so that it stays the same while more happens."""
        return f"{_PREFIX}{self.items[-1].seq}"


def items(state: State, choice: Choice) -> list[FeedItem]:
    """The feed of the runs on the screen and of the engine itself, newest first."""
    runs = set(runs_shown(state, choice))
    kept = []
    for item in reversed(state.feed):
        session = state.sessions.get(item.session or "")
        if session is None or session.run in runs:
            kept.append(item)
    return kept


def folds(found: Sequence[FeedItem]) -> list[FeedItem | Fold]:
    """The items, newest first, with those of one cause and moment in one fold, at its newest."""
    groups: dict[tuple[str, str], list[FeedItem]] = {}  # the youngest group of each cause
    told: list[list[FeedItem]] = []
    for item in found:
        if item.session is None or item.kind not in _FOLDED:
            told.append([item])
            continue
        cause = (item.kind, _cause(item))
        group = groups.get(cause)
        if group is not None and group[-1].at - item.at <= _AT_ONCE:
            group.append(item)
        else:
            groups[cause] = [item]
            told.append(groups[cause])
    shown: list[FeedItem | Fold] = []
    for group in told:
        if len(group) < _LEAST:
            shown += group
        else:
            shown.append(Fold(tuple(group)))
    return shown


def _cause(item: FeedItem) -> str:
    """What happened, without what is each session's own."""
    found = _TURN.fullmatch(item.text) or _RETRY.fullmatch(item.text)
    return found.group(1) if found is not None else item.text


def _together(fold: Fold) -> str:
    """A fold in words."""
    newest, many = fold.items[0], len(fold.items)
    if newest.kind == "abandoned":
        return f"{many} turns given up{_cause(newest)}"
    if newest.kind == "retry":
        return f"{many} model calls retried {_cause(newest)}"
    return newest.text


def is_fold(row: str | None) -> bool:
    """Whether the row with this identity is a fold's."""
    return row is not None and row.startswith(_PREFIX)


def rows(
    found: Sequence[FeedItem],
    state: State,
    cells: int,
    glyphs: Glyphs,
    opened: Collection[str] = (),
) -> list[Row]:
    """A row for each item or fold, painted when it is seen; each item of those `opened`."""

    def paint(item: FeedItem | Fold, sign: str = " ") -> Sequence[Line]:
        if isinstance(item, Fold):
            return (folded_line(item, sign, cells),)
        return (line(item, state, cells, glyphs, sign),)

    made: list[Row] = []
    for item in folds(found):
        if isinstance(item, FeedItem):
            made.append((str(item.seq), Painted(1, partial(paint, item))))
            continue
        is_open = item.identity in opened
        sign = glyphs.opened if is_open else glyphs.folded
        made.append((item.identity, Painted(1, partial(paint, item, sign))))
        if is_open:
            each = [(str(i.seq), Painted(1, partial(paint, i, glyphs.rule))) for i in item.items]
            made += each
    return made


def folded_line(fold: Fold, sign: str, cells: int) -> Line:
    """A fold as one line: when the last of it was, how many sessions, what."""
    newest = fold.items[0]
    spans = _start(newest, sign)
    where = words.plural(len({item.session for item in fold.items}), "session")
    where_cells = _where_cells(cells)
    spans += [*pad([(where, "strong")], where_cells), (" ", "text")]
    spans.append((cut(plain(_together(fold)), max(0, cells - _START - where_cells - 2)), "text"))
    return tuple(pad(spans, cells))


_START = 2 + 8 + 2 + _KIND_CELLS + 1


def _start(item: FeedItem, sign: str) -> list[Span]:
    word, role = _KINDS.get(item.kind, (plain(item.kind), "text"))
    moment: list[Span] = [(f" {sign}", "faint"), (words.time_of_day(item.at), "dim")]
    return [*moment, ("  ", "text"), *pad([(word, role)], _KIND_CELLS), (" ", "text")]


def _where_cells(cells: int) -> int:
    return 34 if cells >= 140 else 22 if cells >= 100 else 16


def line(item: FeedItem, state: State, cells: int, glyphs: Glyphs, sign: str = " ") -> Line:
    """One line of the feed: when, where, what; `sign` stands in its margin."""
    session = state.sessions.get(item.session or "")
    spans = _start(item, sign)
    where_cells = _where_cells(cells)
    if session is not None:
        name = "".join(text for text, _ in say.task(session, where_cells))
        if cells >= 140:
            name += f" {glyphs.separator} {say.who(session)}"
        spans += [*pad([(cut_middle(name, where_cells), "strong")], where_cells), (" ", "text")]
    used = _START + (where_cells + 1 if session is not None else 0)
    text = plain(item.text)
    if item.kind == "ended":
        outcome, colon, evidence = text.partition(":")
        text = outcome.replace("_", " ") + colon + evidence
    spans.append((cut(text, max(0, cells - used - 1)), "text"))
    return tuple(pad(spans, cells))
