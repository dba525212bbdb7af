"""What the screens that stand on their own have in common: the strip, and the way to the others."""

from __future__ import annotations

from typing import ClassVar

from autolab_tui.actions import Place
from autolab_tui.bindings import bindings
from autolab_tui.roles import Line
from autolab_tui.screens.base import DrawnScreen, Host, key_line
from autolab_tui.screens.tops import TOPS
from autolab_tui.views.frame import Frame
from autolab_tui.views.layout import heading
from autolab_tui.views.strip import strip
from autolab_tui.widgets.lines import Lines


class TopScreen(DrawnScreen):
    """Has a strip at the top and the keys at the bottom; subclasses yield what is between.

    `PLACE` is the subclass's name in `TOPS` and its place in the registry of actions.
    """

    PLACE: ClassVar[Place]

    def __init_subclass__(cls) -> None:
        cls.BINDINGS = [*bindings(cls.PLACE), *bindings("top")]
        super().__init_subclass__()

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.strip = Lines("strip")
        self.keys = key_line(host, self.PLACE, "top", "app")

    def draw_frame(self, frame: Frame) -> None:
        """Draw strip and keys; subclasses draw the rest after it."""
        if self.size.width > 0:
            tabs = [(top.key, top.title, name == self.PLACE) for name, top in TOPS.items()]
            self.strip.show([strip(tabs, frame, self.size.width)])
            self.keys.paint()

    def heading(self, name: str, note: str, cells: int, focused: bool = False) -> Line:
        """The title over a part of the screen."""
        return heading(name, note, self.host.glyphs.rule, cells, focused)
