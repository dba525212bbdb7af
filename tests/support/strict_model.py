"""A model as strict as the strictest provider: for `ModelServer`, through any of the four formats.

It counts a request's tokens and refuses what its window cannot hold, in its API's own way. It
signs every answer over all that stood before it, and refuses a conversation in which a signature
no longer fits, a call has no result, a result no call, or a side speaks twice in a row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal

from engine.models.types import Api
from tests.support.model_server import Fault, Json, Say

CHARS_PER_TOKEN = 4
Refusing = Literal["status", "stream"]
_READ = ("system", "instructions", "systemInstruction", "tools", "messages", "input", "contents")


def tokens_of(body: Json) -> int:
    """About how many tokens a model reads in a request."""
    read = {key: body[key] for key in _READ if key in body}
    return len(json.dumps(read, ensure_ascii=False)) // CHARS_PER_TOKEN


def turns_of(body: Json) -> list[Json]:
    """The conversation in a request, whatever its format."""
    return next(body[key] for key in ("messages", "input", "contents") if key in body)


def text_of(value: Any) -> str:
    """All text in a request or a part of one, in order."""
    return "\n".join(_texts(value))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)


class StrictModel:
    """Answers with what `think` says to a request, unless the request cannot be answered.

    `sizes` are the tokens of the requests that were taken, `refused` of those that did not fit;
    `broken` says what was wrong with conversations.
    """

    def __init__(
        self,
        api: Api,
        window: int,
        think: Callable[[Json], Say],
        refusing: Refusing = "status",
    ) -> None:
        self._api = api
        self._window = window
        self._think = think
        self._refusing = refusing
        self.sizes: list[int] = []
        self.refused: list[int] = []
        self.broken: list[str] = []

    def __call__(self, body: Json, number: int) -> Say | Fault:
        """The answer to request `number`."""
        tokens = tokens_of(body)
        if tokens > self._window:
            self.refused.append(tokens)
            return refusal(self._api, tokens, self._window, self._refusing)
        wrong = problem(self._api, body)
        if wrong:
            self.broken.append(f"request {number}: {wrong}")
            error = {"type": "invalid_request_error", "message": wrong}
            return Fault(status=400, body=json.dumps({"error": error}))
        self.sizes.append(tokens)
        signed = signature(body, len(turns_of(body)))
        return replace(self._think(body), signature=signed, input=tokens, cached=0)


def refusal(api: Api, tokens: int, window: int, how: Refusing) -> Fault:
    """How an API says that a conversation does not fit."""
    said: dict[Api, Json] = {
        "chat": {
            "message": f"This model's maximum context length is {window} tokens. However, your "
            f"messages resulted in {tokens} tokens.",
            "type": "invalid_request_error",
            "code": "context_length_exceeded" if how == "status" else 400,
        },
        "responses": {
            "message": "Your input exceeds the context window of this model.",
            "code": "context_length_exceeded",
        },
        "anthropic": {
            "type": "invalid_request_error",
            "message": f"prompt is too long: {tokens} tokens > {window} maximum",
        },
        "gemini": {
            "code": 400,
            "status": "INVALID_ARGUMENT",
            "message": f"The input token count ({tokens}) exceeds the maximum number of tokens "
            f"allowed ({window}).",
        },
    }
    error: Json = {"error": said[api]}
    if api == "anthropic":
        error["type"] = "error"
    if how == "status":
        return Fault(status=400, body=json.dumps(error))
    if api == "responses":
        error = {"type": "response.failed", "response": {"status": "failed", **error}}
    return Fault(body=f"data: {json.dumps(error)}\n\n")


def signature(body: Json, before: int) -> str:
    """What an answer after the first `before` turns of a request is signed with."""
    head = [body.get(key) for key in _READ[:4]]
    said = json.dumps([head, turns_of(body)[:before]], sort_keys=True)
    said = said.replace('"cache_control": {"type": "ephemeral"}, ', "")
    said = said.replace(', "cache_control": {"type": "ephemeral"}', "")
    return hashlib.sha256(said.encode()).hexdigest()


def problem(api: Api, body: Json) -> str:
    """Why a provider would refuse a conversation; "" for a sound one."""
    turns = turns_of(body)
    for at, turn in enumerate(turns):
        for found in _signatures(api, turn):
            if found != signature(body, at):
                return f"turn {at}: the signature does not fit what stands before it"
    checks = {"chat": _chat, "responses": _responses, "anthropic": _blocks, "gemini": _parts}
    return checks[api](turns)


def _signatures(api: Api, turn: Json) -> list[str]:
    match api:
        case "chat":
            return [d["data"] for d in turn.get("reasoning_details", ())]
        case "responses":
            return [turn["encrypted_content"]] if "encrypted_content" in turn else []
        case "anthropic":
            return [b["signature"] for b in turn["content"] if "signature" in b]
        case "gemini":
            return [p["thoughtSignature"] for p in turn["parts"] if "thoughtSignature" in p]


def _chat(turns: list[Json]) -> str:
    open_calls: set[str] = set()
    before = ""
    for at, turn in enumerate(turns):
        role = turn["role"]
        if role == "tool":
            if turn["tool_call_id"] not in open_calls:
                return f"message {at}: a result without its call"
            open_calls.remove(turn["tool_call_id"])
        elif open_calls:
            return f"message {at}: calls without their result: {sorted(open_calls)}"
        if role == before and role != "tool":
            return f"message {at}: {role} twice in a row"
        if role == "assistant":
            open_calls = {call["id"] for call in turn.get("tool_calls", ())}
            if not open_calls and not turn["content"].strip():
                return f"message {at}: an answer without content"
        before = role
    return f"calls without their result: {sorted(open_calls)}" if open_calls else ""


def _responses(turns: list[Json]) -> str:
    open_calls: set[str] = set()
    for at, turn in enumerate(turns):
        kind = turn.get("type", "message")
        if kind == "function_call_output":
            if turn["call_id"] not in open_calls:
                return f"item {at}: a result without its call"
            open_calls.remove(turn["call_id"])
        elif kind == "function_call":
            open_calls.add(turn["call_id"])
        elif turn.get("role") == "user" and open_calls:
            return f"item {at}: calls without their result: {sorted(open_calls)}"
        if kind == "reasoning":
            after = turns[at + 1] if at + 1 < len(turns) else {}
            if after.get("type") != "function_call" and after.get("role") != "assistant":
                return f"item {at}: reasoning that nothing follows"
    return f"calls without their result: {sorted(open_calls)}" if open_calls else ""


def _blocks(turns: list[Json]) -> str:
    open_calls: set[str] = set()
    for at, turn in enumerate(turns):
        if turn["role"] != ("user", "assistant")[at % 2]:
            return f"message {at}: {turn['role']} out of turn"
        kinds = [block["type"] for block in turn["content"]]
        if turn["role"] == "user":
            given = {b["tool_use_id"] for b in turn["content"] if b["type"] == "tool_result"}
            if given != open_calls or "tool_result" in kinds[len(given) :]:
                return f"message {at}: results {sorted(given)} of calls {sorted(open_calls)}"
        elif kinds[-1] == "thinking":
            return f"message {at}: thinking that nothing follows"
        open_calls = {b["id"] for b in turn["content"] if b["type"] == "tool_use"}
    return "the conversation ends with an answer" if turns[-1]["role"] != "user" else ""


def _parts(turns: list[Json]) -> str:
    open_calls: list[str] = []
    for at, turn in enumerate(turns):
        if turn["role"] != ("user", "model")[at % 2]:
            return f"content {at}: {turn['role']} out of turn"
        answers = [p["functionResponse"] for p in turn["parts"] if "functionResponse" in p]
        if [a.get("id") for a in answers] != open_calls:
            return f"content {at}: responses {answers} of calls {open_calls}"
        calls = [p for p in turn["parts"] if "functionCall" in p]
        if calls and "thoughtSignature" not in calls[0]:
            return f"content {at}: a function call without its thought signature"
        open_calls = [p["functionCall"].get("id") for p in calls]
    return ""
