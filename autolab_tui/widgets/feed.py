"""What happened, as a list whose folds open."""

from __future__ import annotations

from collections.abc import Sequence

from autolab_tui.glyphs import Glyphs
from autolab_tui.views import feed
from autolab_tui.widgets.lines import Choosable
from engine.state import FeedItem, State


class Feed(Choosable):
    """The newest stays in sight until somebody goes down the list."""

    def __init__(self, identity: str, glyphs: Glyphs) -> None:
        super().__init__(identity, glyphs.cursor)
        self._glyphs = glyphs
        self._sessions: dict[str, str] = {}
        self._opened: frozenset[str] = frozenset()

    def show_feed(self, found: Sequence[FeedItem], state: State, cells: int) -> None:
        """Draw what happened, newest first."""
        self._sessions = {str(item.seq): item.session for item in found if item.session}
        at_top = self.index == 0
        self.show_rows(feed.rows(found, state, cells, self._glyphs, self._opened))
        if at_top and not self.has_focus:
            self.go_to(0)

    @property
    def session(self) -> str | None:
        """The session that the line under the cursor is about."""
        return self._sessions.get(self.cursor or "")

    def turn_fold(self) -> bool:
        """Open or close the fold under the cursor, from the next drawing on; whether there is."""
        if self.cursor is None or not feed.is_fold(self.cursor):
            return False
        self._opened ^= {self.cursor}
        return True
