"""What each format looks like from the server's side."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.models.anthropic import AnthropicWire
from engine.models.chat import ChatWire
from engine.models.gemini import GeminiWire
from engine.models.responses import ResponsesWire
from engine.models.types import Api, ModelError, Turn
from engine.models.wire import Wire
from engine.proxy.dialects import Problem, Route, error_of, models_of, route_of
from engine.proxy.reading import Reading
from tests.support.model_server import APIS, Say, encode, events, whole

WIRES: dict[Api, type[Wire]] = {
    "chat": ChatWire,
    "responses": ResponsesWire,
    "anthropic": AnthropicWire,
    "gemini": GeminiWire,
}
SAYINGS = [
    Say(text="Hello."),
    Say(text="Both.", reasoning="Hm.", calls=(("c1", "bash", {"command": "ls"}),)),
    Say(calls=(("c1", "bash", {"command": "ls"}), ("c2", "edit", {"path": "a", "n": 1}))),
    Say(text="cut", stop="length", cached=7, cache_write=0),
]


def turn_of(api: Api, data: bytes, *, streamed: bool) -> Turn:
    reading = Reading(api, WIRES[api]().answer(), None, streamed=streamed, told=False)
    pieces = [*reading.feed(data), *reading.rest()]
    assert [p.error for p in pieces] == [None] * len(pieces)
    assert b"".join(p.data for p in pieces) == data
    return reading.turn()


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("say", SAYINGS)
def test_a_whole_answer_says_what_its_stream_says(api: Api, say: Say) -> None:
    streamed = turn_of(api, b"".join(encode(events(api, say))), streamed=True)
    at_once = turn_of(api, json.dumps(whole(api, say)).encode(), streamed=False)
    assert (at_once.text, at_once.tool_calls) == (streamed.text, streamed.tool_calls)
    assert (at_once.stop, at_once.usage) == (streamed.stop, streamed.usage)
    assert at_once.usage.tokens > 0


@pytest.mark.parametrize(
    ("api", "body"),
    [
        ("chat", {"error": {"message": "slow down", "code": 429}}),
        ("responses", {"status": "failed", "error": {"code": "rate_limit_exceeded"}}),
        ("anthropic", {"type": "error", "error": {"type": "rate_limit_error", "message": "x"}}),
        ("gemini", {"error": {"code": 429, "message": "x", "status": "RESOURCE_EXHAUSTED"}}),
    ],
)
def test_an_error_that_came_as_a_good_answer_is_one(api: Api, body: Any) -> None:
    reading = Reading(api, WIRES[api]().answer(), None, streamed=False, told=False)
    assert list(reading.feed(json.dumps(body).encode())) == []
    (piece,) = reading.rest()
    assert isinstance(piece.error, ModelError)
    assert piece.error.failure == "rate_limit"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"<html>", b'{"a":', b"[" * 100_000], ids=lambda b: repr(b[:9])
)
@pytest.mark.parametrize("api", APIS)
def test_what_is_no_answer_is_an_error_and_goes_on_as_it_came(api: Api, body: bytes) -> None:
    reading = Reading(api, WIRES[api]().answer(), None, streamed=False, told=False)
    assert list(reading.feed(body)) == []
    (piece,) = reading.rest()
    assert piece.data == body
    assert piece.error is not None
    assert piece.error.failure == "server"


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("POST /v1/chat/completions", Route("chat", "answer")),
        ("POST /chat/completions", Route("chat", "answer")),
        ("POST /v1/responses", Route("responses", "answer")),
        ("POST /v1/messages?beta=true", Route("anthropic", "answer")),
        ("POST /v1/messages/count_tokens", Route("anthropic", "count")),
        ("POST /v1beta/models/g:generateContent", Route("gemini", "answer")),
        ("POST /v1/models/g:streamGenerateContent?alt=sse", Route("gemini", "answer", True)),
        ("POST /v1beta/models/g:countTokens", Route("gemini", "count")),
        ("GET /v1/models", Route(None, "models")),
        ("GET /models", Route(None, "models")),
        ("GET /v1/models/org/name:free", Route(None, "models")),
        ("GET /v1beta/models/g", Route(None, "models")),
        ("POST /v1beta/models/g:streamGenerateContent", None),
        ("POST /v1beta/models/../../x:generateContent", None),
        ("POST /v1/embeddings", None),
        ("POST /v1/files", None),
        ("GET /v1/chat/completions", None),
        ("DELETE /v1/models/x", None),
        ("POST /v1/models", None),
        ("POST http://elsewhere/v1/chat/completions", None),
        ("CONNECT elsewhere:443", None),
        ("POST //elsewhere/v1/messages", None),
        ("POST /v1/../v1/messages", None),
        ("OPTIONS *", None),
    ],
)
def test_a_request_line_is_one_of_the_few_or_nothing(line: str, wanted: Route | None) -> None:
    assert route_of(*line.split(" ")) == wanted


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("problem", ["bad", "unknown", "large", "budget"])
def test_an_error_of_ours_is_classified_as_what_it_is(api: Api, problem: Problem) -> None:
    from engine.models.errors import from_response

    status, body = error_of(api, problem, "what is wrong")
    found = from_response(status, {}, json.dumps(body).encode())
    assert found.detail == "what is wrong"
    expected = {"budget": "auth", "large": "context"}
    assert found.failure == expected.get(problem, "bad_request")


def test_the_only_model_is_the_sessions() -> None:
    listed = models_of("chat", "big", "/v1/models")
    assert [m["id"] for m in listed["data"]] == ["big"]
    assert models_of("responses", "big", "/v1/models/other")["id"] == "big"
    assert models_of("anthropic", "big", "/v1/models")["first_id"] == "big"
    assert models_of("anthropic", "big", "/v1/models/x")["type"] == "model"
    assert models_of("gemini", "big", "/v1beta/models")["models"][0]["name"] == "models/big"
