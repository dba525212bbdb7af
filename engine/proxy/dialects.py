"""What each wire format looks like from the server's side: paths, errors, and whole answers.

How an answer is read is the adapters' business: one that comes whole is turned into the events that
a stream would have brought.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.models.sse import ServerEvent
from engine.models.types import Api
from engine.models.wire import Json, dict_of, dicts

Wanted = Literal["answer", "count", "models"]
Problem = Literal["bad", "unknown", "large", "budget", "provider"]

_GEMINI = re.compile(r"/v\d\w{0,10}/models/[^/:]{1,200}:(\w{1,40})")
_VERBS: Mapping[str, tuple[Wanted, bool]] = {
    "generateContent": ("answer", False),
    "streamGenerateContent": ("answer", True),
    "countTokens": ("count", False),
}
_PATHS: Mapping[str, tuple[Api, Wanted]] = {
    "/chat/completions": ("chat", "answer"),
    "/responses": ("responses", "answer"),
    "/messages": ("anthropic", "answer"),
    "/messages/count_tokens": ("anthropic", "count"),
}
_MODELS = re.compile(r"/models(/[^?]{1,200})?")
# (HTTP status, what OpenAI calls it, what Anthropic calls it, what Google calls it). SDKs try 429
# and 5xx again by themselves, and the others not.
_NAMES: Mapping[Problem, tuple[int, str, str, str]] = {
    "bad": (400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"),
    "unknown": (404, "not_found_error", "not_found_error", "NOT_FOUND"),
    "large": (413, "request_too_large", "request_too_large", "INVALID_ARGUMENT"),
    "budget": (403, "budget_exhausted", "permission_error", "PERMISSION_DENIED"),
    "provider": (502, "api_error", "api_error", "UNAVAILABLE"),
}


@dataclass(frozen=True, slots=True)
class Route:
    """What a path asks for, and in which format (None: any). `streamed` is what the path says."""

    api: Api | None
    wanted: Wanted
    streamed: bool = False


def route_of(method: str, target: str) -> Route | None:
    """What a request line asks for; None for anything that a model's API does not have.

    Base URLs are written with and without `/v1`, and both are taken.
    """
    path, _, query = target.partition("?")
    if method == "POST" and (found := _GEMINI.fullmatch(path)) and found[1] in _VERBS:
        wanted, streamed = _VERBS[found[1]]
        if streamed and "alt=sse" not in query.split("&"):
            return None
        return Route("gemini", wanted, streamed)
    if method == "GET" and path.startswith("/v1beta/"):
        path = path.removeprefix("/v1beta")
    path = path.removeprefix("/v1")
    if method == "POST" and path in _PATHS:
        return Route(*_PATHS[path])
    if method == "GET" and _MODELS.fullmatch(path):
        return Route(None, "models")
    return None


def models_of(api: Api, name: str, target: str) -> Json:
    """The answer to the question which models there are: the session's, whatever was asked."""
    match api:
        case "gemini":
            one: dict[str, Any] = {
                "name": f"models/{name}",
                "supportedGenerationMethods": list(_VERBS),
            }
            every: dict[str, Any] = {"models": [one]}
        case "anthropic":
            one = {
                "type": "model",
                "id": name,
                "display_name": name,
                "created_at": "1970-01-01T00:00:00Z",
            }
            every = {"data": [one], "has_more": False, "first_id": name, "last_id": name}
        case _:
            one = {"id": name, "object": "model", "created": 0, "owned_by": "autolab"}
            every = {"object": "list", "data": [one]}
    return every if target.partition("?")[0].endswith("/models") else one


def error_of(api: Api, problem: Problem, text: str) -> tuple[int, Json]:
    """(HTTP status, body) of an error as programs that speak this format expect it."""
    status, openai, anthropic, google = _NAMES[problem]
    match api:
        case "anthropic":
            return status, {"type": "error", "error": {"type": anthropic, "message": text}}
        case "gemini":
            return status, {"error": {"code": status, "message": text, "status": google}}
    return status, {"error": {"message": text, "type": openai, "param": None, "code": openai}}


def events_of(api: Api, whole: Json) -> Iterator[ServerEvent]:
    """The events that a stream would have brought, of an answer that came whole."""
    match api:
        case "chat":
            choices = [
                {"delta": c.get("message"), "finish_reason": c.get("finish_reason")}
                for c in dicts(whole.get("choices"))
            ]
            yield _event("", {**whole, "choices": choices})
        case "responses":
            yield _event("", {"type": _end_of(whole), "response": whole})
        case "anthropic":
            yield from _anthropic(whole)
        case "gemini":
            yield _event("", whole)


def _end_of(response: Json) -> str:
    kind = "error" if response.get("error") else str(response.get("status") or "completed")
    return {"error": "response.failed"}.get(kind, f"response.{kind}")


def _anthropic(whole: Json) -> Iterator[ServerEvent]:
    if whole.get("type") == "error":
        yield _event("error", whole)
        return
    yield _event("", {"type": "message_start", "message": {"usage": whole.get("usage")}})
    for index, block in enumerate(dicts(whole.get("content"))):
        yield _event(
            "", {"type": "content_block_start", "index": index, "content_block": dict(block)}
        )
    delta = {"stop_reason": whole.get("stop_reason")}
    usage = dict_of(whole.get("usage"))
    yield _event("", {"type": "message_delta", "delta": delta, "usage": usage})
    yield _event("", {"type": "message_stop"})


def _event(kind: str, data: Json) -> ServerEvent:
    return ServerEvent(kind, json.dumps(data))
