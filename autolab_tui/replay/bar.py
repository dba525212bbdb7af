"""The line at the bottom that says where in the run one is."""

from __future__ import annotations

from autolab_tui import words
from autolab_tui.glyphs import Glyphs
from autolab_tui.replay.store import ReplayStore
from autolab_tui.roles import Line, Span
from autolab_tui.views.layout import pad
from autolab_tui.widgets.lines import Lines


class TimeBar(Lines):
    """The run's time as a bar with its verdicts, and the moment that is shown."""

    def __init__(self, store: ReplayStore, glyphs: Glyphs) -> None:
        super().__init__("time-bar")
        self._store, self._glyphs = store, glyphs

    def paint(self) -> None:
        """Draw it for the present moment."""
        if self.size.width > 0:
            self.show([line(self._store, self._glyphs, self.size.width)])


def line(store: ReplayStore, glyphs: Glyphs, cells: int) -> Line:
    """The bar in `cells` columns: verdicts are marked, and what has passed is full."""
    recording = store.recording
    whole = max(1e-9, recording.end - recording.start)
    passed = store.position - recording.start
    at = words.time_of_day(store.position)
    sign = glyphs.states["running"] if store.playing else glyphs.states["paused"]
    left: list[Span] = [(f" {sign} ", "key"), (f"{at} ", "strong")]
    right: list[Span] = [
        (f" {words.duration(passed)} of {words.duration(whole)}", "text"),
        (f"  x{store.speed:g} ", "dim"),
    ]
    room = cells - sum(len(text) for text, _ in (*left, *right))
    if room < 8:
        return tuple(pad([*left, *right], cells))
    marked = {min(room - 1, int((t - recording.start) / whole * room)) for t in recording.verdicts}
    cut = min(room, round(passed / whole * room))
    bar: list[Span] = [
        (
            glyphs.improved
            if cell in marked
            else glyphs.bar_full
            if cell < cut
            else glyphs.bar_empty,
            "bar-used" if cell < cut else "bar-left",
        )
        for cell in range(room)
    ]
    return (*left, *bar, *right)
