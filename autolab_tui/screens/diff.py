"""What a session's snapshot changes, over the session's screen."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from autolab_tui.analyses import compute
from autolab_tui.bindings import bindings
from autolab_tui.local import Difference, Local
from autolab_tui.messages import CallFailed, Computed
from autolab_tui.plain import plain, wrapped
from autolab_tui.roles import text_of
from autolab_tui.screens.base import Host
from autolab_tui.screens.popup import Popup
from autolab_tui.views import diff as view
from autolab_tui.widgets.keyline import KeyLine
from autolab_tui.widgets.lines import Choosable
from engine.state import SessionState


class DiffScreen(Popup[None]):
    """Goes through the session's judged snapshots, each against another."""

    BINDINGS = bindings("diff")

    def __init__(self, host: Host, local: Local, session: SessionState, snapshot: str) -> None:
        super().__init__()
        self._host, self._local, self._session = host, local, session
        judged = dict.fromkeys(point.snapshot for point in reversed(session.points))
        self._snapshots: Sequence[str] = tuple(judged) or (snapshot,)
        self._at = self._snapshots.index(snapshot) if snapshot in self._snapshots else 0
        self._against = "baseline"
        self._found: Difference | None = None
        self._trouble = ""

    def compose(self) -> ComposeResult:
        """The difference and the keys."""
        with Vertical(id="box", classes="large") as box:
            box.border_title = "Reading"
            yield Choosable("content", self._host.glyphs.cursor)
            yield KeyLine("diff", orders=self._host.takes_orders)

    def on_mount(self) -> None:
        """Read what differs."""
        super().on_mount()
        self._read()

    def _read(self) -> None:
        session, snapshot, against = self._session.id, self._snapshots[self._at], self._against
        compute(
            self,
            "difference",
            "read the difference",
            lambda: self._local.difference(session, snapshot, against),
        )

    def fill(self, cells: int) -> int:
        """Write the difference, or what is wrong."""
        if self._found is not None:
            lines = view.lines(self._found, cells)
            best = self._session.best_snapshot or ""
            names = ((self._session.baseline or "", "the task's own files"), (best, "the best"))
            title = view.title(self._found, names)
            place = f"{self._at + 1} of {len(self._snapshots)}"
            self.query_one("#box").border_title = Content(plain(f"{title}, {place}, newest first"))
        elif self._trouble:
            lines = [((f" {part}", "warn"),) for part in wrapped(plain(self._trouble), cells - 2)]
        else:
            lines = [((" Reading the snapshots.", "dim"),)]
        rows = [(str(number), (line,)) for number, line in enumerate(lines)]
        self.query_one("#content", Choosable).show_rows(rows)
        return len(lines)

    def action_against(self, what: str) -> None:
        """Compare with something else."""
        self._against = what
        self._read()

    def action_keep(self) -> None:
        """Compare the others with the snapshot that is shown."""
        self._against = self._snapshots[self._at]
        self.app.notify("[ and ] compare the others with it", title="This one is the other side")

    def action_step(self, by: int) -> None:
        """Show an older or newer judged snapshot."""
        self._at = min(len(self._snapshots) - 1, max(0, self._at + by))
        self._read()

    def action_restore(self) -> None:
        """Set the session's files to the snapshot that is shown."""
        self._host.orders.restore(self._session.id, self._snapshots[self._at])

    def action_copy(self) -> None:
        """Copy the difference."""
        if self._found is not None:
            text = "\n".join(text_of(line)[1:] for line in view.lines(self._found, 10_000))
            self._host.copy(text, "the difference")

    @on(Computed)
    def _computed(self, message: Computed) -> None:
        message.stop()
        self._found, self._trouble = message.result, ""
        self._lay_out()

    @on(CallFailed)
    def _failed(self, message: CallFailed) -> None:
        message.stop()
        self._found, self._trouble = None, message.error
        self._lay_out()
