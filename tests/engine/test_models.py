"""The chat wire format against a real server that cuts, stalls, refuses and rambles."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import Usage
from engine.models.chat import ChatModel
from engine.models.errors import from_response, from_stream, retry_after
from engine.models.http import HttpClient
from engine.models.retry import Retries, RetryPolicy
from engine.models.sse import ServerEvent, SseParser
from engine.models.types import (
    Delta,
    Message,
    ModelError,
    Price,
    Provider,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolSchema,
    Turn,
)
from tests.engine.support import ChatServer, Reply, sse, text_turn, tool_turn

ASK = [Message("system", "Be brief."), Message("user", "Go.")]


async def asked(
    *replies: Reply,
    messages: Sequence[Message] = ASK,
    tools: Sequence[ToolSchema] = (),
    price: Price | None = None,
    key: str | None = None,
    silence: float = 20.0,
) -> tuple[list[Delta], ChatServer]:
    with ChatServer(lambda _, n: replies[n]) as server:
        http = HttpClient()
        provider = Provider("local", server.url, key, silence_seconds=silence)
        try:
            model = ChatModel(http, provider, "tiny", price)
            return [delta async for delta in model.ask(messages, tools)], server
        finally:
            await http.close()


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"delta": delta, "finish_reason": finish}]}


async def turn_of(*chunks: dict[str, Any], done: bool = True, **more: Any) -> Turn:
    deltas, _ = await asked(Reply(sse(list(chunks), done)), **more)
    assert isinstance(deltas[-1], Turn)
    return deltas[-1]


# --- server-sent events ---------------------------------------------------------------------------

lines = st.lists(
    st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)), max_size=8),
    min_size=1,
    max_size=4,
)


@given(st.lists(lines, max_size=5), st.sampled_from(["\n", "\r\n", "\r"]), st.data())
def test_events_are_the_same_however_the_bytes_are_cut(
    messages: list[list[str]], newline: str, data: Any
) -> None:
    text = "".join(
        f": comment{newline}event: x{newline}"
        + "".join(f"data: {line}{newline}" for line in message)
        + newline
        for message in messages
    )
    raw = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=10)))
    parser, found = SseParser(), []
    for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        found += parser.feed(raw[start:end])
    assert found == [ServerEvent("x", "\n".join(message)) for message in messages]


@given(st.binary(max_size=200))
def test_noise_is_no_error(noise: bytes) -> None:
    parser = SseParser()
    list(parser.feed(noise))
    assert list(parser.feed(b"\n\ndata: 1\n\n"))[-1].data.endswith("1")


def test_an_event_that_no_blank_line_ends_is_never_given() -> None:
    assert list(SseParser().feed(b"data: half\n")) == []


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [1, 3, 1000])
async def test_a_tool_call_in_pieces_of_any_size(piece: int) -> None:
    reply = Reply(sse(tool_turn("bash", {"command": "echo ä"}, "Hm.")), piece=piece)
    deltas, server = await asked(reply, tools=[ToolSchema("bash", "Run.", {"type": "object"})])
    assert isinstance(deltas[0], TextDelta)
    turn = deltas[-1]
    assert turn == Turn(
        "Hm.",
        "",
        (ToolCall("call", "bash", '{"command": "echo \\u00e4"}'),),
        "tool_calls",
        Usage(60, 40, 10, 3, 1, None),
    )
    sent = server.requests[0]
    assert sent["stream"] is True
    assert sent["stream_options"] == {"include_usage": True}
    assert sent["tools"][0]["function"]["name"] == "bash"


async def test_what_is_sent_for_each_kind_of_message() -> None:
    call = ToolCall("c1", "bash", '{"command": "ls"}')
    messages = [
        *ASK,
        Message("assistant", "Looking.", "I should look.", (call,)),
        Message("tool", "a b", call="c1"),
    ]
    _, server = await asked(Reply(sse(text_turn("Ok."))), messages=messages)
    sent = server.requests[0]["messages"]
    assert [m["role"] for m in sent] == ["system", "user", "assistant", "tool"]
    assert sent[2]["tool_calls"][0]["function"] == {"name": "bash", "arguments": call.arguments}
    assert sent[2]["reasoning_content"] == "I should look."
    assert sent[3] == {"role": "tool", "content": "a b", "tool_call_id": "c1"}
    assert "tools" not in server.requests[0]


async def test_deviations_that_servers_are_known_for() -> None:
    repeated = {"id": "x", "function": {"name": "bash", "arguments": '{"a"'}}
    again = {"id": "x", "function": {"name": "bash", "arguments": ": 1}"}}
    turn = await turn_of(
        {"choices": []},
        {"choices": [{"delta": {"role": None, "content": None, "reasoning": "thinking"}}]},
        chunk({"tool_calls": [repeated]}),  # no index, and id and name in every piece
        chunk({"tool_calls": [again]}),
        chunk({"tool_calls": [{"id": "", "function": {"name": "edit", "arguments": {"p": 2}}}]}),
        chunk({}, "stop"),  # `stop` although there are calls
        {"choices": [], "usage": None},
        done=False,
    )
    assert turn.reasoning == "thinking"
    assert turn.stop == "tool_calls"
    assert [c.name for c in turn.tool_calls] == ["bash", "edit"]
    assert [json.loads(c.arguments) for c in turn.tool_calls] == [{"a": 1}, {"p": 2}]
    assert turn.usage == Usage(turns=1)
    assert len({c.id for c in turn.tool_calls}) == 2


async def test_parallel_calls_with_the_same_id_stay_apart() -> None:
    calls = [
        {"index": n, "id": "call_0", "function": {"name": "bash", "arguments": "{}"}}
        for n in range(2)
    ]
    turn = await turn_of(chunk({"tool_calls": calls}, "tool_calls"))
    assert len(turn.tool_calls) == 2
    assert len({c.id for c in turn.tool_calls}) == 2


@pytest.mark.parametrize(
    ("finish", "stop"),
    [("stop", "stop"), ("length", "length"), ("content_filter", "refusal"), ("new", "unknown")],
)
async def test_stop_reasons(finish: str, stop: str) -> None:
    assert (await turn_of(chunk({"content": "x"}), chunk({}, finish))).stop == stop


async def test_a_refusal_and_reasoning_are_told_apart_from_text() -> None:
    deltas, _ = await asked(
        Reply(
            sse([chunk({"reasoning_content": "Hm"}), chunk({"refusal": "No."}), chunk({}, "stop")])
        )
    )
    assert deltas[:2] == [ReasoningDelta("Hm"), TextDelta("No.")]
    assert isinstance(deltas[-1], Turn)
    assert deltas[-1].stop == "refusal"


async def test_cost_is_what_the_server_says_or_the_price_gives_or_unknown() -> None:
    chunks = text_turn("x")
    price = Price(input=10.0, output=100.0, cached=1.0)
    assert (await turn_of(*chunks)).usage.cost is None
    priced = (await turn_of(*chunks, price=price)).usage
    assert priced.cost == pytest.approx((60 * 10 + 40 * 1 + 10 * 100) / 1e6)
    chunks[-1]["usage"]["cost"] = 0.5
    assert (await turn_of(*chunks, price=price)).usage.cost == 0.5


async def test_half_characters_never_reach_the_journal() -> None:
    deltas, _ = await asked(
        Reply(b'data: {"choices":[{"delta":{"content":"a\\ud800b"},"finish_reason":"stop"}]}\n\n')
    )
    assert isinstance(deltas[-1], Turn)
    assert deltas[-1].text == "a?b"


# --- failures -------------------------------------------------------------------------------------


async def failure(*replies: Reply, **more: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await asked(*replies, **more)
    return caught.value


@pytest.mark.parametrize("part", [0.1, 0.5, 0.8])
async def test_a_stream_that_is_cut_is_tried_again(part: float) -> None:
    body = sse(text_turn("some words")[:1])
    error = await failure(Reply(body, cut_at=int(len(body) * part)))
    assert error.kind == "retry"


async def test_a_stream_that_ends_early_is_tried_again() -> None:
    error = await failure(Reply(sse([chunk({"content": "half"})], done=False)))
    assert (error.kind, error.cause) == ("retry", "the stream broke off")


async def test_a_silent_server_is_a_timeout() -> None:
    reply = Reply(sse(text_turn("x")), piece=10, pause=2.0)
    error = await failure(reply, silence=0.2)
    assert (error.kind, error.cause) == ("retry", "timeout")


async def test_nobody_there_is_tried_again() -> None:
    http = HttpClient()
    model = ChatModel(http, Provider("local", "http://127.0.0.1:9/v1"), "tiny")
    with pytest.raises(ModelError) as caught:
        _ = [delta async for delta in model.ask(ASK, ())]
    assert (caught.value.kind, caught.value.cause) == ("retry", "network")
    await http.close()


@pytest.mark.parametrize("junk", [b"data: {broken\n\n", b"data: [1]\n\n", b"data: 5\n\n"])
async def test_unreadable_streams_are_tried_again(junk: bytes) -> None:
    assert (await failure(Reply(junk))).kind == "retry"


async def test_an_error_inside_a_good_stream() -> None:
    said = {"error": {"message": "upstream is busy", "code": 502}}
    error = await failure(Reply(sse([chunk({"content": "a"}), said])))
    assert (error.kind, error.detail) == ("retry", "upstream is busy")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, "retry"),
        (429, {"error": {"message": "pay", "code": "insufficient_quota"}}, "fatal"),
        (500, {"detail": "oops"}, "retry"),
        (503, "busy", "retry"),
        (529, {"error": {"type": "overloaded_error", "message": "later"}}, "retry"),
        (401, {"error": {"message": "bad key"}}, "fatal"),
        (404, {"error": "no such model"}, "fatal"),
        (400, {"error": {"code": "context_length_exceeded", "message": "too long"}}, "context"),
        (400, {"error": {"type": "exceed_context_size_error", "message": "x"}}, "context"),
        (
            400,
            {"error": {"code": 400, "message": "context length is only 1024"}},
            "context",
        ),
        (400, {"error": {"code": "content_policy_violation", "message": "no"}}, "refusal"),
        (400, {"error": {"message": "unknown parameter"}}, "fatal"),
    ],
)
def test_what_an_error_means(status: int, body: Any, kind: str) -> None:
    data = body if isinstance(body, str) else json.dumps(body)
    error = from_response(status, {}, data.encode())
    assert error.kind == kind
    assert error.cause
    inside = from_stream({"code": str(status), "message": data})
    assert kind == "refusal" or inside.kind == kind


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"Retry-After-Ms": "250", "Retry-After": "9"}, 0.25),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-4"}, None),
        ({"Retry-After": "nan"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


@given(st.integers(100, 599), st.binary(max_size=60))
def test_any_error_body_is_classified(status: int, body: bytes) -> None:
    error = from_response(status, {}, body)
    assert error.kind in ("retry", "fatal", "context", "refusal")
    error.detail.encode()


async def test_the_key_is_sent_and_never_told() -> None:
    said = b'{"error": {"message": "Incorrect key sk-secret given"}}'
    error = await failure(Reply(said, status=401), key="sk-secret")
    assert error.detail == "Incorrect key [key] given"
    assert "sk-secret" not in repr(Provider("p", "http://x", "sk-secret"))


# --- patience -------------------------------------------------------------------------------------


def test_waits_double_and_patience_ends() -> None:
    policy = RetryPolicy(attempts=5, first=1.0, longest=3.0, patience=100.0)
    retries = Retries(policy, lambda: 0.0)
    error = ModelError("retry", "x")
    assert [retries.wait(error) for _ in range(5)] == [1.0, 2.0, 3.0, 3.0, None]
    assert Retries(policy, lambda: 1.0).wait(error) == 0.75


def test_retry_after_is_obeyed_within_patience() -> None:
    policy = RetryPolicy(patience=30.0)
    retries = Retries(policy, lambda: 0.0)
    assert retries.wait(ModelError("retry", "429", retry_after=20.0)) == 20.0
    assert retries.wait(ModelError("retry", "429", retry_after=20.0)) is None


@pytest.mark.parametrize("kind", ["fatal", "context", "refusal"])
def test_what_no_patience_mends_is_not_tried_again(kind: Any) -> None:
    assert Retries(RetryPolicy()).wait(ModelError(kind, "x")) is None


@given(st.lists(st.none() | st.floats(0, 100), max_size=30))
def test_waits_never_exceed_the_patience(asked_for: list[float | None]) -> None:
    policy = RetryPolicy(attempts=20, patience=60.0)
    retries = Retries(policy)
    waits = [retries.wait(ModelError("retry", "x", retry_after=a)) for a in asked_for]
    assert sum(w or 0.0 for w in waits) <= 60.0
    assert all(w is None for w in waits[19:])
