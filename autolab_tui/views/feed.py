"""The feed: what happened that an operator would want to have seen, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

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
    "alert": ("alert", "warn"),
    "failed": ("failed", "run-failed"),
    "ended": ("ended", "run-finished"),
}
_KIND_CELLS = 11


def items(state: State, choice: Choice) -> list[FeedItem]:
    """The feed of the runs on the screen and of the engine itself, newest first."""
    runs = set(runs_shown(state, choice))
    kept = []
    for item in reversed(state.feed):
        session = state.sessions.get(item.session or "")
        if session is None or session.run in runs:
            kept.append(item)
    return kept


def rows(found: Sequence[FeedItem], state: State, cells: int, glyphs: Glyphs) -> list[Row]:
    """A row for each item, painted when it is seen."""

    def paint(item: FeedItem) -> Sequence[Line]:
        return (line(item, state, cells, glyphs),)

    return [(str(item.seq), Painted(1, partial(paint, item))) for item in found]


def line(item: FeedItem, state: State, cells: int, glyphs: Glyphs) -> Line:
    """One line of the feed: when, where, what."""
    session = state.sessions.get(item.session or "")
    word, role = _KINDS.get(item.kind, (plain(item.kind), "text"))
    spans: list[Span] = [("  ", "text"), (words.time_of_day(item.at), "dim"), ("  ", "text")]
    spans += [*pad([(word, role)], _KIND_CELLS), (" ", "text")]
    where_cells = 34 if cells >= 140 else 22 if cells >= 100 else 16
    if session is not None:
        name = "".join(text for text, _ in say.task(session, where_cells))
        if cells >= 140:
            name += f" {glyphs.separator} {say.who(session)}"
        spans += [*pad([(cut_middle(name, where_cells), "strong")], where_cells), (" ", "text")]
    used = sum(len(text) for text, _ in spans[:3]) + _KIND_CELLS + 1
    used += where_cells + 1 if session is not None else 0
    text = plain(item.text)
    if item.kind == "ended":
        outcome, colon, evidence = text.partition(":")
        text = outcome.replace("_", " ") + colon + evidence
    spans.append((cut(text, max(0, cells - used - 1)), "text"))
    return tuple(pad(spans, cells))
