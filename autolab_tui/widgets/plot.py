"""The trajectory plot as a widget."""

from __future__ import annotations

from autolab_tui.glyphs import Glyphs
from autolab_tui.plotting.chart import Trajectory, chart
from autolab_tui.widgets.lines import Lines


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

    def paint(self) -> None:
        """Draw it at the present size."""
        cells, rows = self.size
        if self._trajectory is None or cells < 1 or rows < 1:
            self.show([])
        else:
            self.show(chart(self._trajectory, cells, rows, self._glyphs))
