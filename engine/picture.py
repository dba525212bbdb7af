"""The JSON of a state that keeps changing, of which only what has changed is encoded again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.events import Event
from engine.state import State

_encoder = msgspec.json.Encoder()


class Picture:
    """What `msgspec.json.encode(state)` gives, at the price of the sessions that have changed.

    An event changes the session that it names and no other; one that names none may change all.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._sessions: dict[str, msgspec.Raw] = {}
        self._changed: set[str] = set(state.sessions)

    def note(self, events: Sequence[Event]) -> None:
        """These were folded into the state."""
        for event in events:
            if event.session is None:
                self._changed.update(self._state.sessions)
            else:
                self._changed.add(event.session)

    def json(self) -> bytes:
        """The whole state as JSON."""
        state, known = self._state, self._sessions
        for name in self._changed:
            if name in state.sessions:
                known[name] = msgspec.Raw(_encoder.encode(state.sessions[name]))
        self._changed.clear()
        whole = {name: getattr(state, name) for name in state.__struct_fields__}
        whole["sessions"] = {name: known[name] for name in state.sessions}
        return _encoder.encode(whole)
