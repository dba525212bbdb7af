"""The line at the top of every screen but the fleet: is the engine alive, where one is."""

from __future__ import annotations

from collections.abc import Sequence

from autolab_tui import words
from autolab_tui.plain import width
from autolab_tui.roles import Line, Span
from autolab_tui.views.frame import Frame
from autolab_tui.views.layout import between
from autolab_tui.views.overview import heartbeat


def strip(tabs: Sequence[tuple[str, str, bool]], frame: Frame, cells: int) -> Line:
    """The line in `cells` columns. `tabs` are (key, title, whether it is this one), in order.

    Where they do not all fit, only the present one is named.
    """
    left: list[Span] = [(" ", "text"), ("AutoLab  ", "title"), *heartbeat(frame)]
    clock: list[Span] = [(words.hour(frame.moment.at), "dim"), (" ", "text")]
    shown = _tabs(tabs)
    taken = sum(width(text) for text, _ in (*left, *clock)) + 6
    if taken + sum(width(text) for text, _ in shown) > cells:
        shown = _tabs([tab for tab in tabs if tab[2]])
    if taken + sum(width(text) for text, _ in shown) > cells:
        clock = []
    return between([*left, ("   ", "text"), *shown], clock, cells)


def _tabs(tabs: Sequence[tuple[str, str, bool]]) -> list[Span]:
    spans: list[Span] = []
    for key, title, here in tabs:
        spans += [(f"{key} ", "key"), (f"{title}  ", "title" if here else "dim")]
    return spans
