"""The live transcript: entries under a cursor, folded until asked, following the tail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textual.message import Message

from autolab_tui.glyphs import Glyphs
from autolab_tui.roles import Line
from autolab_tui.views.transcript import Entry, Page, entry_lines, live_lines, text_of
from autolab_tui.widgets.lines import Choosable

KEPT = 1500  # entries in memory; older ones are fetched again when asked for
LIVE = "live"


class TranscriptView(Choosable):
    """Shows the entries it is given; asks for earlier ones at the top."""

    class EarlierWanted(Message):
        """The operator reached the first entry in memory and there are earlier ones."""

        def __init__(self, before: int) -> None:
            super().__init__()
            self.before = before

    def __init__(self, glyphs: Glyphs, identity: str | None = None) -> None:
        super().__init__(identity, glyphs.cursor)
        self._glyphs = glyphs
        self._entries: dict[int, Entry] = {}
        self._open: set[int] = set()
        self._painted: dict[int, list[Line]] = {}
        self._painted_for = 0
        self._live: Mapping[str, Any] | None = None
        self.following = True

    def clear(self) -> None:
        """Forget everything: another session is shown."""
        self._entries, self._live = {}, None
        self._open, self._painted = set(), {}
        self.following = True
        self.show_rows([])

    @property
    def first(self) -> int | None:
        """The number of the earliest entry in memory."""
        return min(self._entries, default=None)

    def add(self, entries: Sequence[Entry], live: Mapping[str, Any] | None) -> None:
        """Take entries (in any order, again or not) and the turn that is being streamed."""
        for entry in entries:
            number = entry.get("n")
            if isinstance(number, int) and number not in self._entries:
                self._entries[number] = entry
        for number in sorted(self._entries)[: max(0, len(self._entries) - KEPT)]:
            if self.following:
                del self._entries[number]
                self._painted.pop(number, None)
        self._live = live
        self.paint()

    def paint(self) -> None:
        """Draw what there is."""
        cells = self.size.width
        if cells < 1:
            return
        if cells != self._painted_for:
            self._painted, self._painted_for = {}, cells
        page = Page(cells, self._glyphs)
        rows: list[tuple[str, Sequence[Line]]] = []
        for number in sorted(self._entries):
            lines = self._painted.get(number)
            if lines is None:
                entry = self._entries[number]
                lines = entry_lines(entry, number in self._open, page)
                self._painted[number] = lines
            rows.append((str(number), lines))
        if self._live:
            rows.append((LIVE, live_lines(self._live, page)))
        self.show_rows(rows)
        if self.following:
            self.to_tail()

    def to_tail(self) -> None:
        """Go to the newest entry and stay there."""
        self.following = True
        if self.identities:
            self.go_to(len(self.identities) - 1)
            self.scroll_end(animate=False, immediate=True, force=True)

    def go_to(self, index: int) -> None:
        """Put the cursor on an entry; away from the last one, stop following."""
        super().go_to(index)
        self.following = self.index >= len(self.identities) - 1
        first = self.first
        if self.index == 0 and first:
            self.post_message(self.EarlierWanted(first))

    def text_under_cursor(self) -> str:
        """What the entry under the cursor says, whole and harmless; nothing for a live turn."""
        if self.cursor is None or self.cursor == LIVE:
            return ""
        return text_of(self._entries[int(self.cursor)])

    def choose(self) -> None:
        """Fold or open the entry under the cursor."""
        if self.cursor is None or self.cursor == LIVE:
            return
        self._open ^= {int(self.cursor)}
        self._painted.pop(int(self.cursor), None)
        stay = self.index
        self.paint()
        super().go_to(stay)
