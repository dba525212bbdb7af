"""The four wire formats against one script: the same answers, each request as its API wants it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import Usage
from engine.models.anthropic import AnthropicWire
from engine.models.chat import ChatWire
from engine.models.gemini import GeminiWire
from engine.models.responses import ResponsesWire
from engine.models.sse import SseParser
from engine.models.types import (
    Api,
    Delta,
    Message,
    ModelError,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolDelta,
    Turn,
)
from engine.models.wire import Answer
from engine.money import Price
from tests.engine.models.asking import ASK, ask, key_in, turn_of
from tests.support.model_server import APIS, Fault, Json, ModelServer, Say, encode, events

WIRES = {
    "chat": ChatWire,
    "responses": ResponsesWire,
    "anthropic": AnthropicWire,
    "gemini": GeminiWire,
}
every_api = pytest.mark.parametrize("api", APIS)
CALLING = Say(
    text="Looking.",
    reasoning="I should look first.",
    signature="c2lnbmVk",
    calls=(("c1", "bash", {"command": "echo ä"}), ("c2", "bash", {"command": "ls"})),
)


@every_api
async def test_one_script_gives_the_same_turn(api: Api) -> None:
    with ModelServer([CALLING], chunk=7) as server:
        deltas = await ask(server, api)
    turn = deltas[-1]
    assert isinstance(turn, Turn)
    assert (turn.text, turn.reasoning, turn.stop) == (CALLING.text, CALLING.reasoning, "tool_calls")
    assert [(c.id, c.name, json.loads(c.arguments)) for c in turn.tool_calls] == list(CALLING.calls)
    assert turn.usage == Usage(input=60, cached=40, output=10, reasoning=3, turns=1, unpriced=1)
    assert "".join(d.text for d in deltas if isinstance(d, TextDelta)) == CALLING.text
    assert "".join(d.text for d in deltas if isinstance(d, ReasoningDelta)) == CALLING.reasoning
    assert {d.name for d in deltas if isinstance(d, ToolDelta)} == {"bash"}


@every_api
@pytest.mark.parametrize("stop", ["stop", "length", "refusal"])
async def test_why_an_answer_ended(api: Api, stop: Any) -> None:
    with ModelServer([Say(text="Well.", stop=stop)]) as server:
        turn = await turn_of(server, api)
    assert (turn.text, turn.stop, turn.tool_calls) == ("Well.", stop, ())


@pytest.mark.parametrize("api", ["chat", "responses", "anthropic"])  # Gemini sends calls whole
async def test_a_call_that_is_cut_off_has_no_arguments_that_can_be_read(api: Api) -> None:
    with ModelServer([replace(CALLING, stop="length", half=True)]) as server:
        turn = await turn_of(server, api)
    assert (turn.stop, len(turn.tool_calls)) == ("length", 2)
    assert turn.tool_calls[0].parsed == {"command": "echo ä"}
    assert turn.tool_calls[1].parsed is None
    sent = json.dumps(await second_request(api, replace(CALLING, stop="length", half=True)))
    assert "malformed_arguments" in sent


async def test_an_interrupted_answer_of_anthropic_keeps_the_calls_that_it_makes_itself() -> None:
    block = {"type": "server_tool_use", "id": "srv_1", "name": "look", "input": {}}
    stream = [
        {"type": "content_block_start", "index": 0, "content_block": block},
        _more({"type": "input_json_delta", "partial_json": '{"query": '}),
        _more({"type": "input_json_delta", "partial_json": '"c"}'}),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "pause_turn"}},
        {"type": "message_stop"},
    ]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in stream)
    with ModelServer([Fault(body=body)]) as server:
        turn = await turn_of(server, "anthropic")
    assert (turn.stop, turn.text, turn.tool_calls) == ("pause", "", ())
    assert turn.carried is not None
    assert turn.carried.items == ({**block, "input": {"query": "c"}},)


def _more(delta: Json) -> Json:
    return {"type": "content_block_delta", "index": 0, "delta": delta}


@pytest.mark.parametrize("api", ["chat", "responses", "anthropic"])  # Gemini does not tell
async def test_cache_writes_are_counted_and_paid(api: Api) -> None:
    price = Price(input=10.0, output=100.0, cached=1.0, cache_write=12.5)
    with ModelServer([Say(text="x", cache_write=20)]) as server:
        usage = (await turn_of(server, api, price=price)).usage
    assert (usage.input, usage.cached, usage.cache_write) == (60, 40, 20)
    assert usage.tokens == 130
    assert usage.cost == pytest.approx((60 * 10 + 40 * 1 + 20 * 12.5 + 10 * 100) / 1e6)


@every_api
async def test_without_a_price_the_cost_is_unknown(api: Api) -> None:
    with ModelServer([Say(text="x")]) as server:
        assert (await turn_of(server, api)).usage.cost is None


# --- what goes back -------------------------------------------------------------------------------


async def second_request(api: Api, first: Say = CALLING) -> Json:
    """The request that follows an answer and the results of its tool calls."""
    with ModelServer([first, Say(text="Done.")]) as server:
        turn = await turn_of(server, api)
        answer = Message(
            "assistant", turn.text, turn.reasoning, turn.tool_calls, carried=turn.carried
        )
        results = [Message("tool", f"result of {c.id}", call=c.id) for c in turn.tool_calls]
        await ask(server, api, messages=[*ASK, answer, *results])
        return server.requests[1]


async def test_anthropic_thinking_goes_back_signed_and_in_its_place() -> None:
    sent = (await second_request("anthropic"))["messages"]
    assert [m["role"] for m in sent] == ["user", "assistant", "user"]
    assert sent[1]["content"] == [
        {"type": "thinking", "thinking": CALLING.reasoning, "signature": CALLING.signature},
        {"type": "text", "text": "Looking."},
        {"type": "tool_use", "id": "c1", "name": "bash", "input": {"command": "echo ä"}},
        {"type": "tool_use", "id": "c2", "name": "bash", "input": {"command": "ls"}},
    ]
    assert [b["tool_use_id"] for b in sent[2]["content"]] == ["c1", "c2"]
    assert sent[2]["content"][0]["content"] == "result of c1"


async def test_anthropic_thinking_without_text_keeps_its_signature() -> None:
    sent = (await second_request("anthropic", Say(signature="only", calls=CALLING.calls)))[
        "messages"
    ]
    assert sent[1]["content"][0] == {"type": "thinking", "thinking": "", "signature": "only"}


async def test_responses_reasoning_goes_back_encrypted() -> None:
    sent = (await second_request("responses"))["input"]
    assert [i.get("type", i.get("role")) for i in sent] == [
        "user",
        "reasoning",
        "message",
        "function_call",
        "function_call",
        "function_call_output",
        "function_call_output",
    ]
    assert sent[1]["encrypted_content"] == CALLING.signature
    assert [i["call_id"] for i in sent[3:]] == ["c1", "c2", "c1", "c2"]
    assert sent[5]["output"] == "result of c1"


async def test_responses_reasoning_that_is_not_encrypted_stays_away() -> None:
    say = Say(reasoning="Hm.", text="Looking.", calls=CALLING.calls)
    sent = (await second_request("responses", say))["input"]
    assert "reasoning" not in [i.get("type") for i in sent]
    assert [i["call_id"] for i in sent if i.get("type") == "function_call"] == ["c1", "c2"]


async def test_gemini_signatures_go_back_on_their_parts() -> None:
    sent = (await second_request("gemini"))["contents"]
    assert [c["role"] for c in sent] == ["user", "model", "user"]
    thought, said, first, second = sent[1]["parts"]
    assert thought == {"text": CALLING.reasoning, "thought": True}
    assert said == {"text": "Looking."}
    assert first["thoughtSignature"] == CALLING.signature
    assert first["functionCall"]["name"] == "bash"
    assert "thoughtSignature" not in second
    assert sent[2]["parts"][1]["functionResponse"] == {
        "id": "c2",
        "name": "bash",
        "response": {"output": "result of c2"},
    }


async def test_chat_reasoning_goes_back() -> None:
    sent = (await second_request("chat"))["messages"]
    assert [m["role"] for m in sent] == ["system", "user", "assistant", "tool", "tool"]
    assert sent[2]["reasoning_content"] == CALLING.reasoning
    assert sent[2]["reasoning_details"][0]["data"] == CALLING.signature


@every_api
async def test_what_was_carried_for_one_api_is_not_sent_to_another(api: Api) -> None:
    other = APIS[(APIS.index(api) + 1) % len(APIS)]
    with ModelServer([CALLING, Say(text="Done.")]) as server:
        turn = await turn_of(server, other)
        assert turn.carried is not None
        answer = Message("assistant", turn.text, "", turn.tool_calls, carried=turn.carried)
        await ask(server, api, messages=[*ASK, answer])
        assert CALLING.signature not in json.dumps(server.requests[1])


@every_api
async def test_arguments_that_are_no_object_do_not_spoil_the_conversation(api: Api) -> None:
    broken = ToolCall("c1", "bash", '{"command": "echo')
    messages = [
        *ASK,
        Message("assistant", "", "", (broken,)),
        Message("tool", "the arguments are broken", call="c1"),
    ]
    with ModelServer([Say(text="Sorry.")]) as server:
        await ask(server, api, messages=messages)
        sent = server.requests[0]
    told = json.dumps(sent).replace("\\", "")
    assert "malformed_arguments" in told
    assert "echo" in told


# --- what is asked --------------------------------------------------------------------------------


@every_api
async def test_the_key_and_the_settings_go_where_the_api_wants_them(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-canary")
    with ModelServer([Say(text="x")]) as server:
        await ask(
            server,
            api,
            key=key_in("SOME_KEY"),
            max_output_tokens=1234,
            headers={"X-Extra": "yes"},
            body={"metadata": {"user_id": "u"}, "generationConfig": {"topK": 3}},
        )
        sent, headers = server.requests[0], server.headers[0]
    holder = {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}.get(api, "authorization")
    assert headers[holder] in ("sk-canary", "Bearer sk-canary")
    assert headers["x-extra"] == "yes"
    assert sent["metadata"] == {"user_id": "u"}
    assert sent["generationConfig"]["topK"] == 3
    assert "1234" in json.dumps(sent)
    assert "sk-canary" not in json.dumps(sent)


@pytest.mark.parametrize(
    ("api", "version", "path"),
    [
        ("chat", "", "/v1/chat/completions"),
        ("responses", "", "/v1/responses"),
        ("anthropic", "", "/v1/messages"),
        ("gemini", "", "/v1beta/models/tiny:streamGenerateContent?alt=sse"),
        ("gemini", "v1", "/v1/models/tiny:streamGenerateContent?alt=sse"),
    ],
)
async def test_where_requests_go(api: Api, version: str, path: str) -> None:
    with ModelServer([Say(text="x")]) as server:
        await ask(server, api, version=version)
        assert server.requests[0]["path"] == path


@pytest.mark.parametrize("version", ["", "2023-06-01"])
async def test_anthropic_is_told_its_version(version: str) -> None:
    with ModelServer([Say(text="x")]) as server:
        await ask(server, "anthropic", version=version)
        assert server.headers[0]["anthropic-version"] == (version or "2026-10-21")


async def test_anthropic_caches_the_start_and_the_two_newest_user_turns() -> None:
    messages = list(ASK)
    for n in range(4):
        messages += [
            Message("assistant", "", "", (ToolCall(f"c{n}", "bash", "{}"),)),
            Message("tool", "out", call=f"c{n}"),
        ]
    with ModelServer([Say(text="x")]) as server:
        await ask(server, "anthropic", messages=messages)
        sent = server.requests[0]
    assert sent["system"][-1]["cache_control"] == {"type": "ephemeral"}
    marked = [m for m in sent["messages"] if "cache_control" in m["content"][-1]]
    assert marked == [m for m in sent["messages"] if m["role"] == "user"][-2:]
    assert json.dumps(sent).count("cache_control") == 3


async def test_responses_of_one_conversation_share_a_cache_and_nothing_is_stored() -> None:
    later = [*ASK, Message("assistant", "Ok."), Message("user", "More.")]
    other = [Message("system", "Be long."), Message("user", "Go.")]
    with ModelServer([Say(text="x")] * 3) as server:
        for messages in (ASK, later, other):
            await ask(server, "responses", messages=messages)
        keys = [r["prompt_cache_key"] for r in server.requests]
        assert all(r["store"] is False for r in server.requests)
    assert keys[0] == keys[1] != keys[2]


# --- whatever a server may do ---------------------------------------------------------------------

words = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
arguments = st.dictionaries(words, words | st.integers() | st.booleans(), max_size=3)
says = st.builds(
    Say,
    text=words,
    reasoning=words,
    signature=st.sampled_from(["", "c2ln"]),
    calls=st.lists(arguments, max_size=3).map(
        lambda found: tuple((f"id{n}", "bash", a) for n, a in enumerate(found))
    ),
)
strange = st.sampled_from(
    [
        b": comment\n\n",
        b'event: ping\ndata: {"type": "ping"}\n\n',
        b'event: new.thing\ndata: {"type": "new.thing", "x": [1, {"y": null}]}\n\n',
        b"data: {}\n\n",
        b"id: 7\nretry: 10\n\n",
    ]
)


def read(api: str, raw: bytes, cuts: list[int]) -> tuple[list[Delta], Answer]:
    answer: Answer = WIRES[api]().answer()
    parser, found = SseParser(), []
    for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        for event in parser.feed(raw[start:end]):
            found += list(answer.take(event))
    return found, answer


def with_new_fields(found: list[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    for kind, data in found:
        yield kind, {**data, "new_field": {"deep": [1]}} if isinstance(data, dict) else data


@every_api
@given(say=says, data=st.data())
def test_chunks_unknown_events_and_fields_change_nothing(api: Api, say: Say, data: Any) -> None:
    pieces = encode(list(with_new_fields(events(api, say))))
    for event in data.draw(st.lists(strange, max_size=3)):
        pieces.insert(data.draw(st.integers(0, max(0, len(pieces) - 2))), event)
    raw = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    deltas, answer = read(api, raw, cuts)
    turn = answer.turn()
    assert (turn.text, turn.reasoning) == (say.text, say.reasoning)
    assert [json.loads(c.arguments) for c in turn.tool_calls] == [c[2] for c in say.calls]
    assert "".join(d.text for d in deltas if isinstance(d, TextDelta)) == say.text
    if say.signature and (api != "gemini" or say.calls or say.text):
        assert say.signature in json.dumps(turn.carried.items if turn.carried else ())


@every_api
@given(say=says, data=st.data())
def test_no_part_of_an_answer_is_taken_for_the_whole(api: Api, say: Say, data: Any) -> None:
    """Nor does a part ever tell of more than the whole used."""
    raw = b"".join(encode(events(api, say)))
    whole = read(api, raw, [])[1].turn()
    _, answer = read(api, raw[: data.draw(st.integers(0, len(raw)))], [])
    told = answer.usage()
    assert told.turns == whole.usage.turns == 1
    for kind in ("input", "cached", "cache_write", "output", "reasoning"):
        assert getattr(told, kind) <= getattr(whole.usage, kind)
    try:
        turn = answer.turn()
    except ModelError as error:
        assert error.failure == "broken_stream"
    else:
        assert (turn.text, turn.tool_calls, turn.stop) == (whole.text, whole.tool_calls, whole.stop)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


@every_api
@given(data=st.data())
def test_events_with_wrong_types_are_survived(api: Api, data: Any) -> None:
    found = events(api, CALLING)
    at = data.draw(st.integers(0, len(found) - 1))
    spoilt = found[at][1]
    if isinstance(spoilt, dict):
        key = data.draw(st.sampled_from(sorted(spoilt)))
        found[at] = (found[at][0], {**spoilt, key: data.draw(values)})
    try:
        _, answer = read(api, b"".join(encode(found)), [])
        msgspec.json.encode(answer.usage())
        turn = answer.turn()
    except (ModelError, ValueError):
        return
    msgspec.json.encode([turn.text, turn.reasoning, turn.usage, turn.stop])


@every_api
async def test_what_no_journal_can_hold_is_left_out(api: Api) -> None:
    say = Say(
        text="a\ud800b",
        reasoning="Hm \ud801",
        signature="c2ln",
        calls=(("c1", "bash", {"half": "\udfff", "huge": 10**30, "none": float("inf")}),),
        input=10**30,
    )
    with ModelServer([say, *[Say(text="Ok.")] * 2]) as server:
        turn = await turn_of(server, api)
        assert turn.carried is not None
        msgspec.json.encode([turn.text, turn.reasoning, turn.usage, turn.carried.items])
        answer = Message("assistant", turn.text, turn.reasoning, turn.tool_calls)
        for carried in (turn.carried, None):
            await ask(server, api, messages=[*ASK, replace(answer, carried=carried)])
    assert turn.text == "a?b"
