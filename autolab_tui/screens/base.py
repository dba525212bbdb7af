"""What every screen that shows the engine's state has in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from textual.screen import Screen

from autolab_tui.actions import Place
from autolab_tui.calls import Calls
from autolab_tui.glyphs import Glyphs
from autolab_tui.local import Local
from autolab_tui.ordering import Ordering
from autolab_tui.store import Store
from autolab_tui.views.fleet import Choice
from autolab_tui.views.frame import Frame
from autolab_tui.widgets.keyline import KeyLine
from autolab_tui.widgets.lines import Lines

if TYPE_CHECKING:
    from autolab_tui.drafts import Draft


class Host(Protocol):
    """What screens need of the app."""

    store: Store
    glyphs: Glyphs
    choice: Choice
    calls: Calls
    orders: Ordering
    local: Local | None
    takes_orders: bool  # False in a replay, where nothing can be changed

    @property
    def draft(self) -> Draft:
        """The run that is being put together."""

    @draft.setter
    def draft(self, draft: Draft) -> None: ...

    def frame(self) -> Frame:
        """The frame to draw now."""

    def draw(self) -> None:
        """Take in what came and draw a frame."""

    def open_session(self, session: str) -> None:
        """Show a session's screen."""

    def launch(self, tasks: Sequence[str]) -> None:
        """Put a run of these tasks together."""

    def launched(self, run: str, sessions: int) -> None:
        """Show a run that has begun."""

    def time_bar(self) -> Lines | None:
        """A line that each screen has above its keys, or None."""

    def aside(self, work: Callable[[], object], what: str) -> None:
        """Give the terminal to something else until it is done; it may return a problem."""

    def copy(self, text: str, what: str) -> None:
        """Put text on the operator's clipboard, and say what it was."""


def key_line(host: Host, *places: Place) -> KeyLine:
    """The keys of some places; in a replay those that move through its time, and no orders."""
    if host.takes_orders:
        return KeyLine(*places)
    return KeyLine(*places, "replay", orders=False)


class DrawnScreen(Screen[None]):
    """A screen that is drawn frame by frame."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self.host = host
        self.ready = False  # whether all parts are there to be drawn
        self._to_redraw = False
        self.time_bar = host.time_bar()

    def draw_frame(self, frame: Frame) -> None:
        """Bring every part up to date with the store."""
        raise NotImplementedError

    @property
    def cells(self) -> int:
        """How many columns there are to lay out; before the first layout, those of the terminal."""
        return int((self.size or self.app.size).width)

    @property
    def lines(self) -> int:
        """How many lines there are to lay out, the time bar's aside."""
        return int((self.size or self.app.size).height) - (self.time_bar is not None)

    def redraw(self) -> None:
        """Draw now, because the operator did something."""
        if self.ready:
            self.draw_frame(self.host.frame())
            if self.time_bar is not None:
                self.time_bar.paint()

    async def on_mount(self) -> None:
        """Draw before the first layout: nobody sees an empty frame."""
        if self.time_bar is not None:
            await self.mount(self.time_bar)
        self.ready = True
        self.host.draw()
        self._redraw_soon()

    def _redraw_soon(self) -> None:
        """Draw once the parts know their sizes, however often it is asked for until then."""
        if not self._to_redraw:
            self._to_redraw = True
            self.call_after_refresh(self._redraw_now)

    def _redraw_now(self) -> None:
        self._to_redraw = False
        self.redraw()

    def on_resize(self) -> None:
        """Lay out anew."""
        self._redraw_soon()

    def on_screen_resume(self) -> None:
        """Bring up to date what was covered."""
        self._redraw_soon()
