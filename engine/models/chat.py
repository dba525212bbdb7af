"""The OpenAI-compatible chat completions format, as many servers really speak it.

Deltas may lack an index, repeat ids and names, bring a whole call at once, put usage anywhere, or
end without `[DONE]`; a stream without any finish reason is a broken one and is tried again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from engine.events import Usage
from engine.models.errors import clean, from_stream
from engine.models.http import HttpClient
from engine.models.sse import SseParser
from engine.models.types import (
    Delta,
    Message,
    ModelError,
    Price,
    Provider,
    ReasoningDelta,
    StopReason,
    TextDelta,
    ToolCall,
    ToolDelta,
    ToolSchema,
    Turn,
)

_STOPS: dict[str, StopReason] = {
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "stop": "stop",
    "length": "length",
    "content_filter": "refusal",
    "refusal": "refusal",
}
Json = Mapping[str, Any]


class ChatModel:
    """One model of one provider."""

    def __init__(
        self, http: HttpClient, provider: Provider, name: str, price: Price | None = None
    ) -> None:
        self._http = http
        self._provider = provider
        self._name = name
        self._price = price

    async def ask(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> AsyncIterator[Delta]:
        """Stream one answer; the last item is the whole `Turn`. Raises `ModelError`."""
        body = {
            "model": self._name,
            "messages": [_message(m) for m in messages],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if tools:
            body["tools"] = [_tool(t) for t in tools]
        answer, parser = _Answer(), SseParser()
        async with self._http.stream(self._provider, "/chat/completions", body) as pieces:
            async for piece in pieces:
                try:
                    for event in parser.feed(piece):
                        for delta in answer.take(event.data):
                            yield delta
                except ValueError as error:
                    raise ModelError("retry", "unreadable stream", str(error)) from error
                if answer.done:
                    break
        yield answer.turn(self._price)


class _Call:
    """A tool call in the making."""

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments = ""


class _Answer:
    """The chunks of one stream, put together."""

    def __init__(self) -> None:
        self.done = False
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[_Call] = []
        self._slots: dict[int, _Call] = {}
        self._finish: str | None = None
        self._refused = False
        self._usage: Json = {}

    def take(self, data: str) -> Iterator[Delta]:
        """Fold one event's data in and give what is new. Raises `ModelError`, `ValueError`."""
        if data.strip() == "[DONE]":
            self.done = True
            return
        chunk = json.loads(data)
        if not isinstance(chunk, dict):
            raise ValueError(f"a chunk is no object: {data[:80]!r}")
        if chunk.get("error"):
            raise from_stream(chunk["error"])
        if isinstance(chunk.get("usage"), dict):
            self._usage = chunk["usage"]
        for choice in _dicts(chunk.get("choices"))[:1]:
            if isinstance(choice.get("finish_reason"), str):
                self._finish = choice["finish_reason"]
            delta = choice.get("delta")
            if isinstance(delta, dict):
                yield from self._delta(delta)

    def _delta(self, delta: Json) -> Iterator[Delta]:
        thought = _text(delta.get("reasoning_content")) or _text(delta.get("reasoning"))
        if thought:
            self._reasoning.append(thought)
            yield ReasoningDelta(thought)
        refusal = _text(delta.get("refusal"))
        self._refused = self._refused or bool(refusal)
        text = _text(delta.get("content")) or refusal
        if text:
            self._text.append(text)
            yield TextDelta(text)
        for part in _dicts(delta.get("tool_calls")):
            yield self._tool(part)

    def _tool(self, part: Json) -> ToolDelta:
        function = part.get("function")
        function = function if isinstance(function, dict) else {}
        call = self._slot(part, function)
        # Some servers repeat id and name in every piece, others send an empty one later.
        call.id = call.id or _text(part.get("id"))
        call.name = call.name or _text(function.get("name"))
        arguments = function.get("arguments")
        more = json.dumps(arguments) if isinstance(arguments, dict) else _text(arguments)
        call.arguments += more
        return ToolDelta(call.name, more)

    def _slot(self, part: Json, function: Json) -> _Call:
        index = part.get("index")
        if isinstance(index, int):
            if index not in self._slots:
                self._slots[index] = self._new()
            return self._slots[index]
        given = _text(part.get("id"))
        for call in self._calls:
            if given and call.id == given:
                return call
        if not self._calls or given or _text(function.get("name")):
            return self._new()
        return self._calls[-1]

    def _new(self) -> _Call:
        call = _Call()
        self._calls.append(call)
        return call

    def turn(self, price: Price | None) -> Turn:
        """The whole answer. Raises `ModelError` when the stream broke off or was empty."""
        if self._finish is None and not self.done:
            raise ModelError("retry", "the stream broke off", "it ended without a finish reason")
        if self._finish == "error":
            raise ModelError("retry", "the stream reported an error", "finish reason `error`")
        calls = tuple(_whole(call, n) for n, call in enumerate(self._calls) if call.name)
        text = "".join(self._text)
        if not text and not calls and not self._reasoning and self._finish not in _STOPS:
            raise ModelError("retry", "empty answer", f"finish reason {self._finish!r}")
        stop: StopReason = _STOPS.get(self._finish or "", "unknown")
        if self._refused:
            stop = "refusal"
        elif calls and stop != "length":
            stop = "tool_calls"
        seen: set[str] = set()
        unique = []
        for n, call in enumerate(calls):
            call_id = call.id if call.id and call.id not in seen else f"{call.id or 'call'}-{n}"
            seen.add(call_id)
            unique.append(ToolCall(call_id, call.name, call.arguments))
        usage = _usage(self._usage, price)
        return Turn(text, "".join(self._reasoning), tuple(unique), stop, usage)


def _whole(call: _Call, number: int) -> ToolCall:
    return ToolCall(call.id or f"call-{number}", call.name, call.arguments or "{}")


def _usage(usage: Json, price: Price | None) -> Usage:
    prompt = _count(usage.get("prompt_tokens"))
    details = usage.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else 0
    more = usage.get("completion_tokens_details")
    reasoning = _count(more.get("reasoning_tokens")) if isinstance(more, dict) else 0
    cached = min(cached, prompt)
    counted = Usage(
        input=prompt - cached,
        cached=cached,
        output=_count(usage.get("completion_tokens")),
        reasoning=reasoning,
        turns=1,
    )
    stated = usage.get("cost")
    cost = float(stated) if isinstance(stated, int | float) and stated >= 0 else None
    if cost is None and price is not None and usage:
        cost = price.of(counted)
    return Usage(counted.input, cached, counted.output, reasoning, 1, cost)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _text(value: Any) -> str:
    return clean(value) if isinstance(value, str) else ""


def _dicts(value: Any) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _message(message: Message) -> dict[str, Any]:
    data: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.role == "tool":
        data["tool_call_id"] = message.call
    if message.tool_calls:
        data["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    if message.reasoning and message.role == "assistant":
        data["reasoning_content"] = message.reasoning
    return data


def _tool(tool: ToolSchema) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        },
    }
