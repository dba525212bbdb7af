"""One session: its trajectory, clocks, verdicts and live transcript."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from autolab_tui import words
from autolab_tui.bindings import bindings
from autolab_tui.messages import CallFailed, TranscriptRead, VerdictsRead
from autolab_tui.plain import plain
from autolab_tui.plotting.chart import AXES, AXIS_WORDS, Axis
from autolab_tui.roles import Line
from autolab_tui.screens.base import Host, key_line
from autolab_tui.screens.diff import DiffScreen
from autolab_tui.screens.files import FilesScreen
from autolab_tui.screens.listing import ListingScreen
from autolab_tui.screens.ordering import OrderingScreen
from autolab_tui.screens.processes import ProcessesScreen
from autolab_tui.screens.verdict import VerdictScreen
from autolab_tui.views import figures, fleet
from autolab_tui.views import session as view
from autolab_tui.views.frame import Frame
from autolab_tui.views.layout import heading
from autolab_tui.views.trajectory import trajectory
from autolab_tui.widgets.lines import Choosable, Lines
from autolab_tui.widgets.plot import ReadablePlot
from autolab_tui.widgets.transcript import TranscriptView
from engine.state import SessionState

PAGE = 200  # transcript entries read at a time
LOW = 16  # below this height there is no plot
WIDE = 110  # from this width verdicts and transcript stand side by side


def _said(code: int) -> str:
    return "" if code == 0 else f"the terminal could not be shown (exit code {code})"


class SessionScreen(OrderingScreen):
    """Everything about one session; the keys go through the fleet's others."""

    BINDINGS = bindings("session")
    CSS_PATH = "session.tcss"
    AUTO_FOCUS = "#verdicts"

    def __init__(self, host: Host, session: str) -> None:
        super().__init__(host)
        self.identity = session
        self._axis: Axis = "active"
        self._whole = True
        self._reading = False
        self._next: int | None = None
        self._entries = 0  # as many as the session had when last looked at
        self._verdicts: dict[str, Mapping[str, Any]] = {}
        self._trouble = ""
        self._head, self._clocks = Lines("head"), Lines("clocks")
        self._plot = ReadablePlot(host.glyphs, "plot")
        self._verdicts_title = Lines("verdicts-title")
        self._verdict_list = Choosable("verdicts", host.glyphs.cursor)
        self._transcript_title = Lines("transcript-title")
        self.transcript = TranscriptView(host.glyphs, "transcript")
        self._keys = key_line(host, "session", "app")

    def compose(self) -> ComposeResult:
        """Head, clocks, plot, verdicts, transcript, keys."""
        yield from (self._head, self._clocks)
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield from (self._plot, self._verdicts_title, self._verdict_list)
            with Vertical(id="right"):
                yield from (self._transcript_title, self.transcript)
        yield self._keys

    @property
    def session(self) -> SessionState | None:
        """The session as the store has it."""
        return self.host.store.session(self.identity)

    def draw_frame(self, frame: Frame) -> None:
        """Draw everything; read what is missing of the transcript."""
        session, (cells, height) = self.session, self.size
        if cells < 1 or height < 1:
            return
        self.set_class(cells >= WIDE, "-wide")
        self.set_class(height < LOW, "-low")
        if session is None:
            gone: Line = (
                (f" session {plain(self.identity)} is not in the engine's state", "warn"),
            )
            self._head.show([gone])
            return
        order = [s.id for s in fleet.shown(self.host.store.state, self.host.choice, frame.moment)]
        place = f"{order.index(session.id) + 1} of {len(order)}" if session.id in order else ""
        self._head.show(view.head(session, frame, place, cells))
        self._clocks.show(view.clocks(session, frame, cells))
        plot = self._plot
        plot.plot(trajectory(session, frame.moment, self._axis, frame.glyphs, self._whole))
        self._draw_verdicts(session, frame)
        self._draw_transcript_title(session)
        self._read_on(session)
        self._draw_keys()

    def _draw_verdicts(self, session: SessionState, frame: Frame) -> None:
        widget = self._verdict_list
        cells = widget.size.width
        if cells < 1:
            return
        count = words.plural(len(session.points), "verdict")
        title = self._title(count, "newest first", cells, widget.has_focus)
        self._verdicts_title.show([title, view.verdict_head(session, cells)])
        at_top = widget.index == 0
        widget.show_rows(view.verdicts(session, frame, cells))
        if at_top:
            widget.go_to(0)

    def _draw_transcript_title(self, session: SessionState) -> None:
        widget, title = self.transcript, self._transcript_title
        if title.size.width < 1:
            return
        note = self._trouble or ("following" if widget.following else "f follows")
        count = words.plural(session.transcript_entries, "entry").replace("entrys", "entries")
        line = self._title(f"transcript, {count}", note, title.size.width, widget.has_focus)
        title.show([line])

    def _title(self, name: str, note: str, cells: int, focused: bool) -> Line:
        return heading(name, note, self.host.glyphs.rule, cells, focused)

    def _draw_keys(self) -> None:
        keys = self._keys
        scope = "" if self._whole else ", used part"
        keys.note = ((f"by {AXIS_WORDS[self._axis]}{scope}", "dim"),)
        keys.paint()

    def _read_on(self, session: SessionState) -> None:
        """Ask for new entries when there are some, or when a turn may be streaming."""
        if self._reading or not self.is_current or self.transcript.size.width < 1:
            return
        if session.transcript_entries < self._entries:  # a replay went back
            self._next = None
            self.transcript.clear()
        self._entries = session.transcript_entries
        if self._next is None:
            self._next = max(0, session.transcript_entries - PAGE)
        streaming = not session.over and session.clocks.state == "working"
        if self._next < session.transcript_entries or streaming:
            self._reading = True
            self.host.calls.transcript(self, session.id, self._next, PAGE)

    @on(TranscriptRead)
    def _transcript_read(self, message: TranscriptRead) -> None:
        self._reading = False
        if message.session != self.identity:
            return
        self._trouble = ""
        numbers = [e["n"] for e in message.entries if isinstance(e.get("n"), int)]
        if numbers:
            self._next = max(self._next or 0, max(numbers) + 1)
        self.transcript.add(message.entries, message.live)
        session = self.session
        if session is not None:
            self._draw_transcript_title(session)
            if numbers and (self._next or 0) < session.transcript_entries:
                self._read_on(session)

    @on(TranscriptView.EarlierWanted)
    def _earlier_wanted(self, message: TranscriptView.EarlierWanted) -> None:
        if not self._reading:
            self._reading = True
            after = max(0, message.before - PAGE)
            self.host.calls.transcript(self, self.identity, after, message.before - after)

    @on(CallFailed)
    def _call_failed(self, message: CallFailed) -> None:
        self._reading = False
        self._trouble = f"could not {message.what}"
        if message.what != "read the transcript":
            self.notify(message.error, title=f"Could not {message.what}", severity="warning")

    def action_back(self) -> None:
        """Go back to the fleet."""
        self.dismiss()

    def action_step(self, by: int) -> None:
        """Show the fleet's next or previous session."""
        moment = self.host.store.moment()
        order = [s.id for s in fleet.shown(self.host.store.state, self.host.choice, moment)]
        if not order:
            return
        at = order.index(self.identity) if self.identity in order else 0
        self.show_session(order[(at + by) % len(order)])

    def show_session(self, identity: str) -> None:
        """Show another session on this screen."""
        if identity == self.identity:
            return
        self.identity, self._next, self._reading = identity, None, False
        self._entries = 0
        self._verdicts = {}
        self.transcript.clear()
        self._plot.forget()
        self._verdict_list.go_to(0)
        self.redraw()

    def action_pane(self) -> None:
        """Go from verdicts to transcript to plot; on a small screen the first two swap."""
        if self.focused is self._verdict_list:
            self.add_class("-transcript")
            self.transcript.focus()
        elif self.focused is self.transcript and not (
            self.has_class("-large") or self.has_class("-low")
        ):
            self.remove_class("-transcript")
            self._plot.focus()
        else:
            self.remove_class("-transcript")
            self._verdict_list.focus()
        self.call_after_refresh(self.redraw)

    def action_axis(self) -> None:
        """Plot along the next budget."""
        self._axis = AXES[(AXES.index(self._axis) + 1) % len(AXES)]
        self._plot.forget()
        self.redraw()

    def action_zoom(self) -> None:
        """Plot the whole budget, or what has been used of it."""
        self._whole = not self._whole
        self.redraw()

    def action_large(self) -> None:
        """Give the focused list the whole screen, or take it back."""
        self.toggle_class("-large")
        self.set_class(self.focused is self.transcript, "-transcript")
        self.call_after_refresh(self.redraw)

    def action_follow(self) -> None:
        """Show the transcript's end and follow it."""
        self.add_class("-transcript")
        self.transcript.focus()
        self.transcript.to_tail()
        self.call_after_refresh(self.redraw)

    @property
    def chosen(self) -> list[str]:
        """This one."""
        return [self.identity]

    def action_processes(self) -> None:
        """Show what runs in its sandbox."""
        self.app.push_screen(ProcessesScreen(self.host, self.identity))

    def action_diff(self) -> None:
        """Show what the snapshot of the verdict under the cursor changes."""
        session, local = self.session, self.here()
        snapshot = self._snapshot()
        if session is not None and local is not None and snapshot is not None:
            self.app.push_screen(DiffScreen(self.host, local, session, snapshot))

    def action_restore(self) -> None:
        """Set its files to the snapshot of the verdict under the cursor."""
        snapshot = self._snapshot()
        if snapshot is not None:
            self.host.orders.restore(self.identity, snapshot)

    def _snapshot(self) -> str | None:
        """That of the verdict under the cursor, or the newest; the operator is told of none."""
        session = self.session
        if session is None:
            return None
        points = {point.verdict: point.snapshot for point in session.points}
        snapshot = points.get(self._verdict_list.cursor or "") or session.last_snapshot
        if snapshot is None:
            self.app.notify("its files have not changed yet", title="No snapshot")
        return snapshot

    def action_terminal(self) -> None:
        """Watch the agent's terminal."""
        local = self.here()
        if local is not None:
            self.host.aside(lambda: _said(local.attach(self.identity)), "attach")

    def action_files(self) -> None:
        """List its files."""
        local = self.here()
        if local is not None:
            self.app.push_screen(FilesScreen(self.host, local, self.identity))

    def action_figures(self) -> None:
        """Show it in figures."""
        session = self.session
        if session is not None:
            self.app.push_screen(
                ListingScreen(
                    f"{session.task}, {session.model or session.agent}",
                    lambda cells: [
                        (str(number), (line,))
                        for number, line in enumerate(
                            figures.lines(session, self.host.store.moment(), cells)
                        )
                    ],
                    self.host.glyphs,
                )
            )

    def action_copy_verify(self) -> None:
        """Copy what verifies its best snapshot by hand."""
        session = self.session
        if session is not None:
            export = f"autolab snapshot export {session.id} best ./best"
            verify = f"autolab verify {shlex.quote(session.task_path)} ./best"
            self.host.copy(f"{export} && {verify}", "the command")

    def action_copy(self) -> None:
        """Copy what is under the cursor."""
        if self.focused is self.transcript:
            text = self.transcript.text_under_cursor()
            if text:
                self.host.copy(text, "the entry")
        elif self._verdict_list.cursor is not None:
            self.host.copy(self._verdict_list.cursor, "the verdict's id")

    def action_open(self) -> None:
        """Open the verdict, or fold the entry, under the cursor."""
        if self.focused is self.transcript:
            self.transcript.choose()
        else:
            self._open_verdict()

    @on(Choosable.Chosen, "#verdicts")
    def _open_verdict(self) -> None:
        chosen = self._verdict_list.cursor
        if chosen in self._verdicts:
            self._show_verdict(self._verdicts[chosen])
        elif chosen is not None and chosen != "verifying":
            self.host.calls.verdicts(self, self.identity)

    @on(ReadablePlot.Chosen)
    def _mark_chosen(self, message: ReadablePlot.Chosen) -> None:
        """The list goes to the verdict at the plot's cursor, and opens it."""
        session = self.session
        if session is None:
            return
        marks = trajectory(session, self.host.store.moment(), self._axis, self.host.glyphs).marks
        if message.mark in marks:
            self._verdict_list.go_to_identity(session.points[marks.index(message.mark)].verdict)
            self._open_verdict()

    @on(VerdictsRead)
    def _verdicts_read(self, message: VerdictsRead) -> None:
        if message.session != self.identity:
            return
        self._verdicts = {str(verdict.get("id")): verdict for verdict in message.verdicts}
        chosen = self._verdict_list.cursor
        if chosen in self._verdicts and self.is_current:
            self._show_verdict(self._verdicts[chosen])

    def _show_verdict(self, verdict: Mapping[str, Any]) -> None:
        self.app.push_screen(VerdictScreen(verdict, self.host.glyphs))
