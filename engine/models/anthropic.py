"""Anthropic's Messages format.

Thinking comes in signed blocks, which go back whole and in their order; caching is asked for with
marks in the request; the end of a stream is `message_stop`.
"""

from __future__ import annotations

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
    ToolCall,
    ToolDelta,
    ToolSchema,
    Turn,
)
from engine.models.wire import (
    Ask,
    Json,
    Request,
    count,
    dict_of,
    instructions,
    read_object,
    stop_of,
    text_of,
    unique_calls,
)

VERSION = "2026-10-21"
MAX_OUTPUT_TOKENS = 32_000  # the API wants a number; settings change it
_STOPS: dict[str, StopReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
    "pause_turn": "pause",
}
_PLAIN = ("text", "tool_use")  # what text and tool calls alone bring back
_CACHE = {"type": "ephemeral"}
_MARKED = 2  # the newest user messages that end in a cache mark


class AnthropicWire:
    """Requests to `/v1/messages`."""

    def request(self, ask: Ask) -> Request:
        """The request, to be answered with a stream.

        Cache marks: one after tools and system prompt, one at the end of each of the two newest
        user messages. A mark finds an older one only up to 20 blocks back, and the one before it
        is always where the last request ended.
        """
        body: dict[str, Any] = {
            "model": ask.name,
            "max_tokens": ask.provider.max_output_tokens or MAX_OUTPUT_TOKENS,
            "messages": _messages(ask.messages),
            "stream": True,
        }
        system = instructions(ask.messages)
        if system:
            body["system"] = [{"type": "text", "text": system, "cache_control": _CACHE}]
        if ask.tools:
            body["tools"] = [_tool(t) for t in ask.tools]
        headers = {"anthropic-version": ask.provider.version or VERSION}
        if ask.key:
            headers["x-api-key"] = ask.key
        versioned = ask.provider.base_url.rstrip("/").endswith("/v1")
        return Request("/messages" if versioned else "/v1/messages", body, headers)

    def answer(self) -> AnthropicAnswer:
        """An answer of which nothing has come yet."""
        return AnthropicAnswer()


class _Block:
    """A content block in the making."""

    def __init__(self, start: Json) -> None:
        self.start = dict(start)
        self.type = text_of(start.get("type"))
        self.text = text_of(start.get("text")) or text_of(start.get("thinking"))
        self.signature = text_of(start.get("signature"))
        self.arguments = ""

    def whole_arguments(self) -> str:
        given = self.start.get("input")
        return self.arguments or (json.dumps(given) if given else "{}")

    def echoed(self) -> dict[str, Any] | None:
        """The block as it goes back; None for one that the API would refuse."""
        match self.type:
            case "text":
                return {"type": "text", "text": self.text} if self.text.strip() else None
            case "thinking":
                signed = {"signature": self.signature} if self.signature else {}
                return {"type": "thinking", "thinking": self.text, **signed}
            case _ if self.arguments:  # a call of a tool that the provider runs itself
                call = ToolCall("", self.type, self.arguments)
                return {**self.start, "input": call.given}
            case _:
                return self.start if self.type else None


