"""The chat wire format against a real server that deviates, cuts, stalls and refuses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from engine.events import Usage
from engine.models.http import HttpClient
from engine.models.http_model import HttpModel
from engine.models.types import (
    Delta,
    Message,
    ModelError,
    Provider,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolSchema,
    Turn,
)
from engine.money import Price
from tests.engine.support import ChatServer, Reply, sse, text_turn, tool_turn

ASK = [Message("system", "Be brief."), Message("user", "Go.")]


async def asked(
    *replies: Reply,
    messages: Sequence[Message] = ASK,
    tools: Sequence[ToolSchema] = (),
    price: Price | None = None,
    silence: float = 20.0,
) -> tuple[list[Delta], ChatServer]:
    with ChatServer(lambda _, n: replies[n]) as server:
        http = HttpClient()
        provider = Provider("local", server.url, silence_seconds=silence)
        try:
            model = HttpModel(http, provider, "tiny", price)
            return [delta async for delta in model.ask(messages, tools)], server
        finally:
            await http.close()


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"delta": delta, "finish_reason": finish}]}


async def turn_of(*chunks: dict[str, Any], done: bool = True, **more: Any) -> Turn:
    deltas, _ = await asked(Reply(sse(list(chunks), done)), **more)
    assert isinstance(deltas[-1], Turn)
    return deltas[-1]


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
        Usage(60, 40, 10, 3, 1, unpriced=1),
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
    assert turn.usage == Usage(turns=1, unpriced=1)
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
    model = HttpModel(http, Provider("local", "http://127.0.0.1:9/v1"), "tiny")
    with pytest.raises(ModelError) as caught:
        _ = [delta async for delta in model.ask(ASK, ())]
    assert (caught.value.kind, caught.value.cause) == ("retry", "no connection")
    await http.close()


@pytest.mark.parametrize("junk", [b"data: {broken\n\n", b"data: [1]\n\n", b"data: 5\n\n"])
async def test_unreadable_streams_are_tried_again(junk: bytes) -> None:
    assert (await failure(Reply(junk))).kind == "retry"


async def test_an_error_inside_a_good_stream() -> None:
    said = {"error": {"message": "upstream is busy", "code": 502}}
    error = await failure(Reply(sse([chunk({"content": "a"}), said])))
    assert (error.kind, error.detail) == ("retry", "upstream is busy")
