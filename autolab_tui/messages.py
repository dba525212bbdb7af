"""What the app's own threads tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textual.message import Message


class Arrived(Message):
    """The link has something; many of these are one."""

    def can_replace(self, message: Message) -> bool:
        """A later one replaces one that waits."""
        return isinstance(message, Arrived)


@dataclass
class TranscriptRead(Message):
    """Entries of a session's transcript, and the turn that is being streamed."""

    session: str
    entries: Sequence[dict[str, Any]]
    live: dict[str, Any] | None


@dataclass
class VerdictsRead(Message):
    """Every verdict of a session, whole."""

    session: str
    verdicts: Sequence[dict[str, Any]]


@dataclass
class Stopped(Message):
    """The engine took note that these sessions are to stop."""

    sessions: Sequence[str]


@dataclass
class Ordered(Message):
    """The engine took note of an order for these sessions."""

    order: str
    sessions: Sequence[str]


@dataclass
class Restored(Message):
    """The engine set a session's files to a snapshot; `answer` as `EngineClient.restore` has it."""

    answer: Mapping[str, Any]


@dataclass
class Planned(Message):
    """What a run would come to, as the engine sees it now."""

    answer: Mapping[str, Any]


@dataclass
class Launched(Message):
    """The engine began a run."""

    run: str
    sessions: Sequence[str]


@dataclass
class GpusRead(Message):
    """The newest reading of the GPUs and those before it, as `EngineClient.gpus` gives them."""

    answer: Mapping[str, Any]


@dataclass
class ProcessesRead(Message):
    """What runs in a session's sandbox, as `EngineClient.processes` gives it."""

    session: str
    answer: Mapping[str, Any]


@dataclass
class Computed(Message):
    """Figures that were asked for by name."""

    name: str
    result: Any


@dataclass
class CallFailed(Message):
    """A call to the engine did not work; `error` says why and what to do."""

    what: str
    error: str