class AnthropicAnswer:
    """The events of one stream, put together."""

    def __init__(self) -> None:
        self.done = False
        self._blocks: dict[int, _Block] = {}
        self._stop: str | None = None
        self._usage: dict[str, Any] = {}

    def take(self, event: ServerEvent) -> Iterator[Delta]:
        """Fold one event in and give what is new. Raises `ModelError`, `ValueError`."""
        data = read_object(event.data)
        index = count(data.get("index"))
        match data.get("type"):
            case "message_start":
                self._count(dict_of(dict_of(data.get("message")).get("usage")))
            case "content_block_start" if index not in self._blocks:
                block = self._blocks[index] = _Block(dict_of(data.get("content_block")))
                yield from _begun(block)
            case "content_block_delta" if index in self._blocks:
                yield from _grown(self._blocks[index], dict_of(data.get("delta")))
            case "message_delta":
                reason = dict_of(data.get("delta")).get("stop_reason")
                self._stop = reason if isinstance(reason, str) else self._stop
                self._count(dict_of(data.get("usage")))
            case "message_stop":
                self.done = True
            case "error":
                raise from_stream(data.get("error"))

    def _count(self, usage: Json) -> None:
        # Figures are cumulative, and a later event may leave some out.
        self._usage.update({k: v for k, v in usage.items() if v is not None})

    def usage(self) -> Usage:
        """What the stream has told so far of what it uses."""
        return _usage(self._usage)

    def turn(self) -> Turn:
        """The whole answer. Raises `ModelError` when the stream broke off."""
        if self._stop is None:
            raise ModelError(
                "broken_stream", "the stream broke off", "it ended without a stop reason"
            )
        blocks = [self._blocks[at] for at in sorted(self._blocks)]
        calls = unique_calls(
            (text_of(b.start.get("id")), text_of(b.start.get("name")), b.whole_arguments())
            for b in blocks
            if b.type == "tool_use"
        )
        echo = _echo(blocks, calls)
        return Turn(
            "".join(b.text for b in blocks if b.type == "text"),
            "".join(b.text for b in blocks if b.type == "thinking"),
            calls,
            stop_of(_STOPS.get(self._stop, "unknown"), calls),
            self.usage(),
            Carried("anthropic", echo) if any(b["type"] not in _PLAIN for b in echo) else None,
        )


def _begun(block: _Block) -> Iterator[Delta]:
    if block.type == "tool_use":
        yield ToolDelta(text_of(block.start.get("name")), "")
    elif block.text:
        yield TextDelta(block.text) if block.type == "text" else ReasoningDelta(block.text)


def _grown(block: _Block, delta: Json) -> Iterator[Delta]:
    match delta.get("type"):
        case "text_delta":
            more = text_of(delta.get("text"))
            block.text += more
            yield TextDelta(more)
        case "thinking_delta":
            more = text_of(delta.get("thinking"))
            block.text += more
            yield ReasoningDelta(more)
        case "signature_delta":
            block.signature += text_of(delta.get("signature"))
        case "input_json_delta":
            more = text_of(delta.get("partial_json"))
            block.arguments += more
            yield ToolDelta(text_of(block.start.get("name")), more)


def _echo(blocks: list[_Block], calls: tuple[ToolCall, ...]) -> tuple[dict[str, Any], ...]:
    """The blocks as they go back, the tool calls among them as `calls` has them."""
    echoed = []
    left = iter(calls)
    for block in blocks:
        if block.type != "tool_use":
            one = block.echoed()
        else:
            one = _tool_use(next(left)) if text_of(block.start.get("name")) else None
        if one is not None:
            echoed.append(one)
    return tuple(echoed)


def _usage(usage: Json) -> Usage:
    details = dict_of(usage.get("output_tokens_details"))
    return Usage(
        input=count(usage.get("input_tokens")),
        cached=count(usage.get("cache_read_input_tokens")),
        cache_write=count(usage.get("cache_creation_input_tokens")),
        output=count(usage.get("output_tokens")),
        reasoning=count(details.get("thinking_tokens")),
        turns=1,
    )


def _messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The conversation in turns of user and assistant; the newest user turns end in cache marks."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        blocks = _blocks(message)
        role = "assistant" if message.role == "assistant" else "user"
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    for turn in [t for t in turns if t["role"] == "user"][-_MARKED:]:
        turn["content"][-1] = {**turn["content"][-1], "cache_control": _CACHE}
    return turns


def _blocks(message: Message) -> list[dict[str, Any]]:
    match message.role:
        case "system":
            return []
        case "tool":
            return [{"type": "tool_result", "tool_use_id": message.call, "content": message.text}]
        case "assistant" if message.carried is not None and message.carried.api == "anthropic":
            return list(message.carried.items)
    # The API refuses blocks of text in which there is nothing to read.
    said = [{"type": "text", "text": message.text}] if message.text.strip() else []
    return [*said, *(_tool_use(call) for call in message.tool_calls)]


def _tool_use(call: ToolCall) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": call.given}


def _tool(tool: ToolSchema) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.parameters,
    }
