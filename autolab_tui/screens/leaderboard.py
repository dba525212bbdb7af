"""The leaderboard: who is best, how sure that is, how their sessions ended and how they went on."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult

from autolab_tui.actions import Place
from autolab_tui.analyses import compute, still
from autolab_tui.messages import CallFailed, Computed
from autolab_tui.roles import Line
from autolab_tui.screens.base import Host
from autolab_tui.screens.listing import ListingScreen
from autolab_tui.screens.top import TopScreen
from autolab_tui.views import fleet
from autolab_tui.views import leaderboard as view
from autolab_tui.views.frame import Frame
from autolab_tui.widgets.lines import Choosable, Lines
from engine.analysis.counting import Missing

AGAIN = 5.0  # seconds between two reckonings while sessions go on


class LeaderboardScreen(TopScreen):
    """A row for each model in each harness; pages of figures beside the names."""

    PLACE: ClassVar[Place] = "leaderboard"
    CSS_PATH = "leaderboard.tcss"
    AUTO_FOCUS = "#table"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._page = view.PAGES[0]
        self._every = True
        self._missing: Missing = "exclude"
        self._overlay = False
        self._board: view.Board | None = None
        self._made_of: tuple[int, bool, Missing] | None = None
        self._asked = float("-inf")
        self._trouble = ""
        self._counts, self._title, self._head = Lines("counts"), Lines("title"), Lines("head")
        self._table = Choosable("table", host.glyphs.cursor)
        self._notes = Lines("notes")

    def compose(self) -> ComposeResult:
        """Strip, denominators, table, notes, keys."""
        yield from (self.strip, self._counts, self._title, self._head, self._table, self._notes)
        yield self.keys

    def draw_frame(self, frame: Frame) -> None:
        """Draw what is known; reckon anew when something changed."""
        cells = self.size.width
        if cells < 1:
            return
        self._reckon(frame)
        self.keys.note = ((self._page, "dim"),)
        super().draw_frame(frame)
        board = self._board
        note = "every run" if self._every else "the fleet's runs"
        self._title.show([self.heading(self._page, note, cells)])
        if board is None or not board.made.rows:
            self._say_nothing(cells)
            return
        self._counts.show([view.counts(board.made, cells)])
        head, rows = view.table(board, self._page, self._overlay, self.host.glyphs, cells)
        self._head.show([head])
        self._table.show_rows(rows)
        notes = view.notes(board, self._overlay, cells)
        room = max(0, min(len(notes), self.size.height // 3))
        self._notes.styles.height = room
        self._notes.show(notes[:room])

    def _say_nothing(self, cells: int) -> None:
        said = self._trouble or (
            "Counting the sessions." if self._board is None else "No session is over yet."
        )
        line: Line = ((f" {said}"[:cells], "warn" if self._trouble else "dim"),)
        self._counts.show([line])
        self._head.show([])
        self._table.show_rows([])

    def _reckon(self, frame: Frame) -> None:
        store = self.host.store
        key = (store.version, self._every, self._missing)
        now = store.clock.now()
        asked_anew = self._made_of is None or self._made_of[1:] != key[1:]
        if key == self._made_of or (now - self._asked < AGAIN and not asked_anew):
            return
        self._made_of, self._asked = key, now
        shown = fleet.in_scope(store.state, self.host.choice)
        sessions = list(store.state.sessions.values()) if self._every else shown
        picture = still(store.state, sessions)
        missing, moment = self._missing, frame.moment
        kept = list(picture.sessions.values())
        compute(
            self,
            "leaderboard",
            "make the leaderboard",
            lambda: view.board(picture, kept, missing, moment.boot, moment.stamp),
        )

    @on(Computed)
    def _computed(self, message: Computed) -> None:
        self._board, self._trouble = message.result, ""
        self.redraw()

    @on(CallFailed)
    def _failed(self, message: CallFailed) -> None:
        message.stop()
        self._trouble = f"could not {message.what}: {message.error}"
        self.redraw()

    def action_page(self, by: int) -> None:
        """Show the next figures."""
        pages = view.PAGES
        self._page = pages[(pages.index(self._page) + by) % len(pages)]
        self.redraw()

    def action_scope(self) -> None:
        """Count every run, or those that the fleet shows."""
        self._every = not self._every
        self.redraw()

    def action_missing(self) -> None:
        """Leave sessions without a verdict out, or count them as 0."""
        self._missing = "zero" if self._missing == "exclude" else "exclude"
        self.redraw()

    def action_published(self) -> None:
        """Lay the published results over ours, or take them away."""
        self._overlay = not self._overlay
        self.redraw()

    def action_copy(self) -> None:
        """Copy the table."""
        if self._board is not None:
            wide = view.table(self._board, self._page, self._overlay, self.host.glyphs, 220)
            self.host.copy(view.as_text(*wide), "the table")

    def action_open(self) -> None:
        """Show every task of the row under the cursor."""
        board, chosen = self._board, self._table.cursor
        row = (
            next((r for r in board.made.rows if view.identity(r) == chosen), None)
            if board
            else None
        )
        if board is None or row is None:
            return
        made = board.made
        title = f"{row.model}, {view.harness(made, row)}"
        self.app.push_screen(
            ListingScreen(title, lambda cells: view.tasks_of(made, row, cells), self.host.glyphs)
        )

    @on(Choosable.Chosen, "#table")
    def _chosen(self) -> None:
        self.action_open()
