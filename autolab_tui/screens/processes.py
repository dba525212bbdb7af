"""What runs in a session's sandbox, over the session's screen; it looks again by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from autolab_tui.bindings import bindings
from autolab_tui.messages import CallFailed, ProcessesRead
from autolab_tui.plain import plain
from autolab_tui.roles import Line
from autolab_tui.screens.base import Host
from autolab_tui.screens.popup import Popup
from autolab_tui.views import processes as view
from autolab_tui.widgets.keyline import KeyLine
from autolab_tui.widgets.lines import Choosable

_SECONDS = 2.0  # between two looks


class ProcessesScreen(Popup[None]):
    """The processes of one sandbox, with what each takes."""

    BINDINGS = bindings("processes")

    def __init__(self, host: Host, session: str) -> None:
        super().__init__()
        self._host = host
        self._session = session
        self._answer: Mapping[str, Any] | None = None
        self._before: Mapping[str, Any] | None = None
        self._trouble = ""
        self._asking = False

    def compose(self) -> ComposeResult:
        """The processes and the keys."""
        with Vertical(id="box", classes="large") as box:
            box.border_title = Content(f"Processes of {plain(self._session)}")
            yield Choosable("content", self._host.glyphs.cursor)
            yield KeyLine("processes")

    def on_mount(self) -> None:
        """Ask now and then."""
        self._ask()
        self.set_interval(_SECONDS, self._ask)

    def fill(self, cells: int) -> int:
        """Write what is known."""
        lines: list[Line] = view.lines(self._answer, self._before, cells)
        if self._trouble:
            lines = [((f" {plain(self._trouble)}", "warn"),)]
        rows = [(str(number), (line,)) for number, line in enumerate(lines)]
        self.query_one("#content", Choosable).show_rows(rows)
        return len(lines)

    def _ask(self) -> None:
        if not self._asking:
            self._asking = True
            self._host.calls.processes(self, self._session)

    @on(ProcessesRead)
    def _read(self, message: ProcessesRead) -> None:
        self._asking, self._trouble = False, ""
        self._before, self._answer = self._answer, message.answer
        self._lay_out()

    @on(CallFailed)
    def _failed(self, message: CallFailed) -> None:
        message.stop()
        self._asking, self._trouble = False, message.error
        self._lay_out()

    def action_copy(self) -> None:
        """Copy the pid and the command under the cursor."""
        at = self.query_one("#content", Choosable).index - view.HEAD
        seen = self._answer["processes"] if self._answer is not None else ()
        if 0 <= at < len(seen):
            self._host.copy(f"{seen[at]['pid']} {plain(seen[at]['command'])}", "the process")
