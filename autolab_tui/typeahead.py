"""Keys that arrive in one packet, as they do over a slow line, go where they were meant to go.

Textual hands a key to what has the focus when the key is read. What comes right behind a key that
moves the focus (`/` opens the filter) would still go to the old place, where letters are orders.
Such a key comes back unused, and is handed on to what has the focus by then.
"""

from __future__ import annotations

from textual import events
from textual.app import App

_AIMED = "_autolab_aimed"


class TypeAhead(App[None]):
    """An app in which each key goes to what has the focus when it is its turn."""

    async def on_event(self, event: events.Event) -> None:
        """Note whom a key is handed to."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            setattr(event, _AIMED, self.focused or self.screen)
        await super().on_event(event)

    async def _on_key(self, event: events.Key) -> None:
        """A key that nothing used: look for its binding only if the focus is where it was."""
        now = self.focused or self.screen
        if getattr(event, _AIMED, now) is not now:
            event.prevent_default()
            again = events.Key(event.key, event.character)
            setattr(again, _AIMED, now)
            now._forward_event(again)
