"""What a wire format is: how a request is written and how the events of an answer are read.

Each format has a short module of its own (`chat`, `responses`, `anthropic`, `gemini`) with one
class for the request and one for the answer; `engine.models.http_model` does what they share.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.events import Usage
from engine.models.sse import ServerEvent
from engine.models.storable import LARGEST, clean
from engine.models.types import Delta, Message, Provider, StopReason, ToolCall, ToolSchema, Turn

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """One question: `name` is the model's name at the provider, `key` None where none is needed."""

    provider: Provider
    name: str
    key: str | None
    messages: Sequence[Message]
    tools: Sequence[ToolSchema]


@dataclass(frozen=True, slots=True)
class Request:
    """A POST below the provider's base URL; the body is sent as JSON."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


class Answer(Protocol):
    """An answer in the making."""

    @property
    def done(self) -> bool:
        """Whether nothing more can come."""
        ...

    def take(self, event: ServerEvent) -> Iterator[Delta]:
        """Fold one event in and give what is new. Raises `ModelError`; `ValueError` for nonsense.

        Events and fields that it does not know are passed over.
        """
        ...

    def usage(self) -> Usage:
        """What the stream has told so far of what it uses, as of one turn; whole or not.

        Its cost is set only if the server stated one.
        """
        ...

    def turn(self) -> Turn:
        """The whole answer. Raises `ModelError` when the stream broke off before it was whole."""
        ...


class Wire(Protocol):
    """A wire format."""

    def request(self, ask: Ask) -> Request:
        """The request, to be answered with a stream."""
        ...

    def answer(self) -> Answer:
        """An answer of which nothing has come yet."""
        ...


def read_object(data: str) -> Json:
    """An event's data as a JSON object. Raises `ValueError`."""
    try:
        found = json.loads(data)
    except RecursionError:
        raise ValueError(f"an event is nested too deeply: {data[:80]!r}") from None
    if not isinstance(found, dict):
        raise ValueError(f"an event is no object: {data[:80]!r}")
    return found


def bearer(key: str | None) -> dict[str, str]:
    """The header that most APIs take the key in."""
    return {"Authorization": f"Bearer {key}"} if key else {}


def count(value: Any) -> int:
    """A number of tokens; 0 for what is none."""
    return value if isinstance(value, int) and 0 < value < LARGEST else 0


def text_of(value: Any) -> str:
    """Text that can be stored; "" for what is no text."""
    return clean(value) if isinstance(value, str) else ""


def dict_of(value: Any) -> Json:
    """An object; an empty one for what is none."""
    return value if isinstance(value, dict) else {}


def dicts(value: Any) -> list[Json]:
    """The objects of a list; none for what is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def instructions(messages: Sequence[Message]) -> str:
    """What the system says, for the APIs that take it beside the conversation."""
    return "\n\n".join(m.text for m in messages if m.role == "system")


def unique_calls(calls: Iterable[tuple[str, str, str]]) -> tuple[ToolCall, ...]:
    """(id, name, arguments) as tool calls, each with an id of its own; nameless ones left out."""
    seen: set[str] = set()
    found = []
    for number, (call_id, name, arguments) in enumerate(c for c in calls if c[1]):
        given = call_id if call_id and call_id not in seen else f"{call_id or 'call'}-{number}"
        seen.add(given)
        found.append(ToolCall(given, name, arguments or "{}"))
    return tuple(found)


def stop_of(stated: StopReason, calls: Sequence[ToolCall]) -> StopReason:
    """The stop reason, given that servers say `stop` although there are calls."""
    return "tool_calls" if calls and stated in ("stop", "pause", "unknown") else stated


def merged(base: Json, over: Json) -> dict[str, Any]:
    """`base` with `over` laid on it: objects are merged, everything else is replaced."""
    result = dict(base)
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result
