"""What a model call is and what comes back, whatever the wire format."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from engine.events import Usage

StopReason = Literal["tool_calls", "stop", "length", "refusal", "unknown"]
FailureKind = Literal["retry", "fatal", "context", "refusal"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model asks for; `arguments` is JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. A `tool` message answers the call with id `call`."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    call: str = ""


@dataclass(frozen=True, slots=True)
class ToolSchema:
    """A tool as it is offered to a model; `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More text of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of what the model thinks aloud."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolDelta:
    """More of a tool call: its name so far known and the next piece of its arguments."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A whole answer: the last item of every stream that ends well."""

    text: str
    reasoning: str
    tool_calls: tuple[ToolCall, ...]
    stop: StopReason
    usage: Usage


Delta = TextDelta | ReasoningDelta | ToolDelta | Turn


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens; cached input costs `input` unless `cached` is given."""

    input: float
    output: float
    cached: float | None = None

    def of(self, usage: Usage) -> float:
        """What a turn costs."""
        cached = self.input if self.cached is None else self.cached
        spent = usage.input * self.input + usage.cached * cached + usage.output * self.output
        return spent / 1e6


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a model is reached. `key` comes from the environment and is never stored or shown."""

    name: str
    base_url: str
    key: str | None = field(default=None, repr=False)
    connect_seconds: float = 10.0
    silence_seconds: float = 300.0


class ModelError(Exception):
    """A model call failed.

    `kind` says what to do: try again (after `retry_after` seconds if given), give up, or end the
    session because the conversation no longer fits or the model refuses. `cause` is short ("429
    rate limit"), `detail` what the provider said.
    """

    def __init__(
        self, kind: FailureKind, cause: str, detail: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(f"{cause}: {detail}" if detail else cause)
        self.kind = kind
        self.cause = cause
        self.detail = detail
        self.retry_after = retry_after


class Model(Protocol):
    """Something that can be asked for a turn."""

    def ask(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncIterator[Delta]:
        """Stream one answer; the last item is the whole `Turn`. Raises `ModelError`."""
        ...
