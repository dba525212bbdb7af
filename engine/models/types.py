"""What a model call is and what comes back, whatever the wire format."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

from engine.events import Usage
from engine.models.storable import storable

# `length`: cut off at a limit, maybe in the middle of a call. `pause`: the provider interrupted
# the answer and goes on with it when it gets it back as it is.
StopReason = Literal["tool_calls", "stop", "length", "refusal", "pause", "unknown"]
FailureKind = Literal["retry", "fatal", "context", "refusal"]
Api = Literal["chat", "responses", "anthropic", "gemini"]


@dataclass(frozen=True)
class ToolCall:
    """A tool that the model asks for; `arguments` is JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str

    @cached_property
    def parsed(self) -> dict[str, Any] | None:
        """The arguments as an object; None for text that is none (a stream was cut, say)."""
        try:
            found = storable(json.loads(self.arguments or "{}"))
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    @property
    def given(self) -> dict[str, Any]:
        """The arguments as the object that an API wants to see again.

        Text that is no object is wrapped, since several servers refuse a whole conversation over
        it.
        """
        return {"malformed_arguments": self.arguments} if self.parsed is None else self.parsed

    @cached_property
    def sent(self) -> str:
        """What `given` is, as the JSON text that some APIs want it as; every request has it."""
        text = json.dumps(self.given)
        return self.arguments if text == self.arguments else text


@dataclass(frozen=True, slots=True)
class Carried:
    """What an answer said beyond text and tool calls, kept as it came for the same API alone.

    Thinking with its signature, encrypted reasoning and the like must come back unchanged with the
    next request; nobody reads `items` but the adapter of `api`, which wrote them.
    """

    api: Api
    items: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. A `tool` message answers the call with id `call`."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    call: str = ""
    carried: Carried | None = None


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
    carried: Carried | None = None


Delta = TextDelta | ReasoningDelta | ToolDelta | Turn


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where a provider's key is found, not the key: at most one of the three is given."""

    env: str | None = None
    file: str | None = None
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Provider:
    """Where and how a model is reached.

    `version` is what the API calls so ("" is its default); `body` is laid over every request.
    Seconds: no connection after `connect_seconds`, no byte for `silence_seconds`, or nothing but
    signs of life for `stall_seconds`, and the call has failed.
    """

    name: str
    base_url: str
    key: KeySource = KeySource()
    api: Api = "chat"
    version: str = ""
    max_output_tokens: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    connect_seconds: float = 10.0
    silence_seconds: float = 300.0
    stall_seconds: float = 1800.0


Failure = Literal[
    "rate_limit",
    "overload",
    "network",
    "broken_stream",
    "server",
    "auth",
    "quota",
    "bad_request",
    "context",
    "refusal",
    "content_filter",
]
_KINDS: Mapping[Failure, FailureKind] = {
    "rate_limit": "retry",
    "overload": "retry",
    "network": "retry",
    "broken_stream": "retry",
    "server": "retry",
    "auth": "fatal",
    "quota": "fatal",
    "bad_request": "fatal",
    "context": "context",
    "refusal": "refusal",
    "content_filter": "refusal",
}


class ModelError(Exception):
    """A model call failed.

    `failure` is its class. `kind` follows from it and says what to do: try again (after
    `retry_after` seconds if given), give up, or end the session because the conversation no longer
    fits or the model refuses. `cause` is short ("429 rate limit"), `detail` what the provider said.
    `unanswered` says that the request was sent and neither an answer nor a refusal came.
    """

    def __init__(
        self,
        failure: Failure,
        cause: str,
        detail: str = "",
        retry_after: float | None = None,
        *,
        unanswered: bool = False,
    ) -> None:
        super().__init__(f"{cause}: {detail}" if detail else cause)
        self.failure = failure
        self.kind: FailureKind = _KINDS[failure]
        self.cause = cause
        self.detail = detail
        self.retry_after = retry_after
        self.unanswered = unanswered


class Places(Protocol):
    """The calls that may be under way at once; see `engine.models.pace.Pace`."""

    @property
    def free(self) -> bool:
        """Whether a call could begin at once."""
        ...

    def place(self) -> AbstractAsyncContextManager[None]:
        """A place for one call; entering it waits until there is one."""
        ...


class Model(Protocol):
    """Something that can be asked for a turn, by whoever holds a place of its `pace`."""

    @property
    def pace(self) -> Places:
        """The places that it shares with the other models of its account."""
        ...

    @property
    def spent(self) -> Usage:
        """What the newest call used although it failed or was left; empty if it did not."""
        ...

    def ask(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncIterator[Delta]:
        """Stream one answer; the last item is the whole `Turn`. Raises `ModelError`."""
        ...

    def committed(self, sent_bytes: int, before: Usage) -> float | None:
        """US dollars that a request of this size will probably cost, after `before`.

        None without a price.
        """
        ...
