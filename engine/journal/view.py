"""The state as one thread's event loop sees it: folded from committed events, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from engine.events import AnyBody, Event
from engine.journal import Journal, JournalError, Settled
from engine.state import State, reduce

Listener = Callable[[Sequence[Event]], None]


class View:
    """A state of its own on the loop that makes it. Use it on that loop only.

    Making it folds the events of the journal after the state that it is given, which it keeps.
    Listeners are called on the loop, after the fold, and must not raise.
    """

    def __init__(
        self, journal: Journal, loop: asyncio.AbstractEventLoop, state: State | None = None
    ) -> None:
        self.state = state or State()
        self._journal = journal
        self._loop = loop
        self._listeners: list[Listener] = []
        newest = journal.subscribe(self._published)
        for event in journal.events(after=self.state.seq, until=newest):
            reduce(self.state, event)

    def record(self, body: AnyBody, session: str | None = None) -> asyncio.Future[Event]:
        """Journal what happened. To be awaited: it is then durable and folded into this state.

        The wait raises `JournalError` when the journal was closed before it could be written.
        """
        ticket: asyncio.Future[Event] = self._loop.create_future()
        self._journal.put(body, session, ticket, self._settled)
        return ticket

    def note(self, body: AnyBody, session: str | None = None) -> None:
        """Journal what happened, for those who need not wait: what is durable later includes it."""
        self._journal.put(body, session)

    def listen(self, listener: Listener) -> None:
        """Call `listener` with every batch of events from now on."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Stop following the journal."""
        self._journal.unsubscribe(self._published)

    def _published(self, events: Sequence[Event]) -> None:
        """Called on the journal's thread."""
        with suppress(RuntimeError):  # the loop has ended, and nobody looks at this state again
            self._loop.call_soon_threadsafe(self._fold, events)

    def _settled(self, settled: Settled) -> None:
        """Called on the journal's thread, after `_published` with the same events."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_hand_out, settled)

    def _fold(self, events: Sequence[Event]) -> None:
        for event in events:
            reduce(self.state, event)
        for listener in self._listeners:
            listener(events)


def _hand_out(settled: Settled) -> None:
    for ticket, result in settled:
        if not ticket.done():  # who waited may have been cancelled
            if isinstance(result, JournalError):
                ticket.set_exception(result)
            else:
                ticket.set_result(result)
