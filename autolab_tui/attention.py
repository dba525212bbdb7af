"""What the terminal itself tells: a bell when a session begins to ask, a title that counts them.

Each alert rings once, at the screen that is open; what was there when it opened rings not at all.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.state import SessionState

Asking = tuple[str, str, float]


class Attention:
    """Which alerts the operator has been told of."""

    def __init__(self) -> None:
        self._told: set[Asking] | None = None
        self._title = ""

    def rings(self, sessions: Iterable[SessionState]) -> bool:
        """Whether an alert asks that did not before."""
        asking = {(s.id, a.id, a.at) for s in sessions if not s.over for a in s.asking}
        told, self._told = self._told, asking
        return told is not None and bool(asking - told)

    def title(self, needy: int, finished: int, total: int) -> str | None:
        """The terminal's title, or None where it stands already."""
        asks = f"{needy} {'needs' if needy == 1 else 'need'} you, " if needy else ""
        title = f"AutoLab: {asks}{finished} of {total} finished" if total else "AutoLab"
        if title == self._title:
            return None
        self._title = title
        return title
