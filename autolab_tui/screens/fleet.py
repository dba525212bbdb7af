"""The fleet: every session in a row, what happened below, and the five answers at the top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from autolab_tui.bindings import bindings
from autolab_tui.plain import cut, plain
from autolab_tui.roles import Line, Span
from autolab_tui.screens.base import DrawnScreen, Host
from autolab_tui.views import feed, fleet, overview
from autolab_tui.views.empty import hint
from autolab_tui.views.frame import Frame
from autolab_tui.views.layout import between, pad
from autolab_tui.views.trajectory import trajectory
from autolab_tui.widgets.keyline import KeyLine
from autolab_tui.widgets.lines import Choosable, Lines
from autolab_tui.widgets.plot import TrajectoryPlot

FEED_LEAST = 4  # lines of the feed that stay however many sessions there are
BESIDE_CELLS, BESIDE_LINES = 150, 12  # below the table: room for a plot beside the feed
UNDER_LINES = 22  # and for one under it


class FilterInput(Input, inherit_bindings=True):
    """Where the filter is typed."""

    BINDINGS = bindings("filter")


class FleetScreen(DrawnScreen):
    """The home screen."""

    BINDINGS = bindings("fleet")
    AUTO_FOCUS = "#table"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._feed_sessions: dict[str, str] = {}
        self._strip, self._head, self._empty = Lines("strip"), Lines("table-head"), Lines("empty")
        sign = host.glyphs.cursor
        self._table, self._feed = Choosable("table", sign), Choosable("feed", sign)
        self._feed_title, self._preview_title = Lines("feed-title"), Lines("preview-title")
        self._preview = TrajectoryPlot(host.glyphs, "preview")
        self._filter = Horizontal(id="filter")
        self._filter_label = Lines("filter-label")
        self._filter_words = FilterInput(
            placeholder="words, task:x, model:x, state:x", id="filter-words"
        )
        self._filter_words.cursor_blink = False
        self._keys = KeyLine("fleet", "app")

    def compose(self) -> ComposeResult:
        """Strip, table, feed and plot, filter, keys."""
        yield from (self._strip, self._head, self._table, self._empty)
        with Horizontal(id="below"):
            with Vertical(id="feed-pane"):
                yield from (self._feed_title, self._feed)
            with Vertical(id="preview-pane"):
                yield from (self._preview_title, self._preview)
        with self._filter:
            yield from (self._filter_label, self._filter_words)
        yield self._keys

    def draw_frame(self, frame: Frame) -> None:
        """Draw strip, table, feed and plot."""
        store, choice = self.host.store, self.host.choice
        cells, height = self.size
        if cells < 1 or height < 1:
            return
        self._strip.show(overview.lines(store.state, choice, frame, cells))
        sessions = fleet.shown(store.state, choice, frame.moment)
        room = max(2, height - 5 - FEED_LEAST - self._filter.display)
        painted = fleet.table(sessions, frame, cells, room)
        self._lay_out(len(sessions) * painted.height, room, bool(sessions))
        if sessions:
            self._head.show([painted.head])
        else:
            self._draw_empty(frame, cells)
        self._table.show_rows(painted.rows)
        self._draw_feed(frame)
        self._draw_preview(frame)
        self._draw_keys()

    def _lay_out(self, lines: int, room: int, some: bool) -> None:
        table = self._table
        wanted = max(1, min(lines, room))
        if table.styles.height is None or table.styles.height.value != wanted:
            table.styles.height = wanted
        self.set_class(not some, "-empty")
        below = self.size.height - 4 - wanted
        beside = self.size.width >= BESIDE_CELLS and below >= BESIDE_LINES
        under = not beside and below >= UNDER_LINES
        self.set_class(some and (beside or under), "-preview")
        self.set_class(under, "-under")

    def _draw_empty(self, frame: Frame, cells: int) -> None:
        empty = self._empty
        said = hint(self.host.store, self.host.choice, frame.health)
        top = max(0, empty.size.height // 3 - len(said) // 2)
        widest = max((sum(len(text) for text, _ in line) for line in said), default=0)
        left = " " * max(1, (cells - widest) // 2)
        lines: list[Line] = [((" ", "text"),)] * top
        lines += [((left, "text"), *line) for line in said]
        empty.show(lines)

    def _draw_feed(self, frame: Frame) -> None:
        store, widget = self.host.store, self._feed
        cells = widget.size.width
        if cells < 1:
            return
        found = feed.items(store.state, self.host.choice)
        self._feed_sessions = {str(item.seq): item.session for item in found if item.session}
        rows: list[tuple[str, Sequence[Line]]] = [
            (str(item.seq), (feed.line(item, store.state, cells, frame.glyphs),)) for item in found
        ]
        title = self._title("what happened", "newest first", cells, widget.has_focus)
        self._feed_title.show([title])
        at_top = widget.index == 0
        widget.show_rows(rows)
        if at_top and not widget.has_focus:
            widget.go_to(0)

    def _draw_preview(self, frame: Frame) -> None:
        plot = self._preview
        session = self.host.store.session(self._table.cursor or "")
        if session is None or not self.has_class("-preview"):
            plot.plot(None)
            return
        plot.plot(trajectory(session, frame.moment, "active", frame.glyphs))
        cells = self._preview_title.size.width
        name = cut(plain(session.task), max(8, cells - 20))
        title = self._title(name, "best so far", cells, False)
        self._preview_title.show([title])

    def _title(self, name: str, note: str, cells: int, focused: bool) -> Line:
        rule = self.host.glyphs.rule
        left: list[Span] = [(f"{rule * 2} ", "faint"), (name, "title" if focused else "strong")]
        right: list[Span] = [(f" {note} ", "dim"), (rule * 2, "faint")]
        middle = cells - sum(len(text) for text, _ in (*left, *right)) - 1
        return between([*left, (" " + rule * max(0, middle), "faint")], right, cells)

    def _draw_keys(self) -> None:
        choice, keys = self.host.choice, self._keys
        notes: list[Span] = []
        if choice.words:
            notes.append((f"filter: {cut(plain(choice.words), 20)}  ", "warn"))
        notes.append((f"by {choice.sort}", "dim"))
        keys.note = tuple(notes)
        keys.paint()

    @property
    def session(self) -> str | None:
        """The session that the focused list points at."""
        if self.focused is not None and self.focused.id == "feed":
            return self._feed_sessions.get(self._feed.cursor or "")
        return self._table.cursor

    def action_open(self) -> None:
        """Show the session under the cursor."""
        if self.session is not None:
            self.host.open_session(self.session)

    def action_pause(self) -> None:
        """Pause the session under the cursor, or let it go on."""
        if self.session is not None:
            self.host.pause_or_resume(self.session)

    def action_stop(self) -> None:
        """Stop the session under the cursor."""
        if self.session is not None:
            self.host.ask_stop(self.session)

    def action_pane(self) -> None:
        """Go between table and feed."""
        table, other = self._table, self._feed
        (other if self.focused is table else table).focus()
        self.call_after_refresh(self.redraw)

    def action_sort(self) -> None:
        """Sort by the next order."""
        order = fleet.SORTS
        sort = order[(order.index(self.host.choice.sort) + 1) % len(order)]
        self.host.choice = replace(self.host.choice, sort=sort)
        self.redraw()

    def action_history(self) -> None:
        """Show all runs, or only those that go on."""
        choice = self.host.choice
        self.host.choice = replace(choice, history=not choice.history, run=None)
        self.redraw()

    def action_filter(self) -> None:
        """Type a filter."""
        self._filter.display = True
        self._filter_label.show([tuple(pad([(" filter ", "key")], 8))])
        self._filter_words.focus()
        self.call_after_refresh(self.redraw)

    def action_keep(self) -> None:
        """Keep the filter and go back to the table."""
        self._close_filter()

    def action_drop(self) -> None:
        """Clear the filter and go back to the table."""
        self._filter_words.value = ""
        self.host.choice = replace(self.host.choice, words="")
        self._close_filter()

    def action_clear(self) -> None:
        """Clear the filter."""
        self.action_drop()

    def _close_filter(self) -> None:
        self._filter.display = False
        self._table.focus()
        self.call_after_refresh(self.redraw)

    @on(Input.Changed, "#filter-words")
    def _filter_changed(self, event: Input.Changed) -> None:
        self.host.choice = replace(self.host.choice, words=event.value)
        self.redraw()

    @on(Choosable.Chosen)
    def _chosen(self) -> None:
        self.action_open()

    @on(Choosable.Moved, "#table")
    def _moved(self) -> None:
        self._draw_preview(self.host.frame())
