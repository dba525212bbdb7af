"""OpenAI's Responses format.

Nothing is stored at the provider: each request brings the whole conversation, and the encrypted
reasoning of earlier answers goes back with it. The finished items of a stream count, not their
deltas.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from engine.events import Usage
from engine.models.errors import from_stream
from engine.models.sse import ServerEvent
from engine.models.types import (
    Carried,
    Delta,
    Message,
    ModelError,
    ReasoningDelta,
    StopReason,
    TextDelta,
    ToolDelta,
    ToolSchema,
    Turn,
)
from engine.models.wire import (
    Ask,
    Json,
    Request,
    bearer,
    count,
    dict_of,
    dicts,
    instructions,
    read_object,
    stop_of,
    text_of,
    unique_calls,
)

_PLAIN = ("message", "function_call")  # what text and tool calls alone bring back
_CUT_OFF: dict[str, StopReason] = {
    "max_output_tokens": "length",
    "content_filter": "refusal",
}


class ResponsesWire:
    """Requests to `/responses`."""

    def request(self, ask: Ask) -> Request:
        """The request, to be answered with a stream."""
        body: dict[str, Any] = {
            "model": ask.name,
            "input": [item for m in ask.messages for item in _items(m)],
            "stream": True,
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "prompt_cache_key": _cache_key(ask),
        }
        if system := instructions(ask.messages):
            body["instructions"] = system
        if ask.tools:
            body["tools"] = [_tool(t) for t in ask.tools]
        if ask.provider.max_output_tokens is not None:
            body["max_output_tokens"] = ask.provider.max_output_tokens
        return Request("/responses", body, bearer(ask.key))

    def answer(self) -> ResponsesAnswer:
        """An answer of which nothing has come yet."""
        return ResponsesAnswer()


class _Item:
    """An output item in the making: as it was announced, and what its deltas brought."""

    def __init__(self, item: Json) -> None:
        self.item = item
        self.whole = False
        self.text = ""
        self.reasoning = ""
        self.arguments = ""

    @property
    def type(self) -> str:
        return text_of(self.item.get("type"))

    def said(self) -> str:
        if not self.whole:
            return self.text
        parts = dicts(self.item.get("content"))
        return "".join(text_of(p.get("text")) or text_of(p.get("refusal")) for p in parts)

    def thought(self) -> str:
        if not self.whole:
            return self.reasoning
        parts = dicts(self.item.get("summary")) + dicts(self.item.get("content"))
        return "".join(text_of(p.get("text")) for p in parts) or self.reasoning

    def refused(self) -> bool:
        return any(p.get("type") == "refusal" for p in dicts(self.item.get("content")))


class ResponsesAnswer:
    """The events of one stream, put together."""

    def __init__(self) -> None:
        self.done = False
        self._items: dict[int, _Item] = {}
        self._final: Json = {}
        self._usage: Json = {}
        self._last: tuple[int, str] | None = None
        self._refused = False

    def take(self, event: ServerEvent) -> Iterator[Delta]:
        """Fold one event in and give what is new. Raises `ModelError`, `ValueError`."""
        if event.data.strip() == "[DONE]":  # translators send it
            return
        data = read_object(event.data)
        if self._repeated(data, event.data):
            return
        kind = text_of(data.get("type")) or event.event
        response = dict_of(data.get("response"))
        self._usage = dict_of(response.get("usage")) or self._usage
        match kind:
            case "response.output_item.added":
                yield from self._added(data)
            case "response.output_item.done":
                self._finished(count(data.get("output_index")), dict_of(data.get("item")))
            case "response.output_text.delta" | "response.refusal.delta":
                self._refused = self._refused or kind == "response.refusal.delta"
                more = text_of(data.get("delta"))
                self._at(data, "message").text += more
                yield TextDelta(more)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                more = text_of(data.get("delta"))
                self._at(data, "reasoning").reasoning += more
                yield ReasoningDelta(more)
            case "response.function_call_arguments.delta":
                more = text_of(data.get("delta"))
                item = self._at(data, "function_call")
                item.arguments += more
                yield ToolDelta(text_of(item.item.get("name")), more)
            case "response.completed" | "response.incomplete":
                self._end(response)
            case "response.failed" | "response.cancelled":
                raise from_stream(response.get("error") or {"message": kind})
            case "error":
                raise from_stream(data.get("error") or data)

    def _repeated(self, data: Json, text: str) -> bool:
        number = data.get("sequence_number")
        if not isinstance(number, int):
            return False
        repeated = self._last == (number, text)
        self._last = number, text
        return repeated

    def _at(self, data: Json, kind: str) -> _Item:
        return self._items.setdefault(count(data.get("output_index")), _Item({"type": kind}))

    def _added(self, data: Json) -> Iterator[Delta]:
        item = self._items[count(data.get("output_index"))] = _Item(dict_of(data.get("item")))
        if item.type == "function_call":
            yield ToolDelta(text_of(item.item.get("name")), "")

    def _finished(self, index: int, item: Json) -> None:
        known = self._items.setdefault(index, _Item(item))
        known.item, known.whole = item, True

    def _end(self, response: Json) -> None:
        self.done = True
        self._final = response
        for index, item in enumerate(dicts(response.get("output"))):
            known = self._items.get(index)
            if known is None or not known.whole:
                self._finished(index, item)

    def usage(self) -> Usage:
        """What the stream has told so far of what it uses."""
        return _usage(self._usage)

    def turn(self) -> Turn:
        """The whole answer. Raises `ModelError` when the stream broke off."""
        if not self.done:
            raise ModelError(
                "broken_stream", "the stream broke off", "it ended without response.completed"
            )
        items = [self._items[at] for at in sorted(self._items)]
        calls = unique_calls(
            (
                text_of(i.item.get("call_id")) or text_of(i.item.get("id")),
                text_of(i.item.get("name")),
                text_of(i.item.get("arguments")) or i.arguments,
            )
            for i in items
            if i.type == "function_call"
        )
        reason = text_of(dict_of(self._final.get("incomplete_details")).get("reason"))
        stop: StopReason = _CUT_OFF.get(reason, "unknown") if reason else "stop"
        if self._refused or any(i.refused() for i in items):
            stop = "refusal"
        return Turn(
            "".join(i.said() for i in items if i.type == "message"),
            "\n\n".join(filter(None, (i.thought() for i in items if i.type == "reasoning"))),
            calls,
            stop_of(stop, calls),
            self.usage(),
            None if any(call.parsed is None for call in calls) else _carried(items),
        )


def _carried(items: list[_Item]) -> Carried | None:
    """The output items as they came, if there is more in them than text and calls.

    Reasoning that is not encrypted cannot come back: the provider has not stored it. Not to be
    used where the arguments of a call are no JSON, since items go back as they came.
    """
    whole = [i.item for i in items if i.whole]
    kept = [i for i in whole if i.get("type") != "reasoning" or i.get("encrypted_content")]
    if len(whole) < len(items) or all(i.get("type") in _PLAIN for i in kept):
        return None
    return Carried("responses", tuple(dict(i) for i in kept))


def _usage(usage: Json) -> Usage:
    sent = count(usage.get("input_tokens"))
    details = dict_of(usage.get("input_tokens_details"))
    cached = min(sent, count(details.get("cached_tokens")))
    written = min(sent - cached, count(details.get("cache_write_tokens")))
    return Usage(
        input=sent - cached - written,
        cached=cached,
        cache_write=written,
        output=count(usage.get("output_tokens")),
        reasoning=count(dict_of(usage.get("output_tokens_details")).get("reasoning_tokens")),
        turns=1,
    )


def _cache_key(ask: Ask) -> str:
    """The same for all requests of a conversation, so that they meet the same cache."""
    start = [m.text for m in ask.messages if m.role in ("system", "user")][:2]
    return hashlib.sha256(json.dumps([ask.name, *start]).encode()).hexdigest()[:32]


def _items(message: Message) -> Sequence[dict[str, Any]]:
    match message.role:
        case "system":
            return []
        case "user":
            return [{"role": "user", "content": message.text}]
        case "tool":
            return [
                {"type": "function_call_output", "call_id": message.call, "output": message.text}
            ]
    if message.carried is not None and message.carried.api == "responses":
        return message.carried.items
    said = [{"role": "assistant", "content": message.text}] if message.text else []
    return [
        *said,
        *(
            {
                "type": "function_call",
                "call_id": call.id,
                "name": call.name,
                "arguments": call.sent,
            }
            for call in message.tool_calls
        ),
    ]


def _tool(tool: ToolSchema) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": False,
    }
