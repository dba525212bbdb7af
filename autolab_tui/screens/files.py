"""The files of a session, to be opened in the operator's pager."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from autolab_tui.bindings import bindings
from autolab_tui.local import Local
from autolab_tui.plain import cut_middle, plain
from autolab_tui.roles import Line
from autolab_tui.screens.base import Host
from autolab_tui.screens.popup import Popup
from autolab_tui.widgets.keyline import KeyLine
from autolab_tui.widgets.lines import Choosable


class FilesScreen(Popup[None]):
    """Lists what can be opened; the app steps aside while it is read."""

    BINDINGS = bindings("files")

    def __init__(self, host: Host, local: Local, session: str) -> None:
        super().__init__()
        self._host, self._local = host, local
        self._paths = {str(path): (what, path) for what, path in local.files(session)}

    def compose(self) -> ComposeResult:
        """The files and the keys."""
        with Vertical(id="box") as box:
            box.border_title = "Files"
            yield Choosable("content", self._host.glyphs.cursor)
            yield KeyLine("files")

    def fill(self, cells: int) -> int:
        """Write the files."""
        rows: list[tuple[str, tuple[Line, ...]]] = []
        for name, (what, _) in self._paths.items():
            line: Line = ((f" {what:<20}", "strong"), (cut_middle(plain(name), cells - 23), "dim"))
            rows.append((name, (line,)))
        self.query_one("#content", Choosable).show_rows(rows)
        return len(rows)

    def action_open(self) -> None:
        """Read the file under the cursor."""
        chosen = self.query_one("#content", Choosable).cursor
        if chosen is not None:
            path = self._paths[chosen][1]
            self._host.aside(lambda: self._local.read(path), f"open {path.name}")

    def action_copy(self) -> None:
        """Copy the path under the cursor."""
        chosen = self.query_one("#content", Choosable).cursor
        if chosen is not None:
            self._host.copy(chosen, "the path")

    @on(Choosable.Chosen)
    def _chosen(self) -> None:
        self.action_open()
