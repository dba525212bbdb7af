"""The part of an x axis that is looked at: zoomed, moved, never outside of what there is."""

from __future__ import annotations

import msgspec

CLOSEST = 1 / 4096  # the least share of the whole axis that can be looked at


class Window(msgspec.Struct, frozen=True):
    """Shares of the axis, 0 at its start and 1 at its end."""

    start: float = 0.0
    end: float = 1.0

    @property
    def whole(self) -> bool:
        """Whether nothing is hidden."""
        return self.start <= 0.0 and self.end >= 1.0

    @property
    def span(self) -> float:
        """How much of the axis is seen."""
        return self.end - self.start

    def zoomed(self, factor: float, about: float) -> Window:
        """`factor` times as wide, the share `about` staying where it is on the screen."""
        span = min(1.0, max(CLOSEST, self.span * factor))
        place = (about - self.start) / self.span if self.span else 0.5
        return _within(about - place * span, span)

    def moved(self, part: float) -> Window:
        """Moved by a part of its own width."""
        return _within(self.start + part * self.span, self.span)

    def showing(self, share: float) -> Window:
        """Moved as little as it takes to have a share of the axis in it."""
        if share < self.start:
            return _within(share, self.span)
        if share > self.end:
            return _within(share - self.span, self.span)
        return self


def _within(start: float, span: float) -> Window:
    start = min(max(0.0, start), 1.0 - span)
    return Window(start, start + span)
