"""Lines of roles on the screen: the base of everything that is drawn here.

Textual rewrites whatever region is refreshed, so a widget that is told its lines anew compares them
with the old ones and refreshes only those that changed. Nothing is ever parsed as markup.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from autolab_tui.bindings import bindings
from autolab_tui.roles import ROLES, Line
from autolab_tui.views.layout import HEADING
from autolab_tui.views.rows import Flat, Row

# Textual works out each of these for each widget that names them: 3 ms, and a screen has a dozen.
LOOKS = frozenset(f"line--{role}" for role in (*ROLES, "cursor", "cursor-blurred"))


class Lines(ScrollView):
    """Shows lines; scrolls when there are more than fit."""

    can_focus = False

    def __init__(self, identity: str | None = None) -> None:
        super().__init__(id=identity)
        self._lines: Sequence[Line] = ()
        self._styles_by_role: dict[str, Style] = {}

    def show(self, lines: Sequence[Line]) -> None:
        """Draw these lines; only what differs from before is sent to the terminal."""
        old, self._lines = self._lines, lines
        if len(old) != len(lines):
            self._hold(len(old), len(lines))
            self.refresh()
            return
        top = self.scroll_offset.y
        for y in range(top, min(len(lines), top + self.size.height)):
            if old[y] != lines[y]:
                self.refresh(Region(0, y - top, self.size.width, 1))

    def _hold(self, before: int, now: int) -> None:
        """Hold more lines or fewer than before; lay out the screen only where that shows."""
        size = Size(self.size.width, now)
        if self.show_vertical_scrollbar and now > before > self.size.height:
            # Only the bar's thumb moves. Textual would lay out the whole screen: a quarter of what
            # a second of a busy fleet costs, since its feed grows all the time.
            self.set_reactive(Lines.virtual_size, size)
            self.vertical_scrollbar.window_virtual_size = now
        else:
            self.virtual_size = size

    @property
    def shown(self) -> Sequence[Line]:
        """The lines as they stand."""
        return self._lines

    def style_of(self, role: str) -> Style:
        """The style of a role in the current theme, as the app has it for all of them."""
        style = self._styles_by_role.get(role)
        if style is None:
            style = self.app.get_component_styles(f"line--{role}").partial_rich_style
            self._styles_by_role[role] = style
        return style

    def notify_style_update(self) -> None:
        """Forget the styles of the old theme."""
        super().notify_style_update()
        self._styles_by_role = {}

    def row_style(self, y: int) -> Style | None:
        """A style that the line `y` has all along, or None."""
        del y
        return None

    def render_line(self, y: int) -> Strip:
        """Textual asks for the line at `y` of the window."""
        width, base = self.size.width, self.rich_style
        index = y + self.scroll_offset.y
        if not 0 <= index < len(self._lines):
            return Strip.blank(width, base)
        extra = self.row_style(index)
        ground = base if extra is None else base + extra
        segments = []
        for text, role in self._lines[index]:
            style = ground + self.style_of(role)
            segments.append(Segment(text, style if extra is None else style + extra))
        return Strip(segments).adjust_cell_length(width, ground)

    def on_resize(self, event: events.Resize) -> None:
        """Lines are as wide as the widget."""
        del event
        self.virtual_size = Size(self.size.width, len(self._lines))
        self.paint()

    def paint(self) -> None:
        """Make the lines anew for the present size; for widgets that know what they show."""


class Choosable(Lines, can_focus=True, inherit_bindings=False):
    """Lines in rows, one of which is under the cursor.

    Rows have identities, so the cursor stays on what it was on when the order changes. One whose
    identity begins with `HEADING` is passed over.
    """

    BINDINGS = bindings("list")

    class Moved(Message):
        """The cursor went to another row."""

        def __init__(self, sender: Choosable, identity: str | None) -> None:
            super().__init__()
            self.sender = sender
            self.identity = identity

        @property
        def control(self) -> Choosable:
            """The widget, for `@on` selectors."""
            return self.sender

    class Chosen(Message):
        """The operator asked for the row under the cursor."""

        def __init__(self, sender: Choosable, identity: str) -> None:
            super().__init__()
            self.sender = sender
            self.identity = identity

        @property
        def control(self) -> Choosable:
            """The widget, for `@on` selectors."""
            return self.sender

    def __init__(self, identity: str | None, sign: str) -> None:
        super().__init__(identity)
        self._sign = sign  # stands before the row under the cursor, where colours cannot show it
        self.identities: list[str] = []
        self._starts: list[int] = []
        self._cursor: str | None = None
        self._index = 0

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Draw rows of any heights; the cursor stays with its row, or near its place.

        Only lines in the window are looked at, so rows may be `Painted` late.
        """
        before, stood = self._cursor, self._index
        self.identities = [identity for identity, _ in rows]
        moved_down = self._starts[: self._index + 1]
        flat = Flat(rows)
        self._starts = flat.starts
        if self._cursor in self.identities:
            self._index = self.identities.index(self._cursor)
        else:
            self._index = self._choosable_near(max(0, min(self._index, len(rows) - 1)), 1)
            self._cursor = self.identities[self._index] if rows else None
        self.show(flat)
        if self._index != stood or self._starts[: self._index + 1] != moved_down:
            self.refresh()
        if self._cursor != before:
            self.post_message(self.Moved(self, self._cursor))

    @property
    def cursor(self) -> str | None:
        """The identity of the row under the cursor."""
        return self._cursor

    @property
    def index(self) -> int:
        """The number of the row under the cursor."""
        return self._index

    def go_to(self, index: int) -> None:
        """Put the cursor on a row, by number; out of range is the nearest."""
        if not self.identities:
            return
        index = max(0, min(index, len(self.identities) - 1))
        index = self._choosable_near(index, 1 if index >= self._index else -1)
        if self.identities[index] != self._cursor:
            old, self._index = self._index, index
            self._cursor = self.identities[index]
            self.refresh(self._window(old), self._window(index))
            self.post_message(self.Moved(self, self._cursor))
        start, height = self._span(index)
        if index and self.identities[index - 1].startswith(HEADING):
            start, height = start - 1, height + 1
        # By force: before its first layout Textual takes a list for one that cannot scroll.
        region = Region(0, start, self.size.width, height)
        self.scroll_to_region(region, animate=False, force=True)

    def _choosable_near(self, index: int, step: int) -> int:
        """The next row in that direction that is no heading, else in the other one."""
        for way in (step, -step):
            at = index
            while 0 <= at < len(self.identities):
                if not self.identities[at].startswith(HEADING):
                    return at
                at += way
        return index

    def go_to_identity(self, identity: str) -> bool:
        """Put the cursor on a row, by identity; whether it is there."""
        if identity not in self.identities:
            return False
        self.go_to(self.identities.index(identity))
        return True

    def _span(self, index: int) -> tuple[int, int]:
        """The first line of a row and how many it has."""
        start = self._starts[index]
        after = self._starts[index + 1] if index + 1 < len(self._starts) else len(self.shown)
        return start, after - start

    def _window(self, index: int) -> Region:
        start, height = self._span(index)
        return Region(0, start - self.scroll_offset.y, self.size.width, height)

    def row_style(self, y: int) -> Style | None:
        """The row under the cursor stands out."""
        if not self._starts or bisect_right(self._starts, y) - 1 != self._index:
            return None
        return self.style_of("cursor" if self.has_focus else "cursor-blurred")

    def action_cursor(self, by: int) -> None:
        """Move the cursor by rows."""
        self.go_to(self._index + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by about a window."""
        if not self._starts:
            return
        line = self._starts[self._index] + by * max(1, self.size.height - 1)
        row = bisect_right(self._starts, max(0, line)) - 1
        self.go_to(row if row != self._index else self._index + by)

    def action_edge(self, end: int) -> None:
        """Move the cursor to the first or the last row."""
        self.go_to(0 if end < 0 else len(self.identities) - 1)

    def render_line(self, y: int) -> Strip:
        """As it is, with the sign in the margin of the row under the cursor."""
        strip = super().render_line(y)
        index = y + self.scroll_offset.y
        if not self.has_focus or index >= len(self.shown) or self.row_style(index) is None:
            return strip
        first = next(iter(strip), None)
        if first is None or not first.text.startswith(" "):
            return strip
        ground = self.rich_style + self.style_of("cursor")
        sign = Strip([Segment(self._sign, ground + self.style_of("key"))], 1)
        return Strip.join([sign, strip.crop(1)])

    def choose(self) -> None:
        """Ask for the row under the cursor."""
        if self._cursor is not None:
            self.post_message(self.Chosen(self, self._cursor))

    def on_focus(self) -> None:
        """The cursor's looks depend on the focus."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor's looks depend on the focus."""
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """A click puts the cursor there; a second one asks for the row."""
        line = event.y + self.scroll_offset.y
        if self._starts and 0 <= line < len(self.shown):
            self.go_to(bisect_right(self._starts, line) - 1)
            if event.chain == 2:
                self.choose()
