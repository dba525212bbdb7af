"""The fleet: every session in a row, what happened below, and the five answers at the top."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec.structs import replace
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from autolab_tui.analyses import compute
from autolab_tui.bindings import bindings
from autolab_tui.messages import CallFailed, Computed, GpusRead
from autolab_tui.plain import cut, plain
from autolab_tui.roles import Line, Span
from autolab_tui.screens.base import Host, key_line
from autolab_tui.screens.ordering import OrderingScreen
from autolab_tui.views import feed, fleet, gpus, groups, overview
from autolab_tui.views.empty import hint
from autolab_tui.views.frame import Frame
from autolab_tui.views.layout import heading
from autolab_tui.views.overview import Survey
from autolab_tui.views.sorting import SORTS
from autolab_tui.widgets.columnhead import ColumnHead
from autolab_tui.widgets.feed import Feed
from autolab_tui.widgets.filterbar import FilterBar
from autolab_tui.widgets.lines import Choosable, Lines
from autolab_tui.widgets.plot import TrajectoryPlot
from engine.state import SessionState, run_over

if TYPE_CHECKING:
    from autolab_tui.views.ahead import Ahead

FEED_LEAST = 4  # lines of the feed that stay however many sessions there are
BESIDE_CELLS, BESIDE_LINES = 150, 12  # below the table: room for a plot beside the feed
AHEAD_SECONDS = 15.0  # between two outlooks
MOST_RUNS_AHEAD = 8
GPU_SECONDS, NO_GPU_SECONDS = 2.0, 60.0  # between two looks at the GPUs, with and without any
UNDER_LINES = 22  # and for one under it


class FleetScreen(OrderingScreen):
    """The home screen."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("fleet"), *bindings("top")]
    AUTO_FOCUS = "#table"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._ahead: Ahead | None = None
        self._looked_ahead = float("-inf")
        self._gpus = Lines("gpus-strip")
        self._gpus_seen: Mapping[str, Any] = {}
        self._gpus_asked = float("-inf")
        self._groups: dict[str, list[SessionState]] = {}
        self._counted: Survey | None = None
        self._counted_for: object = None
        self._beside = False  # whether the plot stands beside the feed
        self._drawn: object = None  # what the last frame was drawn from
        self._strip, self._empty = Lines("strip"), Lines("empty")
        self._head = ColumnHead("table-head")
        self._table = Choosable("table", host.glyphs.cursor)
        self._feed = Feed("feed", host.glyphs)
        self._feed_title, self._preview_title = Lines("feed-title"), Lines("preview-title")
        self._preview = TrajectoryPlot(host.glyphs, "preview")
        self._filter = FilterBar()
        self._keys = key_line(host, "fleet", "top", "app")

    def compose(self) -> ComposeResult:
        """Strip, table, feed and plot, filter, keys."""
        yield from (self._strip, self._gpus, self._head, self._table, self._empty)
        with Horizontal(id="below"):
            with Vertical(id="feed-pane"):
                yield from (self._feed_title, self._feed)
            with Vertical(id="preview-pane"):
                yield from (self._preview_title, self._preview)
        yield from (self._filter, self._keys)

    def draw_frame(self, frame: Frame) -> None:
        """Draw strip, table, feed and plot."""
        store, choice = self.host.store, self.host.choice
        cells, height = self.cells, self.lines
        if cells < 1 or height < 1:
            return
        self._look_ahead(frame)
        self._draw_strip(frame, cells)
        self._show_gpus(cells)
        if not self._something_new(frame):
            return
        sessions = fleet.shown(store.state, choice, frame.moment)
        room = max(2, height - 5 - FEED_LEAST - self._filter.display - self._gpus.display)
        self._groups = groups.grouped(sessions, choice.group)
        table = groups.table(self._groups, choice, frame, cells, room)
        self._lay_out(sum(len(lines) for _, lines in table.rows), room, bool(sessions))
        if sessions:
            self._head.show_head(table.head, table.ends)
        else:
            self._draw_empty(frame, cells)
        self._table.show_rows(table.rows)
        self._draw_feed()
        self._draw_preview(frame)
        self._draw_keys()

    def redraw(self) -> None:
        """Draw all of it."""
        self._drawn = None
        super().redraw()

    def _draw_strip(self, frame: Frame, cells: int) -> None:
        state, choice = self.host.store.state, self.host.choice
        known = (self.host.store.version, choice)
        if self._counted is None or self._counted_for != known:
            self._counted, self._counted_for = overview.survey(state, choice), known
        strip = overview.lines(state, choice, frame, cells, self._ahead, self._counted)
        self._strip.show(strip)

    def _something_new(self, frame: Frame) -> bool:
        """Whether anything below the strip can differ from what was drawn last."""
        parts = (self._table, self._feed, self._preview, self._gpus, self._filter)
        drawn = (
            *(self.host.store.version, self.host.choice, self.size, self.focused),
            *(frame.health.standing, [(part.size, part.display) for part in parts]),
        )
        known, self._drawn = self._drawn, drawn
        ageing = self._counted is None or any(not s.over for s in self._counted.sessions)
        return ageing or drawn != known

    def _look_ahead(self, frame: Frame) -> None:
        """Reckon the outlook of the open runs on the screen, now and then."""
        store = self.host.store
        now = store.clock.now()
        if frame.health.standing == "replay":
            return  # what came is there to be seen
        if not store.loaded or now - self._looked_ahead < AHEAD_SECONDS:
            return
        if self._drawn is None and self._ahead is None:
            return  # the first paint does not wait for what reckons
        runs = fleet.runs_shown(store.state, self.host.choice)
        open_runs = [run for run in runs if not run_over(store.state, run)][:MOST_RUNS_AHEAD]
        if open_runs:
            from autolab_tui.views import ahead

            self._looked_ahead = now
            make = ahead.reckon(store.state, open_runs, frame.moment)
            compute(self, "ahead", "reckon the outlook", make)

    def _show_gpus(self, cells: int) -> None:
        """The GPUs in a line, where there are any; without any they are rarely asked for."""
        now = self.host.store.clock.now()
        rest = GPU_SECONDS if self._gpus_seen.get("gpus") else NO_GPU_SECONDS
        shown = self._drawn is not None and self.is_current  # the first paint waits for nobody
        if shown and self.host.store.loaded and now - self._gpus_asked >= rest:
            self._gpus_asked = now
            self.host.calls.gpus(self, 0)
        line = gpus.strip(self._gpus_seen, cells, self.host.glyphs)
        self._gpus.display = line is not None
        if line is not None:
            self._gpus.show([line])

    @on(GpusRead)
    def _gpus_read(self, message: GpusRead) -> None:
        self._gpus_seen = message.answer.get("reading") or {}

    @property
    def outlook_known(self) -> bool:
        """Whether there is nothing to reckon, or it has been reckoned."""
        state = self.host.store.state
        runs = fleet.runs_shown(state, self.host.choice)
        return self._ahead is not None or all(run_over(state, run) for run in runs)

    @on(Computed)
    def _reckoned(self, message: Computed) -> None:
        self._ahead = message.result

    @on(CallFailed)
    def _not_reckoned(self, message: CallFailed) -> None:
        if message.what == "reckon the outlook":
            message.stop()
            self._ahead = None
        elif message.what == "ask for the GPUs":
            message.stop()  # an engine that does not answer is said above
            self._gpus_seen = {}

    def _lay_out(self, lines: int, room: int, some: bool) -> None:
        table = self._table
        wanted = max(1, min(lines, room))
        if table.styles.height is None or table.styles.height.value != wanted:
            table.styles.height = wanted
        self.set_class(not some, "-empty")
        if some and self.focused is None and self.is_current:
            # A table that was hidden while there was nothing to list has lost the focus.
            self.call_after_refresh(self._take_focus)
        below = self.lines - 4 - wanted - self._gpus.display
        beside = self.cells >= BESIDE_CELLS and below >= BESIDE_LINES
        under = not beside and below >= UNDER_LINES
        self._beside = some and beside
        self.set_class(some and (beside or under), "-preview")
        self.set_class(under, "-under")

    def _take_focus(self) -> None:
        if self.focused is None:
            self._table.focus()

    def _draw_empty(self, frame: Frame, cells: int) -> None:
        empty = self._empty
        said = hint(self.host.store, self.host.choice, frame.health)
        top = max(0, empty.size.height // 3 - len(said) // 2)
        widest = max((sum(len(text) for text, _ in line) for line in said), default=0)
        left = " " * max(1, (cells - widest) // 2)
        lines: list[Line] = [((" ", "text"),)] * top
        lines += [((left, "text"), *line) for line in said]
        empty.show(lines)

    def _draw_feed(self) -> None:
        store, widget = self.host.store, self._feed
        cells = widget.size.width or self.cells // (2 if self._beside else 1)
        title = self._title("what happened", "newest first", cells, widget.has_focus)
        self._feed_title.show([title])
        widget.show_feed(feed.items(store.state, self.host.choice), store.state, cells)

    def _draw_preview(self, frame: Frame) -> None:
        plot = self._preview
        session = self.host.store.session(self._table.cursor or "")
        if session is None or not self.has_class("-preview"):
            plot.plot(None)
            return
        from autolab_tui.views.trajectory import trajectory

        plot.plot(trajectory(session, frame.moment, "active", frame.glyphs))
        cells = self._preview_title.size.width
        name = cut(plain(session.task), max(8, cells - 20))
        title = self._title(name, "best so far", cells, False)
        self._preview_title.show([title])

    def _title(self, name: str, note: str, cells: int, focused: bool) -> Line:
        return heading(name, note, self.host.glyphs.rule, cells, focused)

    def _draw_keys(self) -> None:
        choice, keys = self.host.choice, self._keys
        notes: list[Span] = []
        if choice.marked:
            unseen = len(choice.marked.difference(self._table.identities))
            hidden = f", {unseen} not shown" if unseen else ""
            notes.append((f"{len(choice.marked)} marked{hidden}  ", "key"))
        if choice.words:
            notes.append((f"filter: {cut(plain(choice.words), 20)}  ", "warn"))
        sort = f"{choice.sort} {self.host.glyphs.rising}" if choice.turned else choice.sort
        notes.append((f"by {choice.group}, {sort}" if choice.group else f"by {sort}", "dim"))
        keys.note = tuple(notes)
        keys.paint()

    @property
    def session(self) -> str | None:
        """The session that the focused list points at; None on a group's line."""
        if self.focused is not None and self.focused.id == "feed":
            return self._feed.session
        row = self._table.cursor
        return row if groups.name_in(row) is None else None

    @property
    def chosen(self) -> list[str]:
        """The sessions that an order is for: those marked, a whole group, or the one pointed at."""
        choice, state = self.host.choice, self.host.store.state
        marked = [identity for identity in choice.marked if identity in state.sessions]
        if marked:
            return sorted(marked)
        name = groups.name_in(self._table.cursor) if self.focused is self._table else None
        if name is not None:
            return [session.id for session in self._groups.get(name, ())]
        return [self.session] if self.session is not None else []

    def action_open(self) -> None:
        """Show the session under the cursor, or open and close what is folded."""
        if self.focused is self._feed and self._feed.turn_fold():
            self.redraw()
            return
        name = groups.name_in(self._table.cursor) if self.focused is self._table else None
        if name is not None:
            choice = self.host.choice
            self.host.choice = replace(choice, folded=choice.folded ^ {name})
            self.redraw()
        elif self.session is not None:
            self.host.open_session(self.session)

    def action_mark(self) -> None:
        """Mark the session or the group under the cursor, or take the mark away; go on down."""
        name = groups.name_in(self._table.cursor)
        rows = {s.id for s in self._groups.get(name, ())} if name is not None else {self.session}
        found = frozenset(row for row in rows if row is not None)
        choice = self.host.choice
        marked = choice.marked - found if found <= choice.marked else choice.marked | found
        self.host.choice = replace(choice, marked=marked)
        if self.focused is self._table:
            self._table.go_to(self._table.index + 1)
        self.redraw()

    def action_mark_all(self) -> None:
        """Mark every session that is shown; none, when all are marked."""
        store, choice = self.host.store, self.host.choice
        shown = frozenset(s.id for s in fleet.shown(store.state, choice, store.moment()))
        marked = frozenset() if shown <= choice.marked else choice.marked | shown
        self.host.choice = replace(choice, marked=marked)
        self.redraw()

    def action_group(self) -> None:
        """Group by the next of what sessions have in common."""
        choice, order = self.host.choice, groups.GROUPS
        group = order[(order.index(choice.group) + 1) % len(order)] if choice.group in order else ""
        self.host.choice = replace(choice, group=group, folded=frozenset())
        self.redraw()

    def action_copy(self) -> None:
        """Copy the ids of the sessions that are chosen."""
        if self.chosen:
            what = "the session's id" if len(self.chosen) == 1 else "the sessions' ids"
            self.host.copy("\n".join(self.chosen), what)

    def action_pane(self) -> None:
        """Go between table and feed."""
        table, other = self._table, self._feed
        (other if self.focused is table else table).focus()
        self.call_after_refresh(self.redraw)

    def action_sort(self) -> None:
        """Sort by the next order."""
        order = SORTS
        sort = order[(order.index(self.host.choice.sort) + 1) % len(order)]
        self.host.choice = replace(self.host.choice, sort=sort, turned=False)
        self.redraw()

    def action_turn(self) -> None:
        """Turn the order round."""
        choice = self.host.choice
        self.host.choice = replace(choice, turned=not choice.turned)
        self.redraw()

    def action_sort_by(self, sort: str) -> None:
        """Sort by this; what is sorted by it already is turned round."""
        choice = self.host.choice
        turned = choice.sort == sort and not choice.turned
        self.host.choice = replace(choice, sort=sort, turned=turned)
        self.redraw()

    def action_history(self) -> None:
        """Show all runs, or only those that go on."""
        choice = self.host.choice
        self.host.choice = replace(choice, history=not choice.history, run=None)
        self.redraw()

    def action_filter(self) -> None:
        """Type a filter."""
        self._filter.open()
        self.call_after_refresh(self.redraw)

    def action_keep(self) -> None:
        """Keep the filter and go back to the table."""
        self._close_filter()

    def action_drop(self) -> None:
        """Clear the filter and go back to the table."""
        self._filter.words.value = ""
        self.host.choice = replace(self.host.choice, words="")
        self._close_filter()

    def action_clear(self) -> None:
        """Clear the marks; when there are none, the filter."""
        choice = self.host.choice
        if choice.marked:
            self.host.choice = replace(choice, marked=frozenset())
            self.redraw()
        else:
            self.action_drop()

    def _close_filter(self) -> None:
        self._filter.display = False
        self.set_focus(self._table)
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
