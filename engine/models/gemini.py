"""Google's Gemini format.

Each event is a whole response with the parts that are new; there is no end but `finishReason`.
Signatures of thoughts stand on the parts and go back on the same parts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from engine.events import Usage
from engine.models.errors import from_stream
from engine.models.sse import ServerEvent
from engine.models.types import (
    Carried,
    Delta,
    Failure,
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
    count,
    dict_of,
    dicts,
    instructions,
    read_object,
    stop_of,
    text_of,
    unique_calls,
)

VERSION = "v1beta"
_STOPS: dict[str, StopReason] = {
    "STOP": "stop",
    "FUNCTION_CALL": "tool_calls",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "refusal",
    "RECITATION": "refusal",
    "LANGUAGE": "refusal",
    "BLOCKLIST": "refusal",
    "PROHIBITED_CONTENT": "refusal",
    "SPII": "refusal",
    "ESCALATION": "refusal",
    "MODEL_ARMOR": "refusal",
}
# The model wrote nonsense: asked again, it mostly does not.
_NONSENSE = (
    "MALFORMED_FUNCTION_CALL",
    "MALFORMED_RESPONSE",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
)
_FATAL: dict[str, tuple[Failure, str]] = {
    "MISSING_THOUGHT_SIGNATURE": ("bad_request", "a thought signature is missing"),
    "PUP_LIMITED_DISABLED": ("auth", "the account is limited"),
}
_MADE = "made-"  # of call ids that the server did not give; they are not sent back


class GeminiWire:
    """Requests to `:streamGenerateContent`."""

    def request(self, ask: Ask) -> Request:
        """The request, to be answered with a stream."""
        body: dict[str, Any] = {"contents": _contents(ask.messages)}
        if system := instructions(ask.messages):
            body["systemInstruction"] = {"parts": [{"text": system}]}
        if ask.tools:
            body["tools"] = [{"functionDeclarations": [_tool(t) for t in ask.tools]}]
        if ask.provider.max_output_tokens is not None:
            body["generationConfig"] = {"maxOutputTokens": ask.provider.max_output_tokens}
        version = ask.provider.version or VERSION
        model = quote(ask.name.removeprefix("models/"), safe="/:@.-_")
        path = f"/{version}/models/{model}:streamGenerateContent?alt=sse"
        return Request(path, body, {"x-goog-api-key": ask.key} if ask.key else {})

    def answer(self) -> GeminiAnswer:
        """An answer of which nothing has come yet."""
        return GeminiAnswer()


class GeminiAnswer:
    """The responses of one stream, put together."""

    def __init__(self) -> None:
        self.done = False  # usage may come after the finish reason: the server ends the stream
        self._parts: list[dict[str, Any]] = []
        self._finish: str | None = None
        self._usage: dict[str, Any] = {}

    def take(self, event: ServerEvent) -> Iterator[Delta]:
        """Fold one event in and give what is new. Raises `ModelError`, `ValueError`."""
        if event.data.strip() == "[DONE]":  # translators send it
            return
        data = read_object(event.data)
        self._usage.update(dict_of(data.get("usageMetadata")))
        if data.get("error"):
            raise from_stream(data["error"])
        blocked = dict_of(data.get("promptFeedback")).get("blockReason")
        if isinstance(blocked, str):
            raise ModelError("content_filter", "the provider's filter stopped the request", blocked)
        for candidate in dicts(data.get("candidates"))[:1]:
            for part in dicts(dict_of(candidate.get("content")).get("parts")):
                yield from self._part(part)
            if isinstance(candidate.get("finishReason"), str):
                self._finish = candidate["finishReason"]

    def _part(self, part: Json) -> Iterator[Delta]:
        text = text_of(part.get("text"))
        last = self._parts[-1] if self._parts else None
        if last is not None and _goes_on(last, part):
            last["text"] += text
        elif text or set(part) - {"text", "thought"}:
            self._parts.append(dict(part))
        call = part.get("functionCall")
        if isinstance(call, dict):
            yield ToolDelta(text_of(call.get("name")), json.dumps(call.get("args") or {}))
        elif text:
            yield ReasoningDelta(text) if part.get("thought") else TextDelta(text)

    def usage(self) -> Usage:
        """What the stream has told so far of what it uses."""
        return _usage(self._usage)

    def turn(self) -> Turn:
        """The whole answer. Raises `ModelError` when the stream broke off or made no sense."""
        finish = self._finish
        if finish is None:
            raise ModelError(
                "broken_stream", "the stream broke off", "it ended without a finish reason"
            )
        if finish in _NONSENSE:
            raise ModelError("server", "the model's answer made no sense", finish)
        if finish in _FATAL:
            raise ModelError(*_FATAL[finish], finish)
        calls = unique_calls(
            (
                text_of(call.get("id")) or f"{_MADE}{number}",
                text_of(call.get("name")),
                json.dumps(call.get("args") or {}),
            )
            for number, call in enumerate(
                dict_of(p["functionCall"]) for p in self._parts if "functionCall" in p
            )
        )
        text = _joined(self._parts, thought=False)
        if not text and not calls and finish not in _STOPS:
            raise ModelError("broken_stream", "empty answer", f"finish reason {finish!r}")
        signed = any("thoughtSignature" in p for p in self._parts)
        return Turn(
            text,
            _joined(self._parts, thought=True),
            calls,
            stop_of(_STOPS.get(finish, "unknown"), calls),
            self.usage(),
            Carried("gemini", tuple(self._parts)) if signed else None,
        )


def _goes_on(last: Json, part: Json) -> bool:
    """Whether a part of text is only more of the last one; a signature keeps parts apart."""
    plain = {"text", "thought"}
    return (
        "text" in last
        and "text" in part
        and set(last) <= plain
        and set(part) <= plain
        and bool(last.get("thought")) == bool(part.get("thought"))
    )


def _joined(parts: Sequence[Json], thought: bool) -> str:
    return "".join(text_of(p.get("text")) for p in parts if bool(p.get("thought")) is thought)


def _usage(usage: Json) -> Usage:
    prompt = count(usage.get("promptTokenCount"))
    cached = min(prompt, count(usage.get("cachedContentTokenCount")))
    thoughts = count(usage.get("thoughtsTokenCount"))
    return Usage(
        input=prompt - cached + count(usage.get("toolUsePromptTokenCount")),
        cached=cached,
        output=count(usage.get("candidatesTokenCount")) + thoughts,
        reasoning=thoughts,
        turns=1,
    )


def _contents(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The conversation in turns of user and model; a result names the tool that was called."""
    turns: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for message in messages:
        names.update({call.id: call.name for call in message.tool_calls})
        parts = _parts(message, names)
        role = "model" if message.role == "assistant" else "user"
        if not parts:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["parts"] += parts
        else:
            turns.append({"role": role, "parts": parts})
    return turns


def _parts(message: Message, names: dict[str, str]) -> list[dict[str, Any]]:
    match message.role:
        case "system":
            return []
        case "tool":
            answer = {"name": names.get(message.call, ""), "response": {"output": message.text}}
            return [{"functionResponse": {**_id(message.call), **answer}}]
        case "assistant" if message.carried is not None and message.carried.api == "gemini":
            return list(message.carried.items)
    said = [{"text": message.text}] if message.text else []
    return [
        *said,
        *(
            {"functionCall": {**_id(call.id), "name": call.name, "args": call.given}}
            for call in message.tool_calls
        ),
    ]


def _id(call: str) -> dict[str, str]:
    return {} if call.startswith(_MADE) else {"id": call}


def _tool(tool: ToolSchema) -> dict[str, Any]:
    declared: dict[str, Any] = {"name": tool.name, "description": tool.description}
    # Google's own schema dialect refuses objects without properties and many JSON schema keys.
    if tool.parameters.get("properties"):
        declared["parametersJsonSchema"] = tool.parameters
    return declared
