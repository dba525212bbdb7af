"""The GPUs: what each does and did, who uses it, what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult

from autolab_tui.actions import Place
from autolab_tui.messages import CallFailed, GpusRead
from autolab_tui.plain import plain
from autolab_tui.screens.base import Host
from autolab_tui.screens.top import TopScreen
from autolab_tui.views import gpus as view
from autolab_tui.views.frame import Frame
from autolab_tui.widgets.lines import Choosable, Lines


class GpusScreen(TopScreen):
    """A row for each device, with a history of one figure."""

    PLACE: ClassVar[Place] = "gpus"
    CSS_PATH = "gpus.tcss"
    AUTO_FOCUS = "#gpus"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._answer: Mapping[str, Any] | None = None
        self._asking = False
        self._figure = view.FIGURES[0]
        self._title, self._head = Lines("title"), Lines("head")
        self._empty = Lines("empty")
        self._list = Choosable("gpus", host.glyphs.cursor)

    def compose(self) -> ComposeResult:
        """Strip, devices, keys."""
        yield from (self.strip, self._title, self._head, self._list, self._empty)
        yield self.keys

    def draw_frame(self, frame: Frame) -> None:
        """Draw what is known; ask for what is new."""
        self.keys.note = ((self._figure, "dim"),)
        super().draw_frame(frame)
        cells = self.size.width
        if cells < 1:
            return
        if not self._asking and self.is_current:
            self._asking = True
            self.host.calls.gpus(self, view.HISTORY_SECONDS)
        gpus = self._answer["reading"]["gpus"] if self._answer else ()
        self.set_class(not gpus, "-none")
        self._title.show([self.heading("GPUs", self._said(gpus), cells)])
        if self._answer is None or not gpus:
            self._empty.show(view.trouble(self._answer, cells))
            self._list.show_rows([])
            return
        sessions = self.host.store.state.sessions
        paused = {one.id for one in sessions.values() if one.state == "paused"}
        head, rows = view.rows(self._answer, self._figure, cells, self.host.glyphs, paused)
        self._head.show([*view.old(self._answer, cells, self.host.glyphs), head])
        self._list.show_rows(rows)
        if self.focused is None and self.is_current:
            # A list that was hidden while there was nothing to list has lost the focus.
            self.call_after_refresh(self._list.focus)

    def _said(self, gpus: Sequence[Mapping[str, Any]]) -> str:
        driver = plain(str(self._answer["reading"].get("driver") or "")) if self._answer else ""
        said = [view.summary(gpus)] if gpus else []
        return ", ".join([*said, f"driver {driver}"] if driver else said)

    @on(GpusRead)
    def _read(self, message: GpusRead) -> None:
        self._asking = False
        self._answer = message.answer

    @on(CallFailed)
    def _failed(self, message: CallFailed) -> None:
        message.stop()
        self._asking = False
        self._answer = {"reading": {"trouble": message.error, "gpus": ()}, "history": {}}

    def action_figure(self, by: int) -> None:
        """Plot the next figure."""
        figures = view.FIGURES
        self._figure = figures[(figures.index(self._figure) + by) % len(figures)]
        self.redraw()

    def action_copy(self) -> None:
        """Copy the UUID of the device under the cursor."""
        if self._list.cursor is not None:
            self.host.copy(self._list.cursor, "the GPU's UUID")
