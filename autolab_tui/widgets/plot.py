"""The trajectory plot as a widget: with a cursor, to be zoomed and moved when it has the focus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.message import Message

from autolab_tui.bindings import bindings
from autolab_tui.glyphs import Glyphs
from autolab_tui.plotting.window import Window
from autolab_tui.widgets.lines import Lines

if TYPE_CHECKING:  # what draws is loaded when there is something to draw
    from autolab_tui.plotting.chart import Look, Mark, Trajectory

_STEPS = 200  # of the cursor across the window, at most


class TrajectoryPlot(Lines):
    """Draws one trajectory as large as it is; draws again only when something changed."""

    def __init__(self, glyphs: Glyphs, identity: str | None = None) -> None:
        super().__init__(identity)
        self._glyphs = glyphs
        self._trajectory: Trajectory | None = None

    def plot(self, trajectory: Trajectory | None) -> None:
        """Draw a trajectory, or nothing."""
        if trajectory != self._trajectory:
            self._trajectory = trajectory
            self.paint()

    @property
    def look(self) -> Look:
        """How it is looked at."""
        from autolab_tui.plotting.chart import Look

        return Look()

    def paint(self) -> None:
        """Draw it at the present size."""
        cells, rows = self.size
        if self._trajectory is None or cells < 1 or rows < 1:
            self.show([])
        else:
            from autolab_tui.plotting.chart import chart

            self.show(chart(self._trajectory, cells, rows, self._glyphs, self.look))


class ReadablePlot(TrajectoryPlot, can_focus=True, inherit_bindings=False):
    """A plot that can be read with a cursor."""

    BINDINGS = bindings("plot")

    class Chosen(Message):
        """The operator asked for the verdict at the cursor."""

        def __init__(self, mark: Mark) -> None:
            super().__init__()
            self.mark = mark

    def __init__(self, glyphs: Glyphs, identity: str | None = None) -> None:
        super().__init__(glyphs, identity)
        self._window = Window()
        self._cursor = 1.0

    @property
    def look(self) -> Look:
        """The window, and the cursor while the plot has the focus."""
        from autolab_tui.plotting.chart import Look

        return Look(self._window, self._cursor if self.has_focus else None)

    def forget(self) -> None:
        """Another trajectory or axis is shown: look at all of it."""
        self._window, self._cursor = Window(), 1.0
        self.paint()

    @property
    def zoomed(self) -> bool:
        """Whether a part of the axis is hidden."""
        return not self._window.whole

    def _look_at(self, window: Window, cursor: float) -> None:
        self._cursor = min(1.0, max(0.0, cursor))
        self._window = window.showing(self._cursor)
        self.paint()

    def action_cursor(self, by: int) -> None:
        """Move the cursor by a step of the window."""
        steps = min(_STEPS, max(10, self.size.width))
        self._look_at(self._window, self._cursor + by * self._window.span / steps)

    def action_mark(self, by: int) -> None:
        """Move the cursor to the next or previous verdict."""
        found = self._trajectory
        if found is None or not found.marks:
            return
        here, nothing = self._cursor * found.end, 1e-9 * found.end
        places = sorted(mark.x for mark in found.marks)
        ahead = [x for x in places if x > here + nothing]
        behind = [x for x in places if x < here - nothing]
        chosen = (ahead[:1] if by > 0 else behind[-1:]) or places[-1:]
        self._look_at(self._window, chosen[0] / found.end)

    def action_zoom(self, factor: float) -> None:
        """Look closer at the cursor, or from further away."""
        self._look_at(self._window.zoomed(factor, self._cursor), self._cursor)

    def action_pan(self, part: float) -> None:
        """Move the view, and the cursor with it."""
        moved = self._window.moved(part)
        self._look_at(moved, self._cursor + moved.start - self._window.start)

    def action_whole(self) -> None:
        """See the whole axis."""
        self._look_at(Window(), self._cursor)

    def action_choose(self) -> None:
        """Ask for the verdict at the cursor."""
        found = self._trajectory
        if found is not None:
            from autolab_tui.plotting.chart import nearest

            mark = nearest(found, self._cursor * found.end, self._window.span * found.end / 50)
            if mark is not None:
                self.post_message(self.Chosen(mark))

    def on_focus(self) -> None:
        """Show the cursor."""
        self.call_after_refresh(self.paint)  # the focus is only noted after this

    def on_blur(self) -> None:
        """Hide the cursor."""
        self.call_after_refresh(self.paint)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where it was clicked; a second click opens the verdict there."""
        left = 7  # about the axis labels' width: the plot begins there
        share = (event.x - left) / max(1, self.size.width - left - 1)
        self._look_at(self._window, self._window.start + share * self._window.span)
        if event.chain == 2:
            self.action_choose()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Look closer."""
        event.stop()
        self.action_zoom(0.8)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Look from further away."""
        event.stop()
        self.action_zoom(1.25)
