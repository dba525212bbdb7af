"""The OpenAI-compatible chat completions format, as many servers really speak it.

Deltas may lack an index, repeat ids and names, bring a whole call at once, put usage anywhere, or
end without `[DONE]`; a stream without any finish reason is a broken one and is tried again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
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
    read_object,
    stop_of,
    text_of,
    unique_calls,
)

_STOPS: dict[str, StopReason] = {
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "stop": "stop",
    "length": "length",
    "content_filter": "refusal",
    "refusal": "refusal",
}
# What reasoning in pieces is made of: these grow from piece to piece, the rest is stated once.
_GROWING = ("text", "summary", "data")
_ABSURD = 1e6  # US dollars for one answer


class ChatWire:
    """Requests to `/chat/completions`."""

    def request(self, ask: Ask) -> Request:
        """The request, to be answered with a stream."""
        body: dict[str, Any] = {
            "model": ask.name,
            "messages": [_message(m) for m in ask.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if ask.tools:
            body["tools"] = [_tool(t) for t in ask.tools]
        if ask.provider.max_output_tokens is not None:
            body["max_completion_tokens"] = ask.provider.max_output_tokens
        return Request("/chat/completions", body, bearer(ask.key))

    def answer(self) -> ChatAnswer:
        """An answer of which nothing has come yet."""
        return ChatAnswer()


class _Call:
    """A tool call in the making."""

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments = ""


class ChatAnswer:
    """The chunks of one stream, put together."""

    def __init__(self) -> None:
        self.done = False
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._details: dict[int, dict[str, Any]] = {}
        self._calls: list[_Call] = []
        self._slots: dict[int, _Call] = {}
        self._finish: str | None = None
        self._refused = False
        self._usage: Json = {}

    def take(self, event: ServerEvent) -> Iterator[Delta]:
        """Fold one event in and give what is new. Raises `ModelError`, `ValueError`."""
        if event.data.strip() == "[DONE]":
            self.done = True
            return
        chunk = read_object(event.data)
        if isinstance(chunk.get("usage"), dict):
            self._usage = chunk["usage"]
        if chunk.get("error"):
            raise from_stream(chunk["error"])
        for choice in dicts(chunk.get("choices"))[:1]:
            if isinstance(choice.get("finish_reason"), str):
                self._finish = choice["finish_reason"]
            yield from self._delta(dict_of(choice.get("delta")))

    def _delta(self, delta: Json) -> Iterator[Delta]:
        thought = text_of(delta.get("reasoning_content")) or text_of(delta.get("reasoning"))
        if thought:
            self._reasoning.append(thought)
            yield ReasoningDelta(thought)
        for detail in dicts(delta.get("reasoning_details")):
            self._detail(detail)
        refusal = text_of(delta.get("refusal"))
        self._refused = self._refused or bool(refusal)
        text = text_of(delta.get("content")) or refusal
        if text:
            self._text.append(text)
            yield TextDelta(text)
        for part in dicts(delta.get("tool_calls")):
            yield self._tool(part)

    def _detail(self, detail: Json) -> None:
        index = detail.get("index")
        at = index if isinstance(index, int) else len(self._details)
        known = self._details.setdefault(at, {})
        for key, value in detail.items():
            if key in _GROWING and isinstance(value, str) and isinstance(known.get(key), str):
                known[key] += value
            elif value is not None or key not in known:
                known[key] = value

    def _tool(self, part: Json) -> ToolDelta:
        function = dict_of(part.get("function"))
        call = self._slot(part, function)
        # Some servers repeat id and name in every piece, others send an empty one later.
        call.id = call.id or text_of(part.get("id"))
        call.name = call.name or text_of(function.get("name"))
        arguments = function.get("arguments")
        more = json.dumps(arguments) if isinstance(arguments, dict) else text_of(arguments)
        call.arguments += more
        return ToolDelta(call.name, more)

    def _slot(self, part: Json, function: Json) -> _Call:
        index = part.get("index")
        if isinstance(index, int):
            if index not in self._slots:
                self._slots[index] = self._new()
            return self._slots[index]
        given = text_of(part.get("id"))
        for call in self._calls:
            if given and call.id == given:
                return call
        if not self._calls or given or text_of(function.get("name")):
            return self._new()
        return self._calls[-1]

    def _new(self) -> _Call:
        call = _Call()
        self._calls.append(call)
        return call

    def usage(self) -> Usage:
        """What the stream has told so far of what it uses."""
        return _usage(self._usage)

    def turn(self) -> Turn:
        """The whole answer. Raises `ModelError` when the stream broke off or was empty."""
        if self._finish is None and not self.done:
            raise ModelError(
                "broken_stream", "the stream broke off", "it ended without a finish reason"
            )
        if self._finish == "error":
            raise ModelError("server", "the stream reported an error", "finish reason `error`")
        calls = unique_calls((c.id, c.name, c.arguments) for c in self._calls)
        text = "".join(self._text)
        if not text and not calls and not self._reasoning and self._finish not in _STOPS:
            raise ModelError("broken_stream", "empty answer", f"finish reason {self._finish!r}")
        stated: StopReason = _STOPS.get(self._finish or "", "unknown")
        details = tuple(self._details[at] for at in sorted(self._details))
        return Turn(
            text,
            "".join(self._reasoning),
            calls,
            "refusal" if self._refused else stop_of(stated, calls),
            self.usage(),
            Carried("chat", details) if details else None,
        )


def _usage(usage: Json) -> Usage:
    prompt = count(usage.get("prompt_tokens"))
    details = dict_of(usage.get("prompt_tokens_details"))
    cached = min(prompt, count(details.get("cached_tokens")))
    written = min(prompt - cached, count(details.get("cache_write_tokens")))
    stated = usage.get("cost")
    return Usage(
        input=prompt - cached - written,
        cached=cached,
        cache_write=written,
        output=count(usage.get("completion_tokens")),
        reasoning=count(dict_of(usage.get("completion_tokens_details")).get("reasoning_tokens")),
        turns=1,
        cost=float(stated) if isinstance(stated, int | float) and 0 <= stated < _ABSURD else None,
    )


def _message(message: Message) -> dict[str, Any]:
    data: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.role == "tool":
        data["tool_call_id"] = message.call
    if message.tool_calls:
        data["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.sent},
            }
            for call in message.tool_calls
        ]
    if message.role == "assistant":
        # DeepSeek wants the reasoning of all earlier turns, OpenRouter its details; others pass
        # over what they do not know.
        if message.reasoning:
            data["reasoning_content"] = message.reasoning
        if message.carried is not None and message.carried.api == "chat":
            data["reasoning_details"] = list(message.carried.items)
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
