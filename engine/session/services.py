"""What a session's bench needs of what is around it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from engine.agents.launching import Exit, Launch
from engine.events import (
    AnyBody,
)
from engine.session.gate import Gate
from engine.state import SessionState


class Launcher(Protocol):
    """What runs an agent of somebody else's."""

    async def run(self, launch: Launch, again: bool) -> Exit:
        """See `Bench.launch`."""
        ...


class Services(Protocol):
    """What the bench needs of its session."""

    @property
    def facts(self) -> SessionState:
        """What the journal says of it."""
        ...

    @property
    def gate(self) -> Gate:
        """Where model calls wait while the session is paused."""
        ...

    def record(self, body: AnyBody) -> Awaitable[object]:
        """Journal an event of this session. To be awaited: it is then durable, and in `facts`."""
        ...

    def note(self, body: AnyBody) -> None:
        """Journal an event of this session without waiting for it."""
        ...

    async def after_tool(self) -> None:
        """Take a snapshot if the editable files changed."""
        ...

    def verifying(self) -> bool:
        """Whether a snapshot of this session waits for its verdict."""
        ...
