"""A turn as the chat-completions stream carries it: chunks, in order, each after its pause.

Pure: no clock, no socket. Tool calls travel in several deltas, as real servers send them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autolab_tui.demo.turn import Turn

_WORDS_PER_CHUNK = 3
_SECONDS_PER_WORD = 0.06
_ARGUMENT_PIECE = 120
_SECONDS_PER_PIECE = 0.15
_LONGEST_ARGUMENTS = 5.0
_CHARS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Head:
    """What every chunk of one answer repeats. `created` is Unix time in whole seconds."""

    id: str
    model: str
    created: int


def stream(
    head: Head, turn: Turn, messages: Sequence[Mapping[str, Any]], usage: bool
) -> Iterator[tuple[float, bytes]]:
    """(seconds to wait, bytes to send) for one answer, ending with `data: [DONE]`."""
    yield turn.think, _chunk(head, {"role": "assistant", "content": ""})
    words = re.findall(r"\S+\s*", turn.text)
    for start in range(0, len(words), _WORDS_PER_CHUNK):
        group = words[start : start + _WORDS_PER_CHUNK]
        yield len(group) * _SECONDS_PER_WORD, _chunk(head, {"content": "".join(group)})
    for index, call in enumerate(turn.calls):
        opening = {
            "index": index,
            "id": call_id(messages, index),
            "type": "function",
            "function": {"name": call.name, "arguments": ""},
        }
        yield 0.1, _chunk(head, {"tool_calls": [opening]})
        pieces = _pieces(call.encoded)
        pause = min(_SECONDS_PER_PIECE, _LONGEST_ARGUMENTS / len(pieces))
        for piece in pieces:
            delta = {"index": index, "function": {"arguments": piece}}
            yield pause, _chunk(head, {"tool_calls": [delta]})
    yield 0.0, _chunk(head, {}, "tool_calls" if turn.calls else "stop")
    if usage:
        yield 0.0, _event({**_envelope(head), "choices": [], "usage": count(turn, messages)})
    yield 0.0, b"data: [DONE]\n\n"


def whole(head: Head, turn: Turn, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The same answer as one `chat.completion` object, for a request that does not stream."""
    calls = [
        {
            "id": call_id(messages, index),
            "type": "function",
            "function": {"name": call.name, "arguments": call.encoded},
        }
        for index, call in enumerate(turn.calls)
    ]
    message: dict[str, Any] = {"role": "assistant", "content": turn.text}
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
    return {
        **_envelope(head),
        "object": "chat.completion",
        "choices": [choice],
        "usage": count(turn, messages),
    }


def call_id(messages: Sequence[Mapping[str, Any]], index: int) -> str:
    """An id that no other call of the conversation has, and that a repeated request gets again."""
    turns = sum(message.get("role") == "assistant" for message in messages)
    return f"call_{turns:03d}_{index}"


def count(turn: Turn, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Usage, estimated at four characters a token; all but the newest messages are cached."""
    sizes = [len(json.dumps(message)) // _CHARS_PER_TOKEN for message in messages]
    answers = [i for i, message in enumerate(messages) if message.get("role") == "assistant"]
    cached = sum(sizes[: answers[-1]]) if answers else 0
    said = len(turn.text) + sum(len(call.encoded) + len(call.name) for call in turn.calls)
    completion = max(1, said // _CHARS_PER_TOKEN)
    return {
        "prompt_tokens": sum(sizes),
        "completion_tokens": completion,
        "total_tokens": sum(sizes) + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _pieces(text: str) -> list[str]:
    return [text[i : i + _ARGUMENT_PIECE] for i in range(0, len(text), _ARGUMENT_PIECE)] or [""]


def _envelope(head: Head) -> dict[str, Any]:
    return {
        "id": head.id,
        "object": "chat.completion.chunk",
        "created": head.created,
        "model": head.model,
    }


def _chunk(head: Head, delta: Mapping[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": dict(delta), "finish_reason": finish}
    return _event({**_envelope(head), "choices": [choice]})


def _event(data: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"
