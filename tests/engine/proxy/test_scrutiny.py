"""What of a program's request goes on to the provider, and what does not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.models.types import Api
from engine.proxy.scrutiny import ForbiddenError, passed
from tests.support.model_server import APIS

CONVERSATION: dict[Api, dict[str, Any]] = {
    "chat": {"messages": [{"role": "user", "content": "hello"}]},
    "responses": {"input": "hello"},
    "anthropic": {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 9},
    "gemini": {"contents": [{"parts": [{"text": "hello"}]}]},
}


def sent(
    api: Api,
    body: Any,
    over: Mapping[str, Any] | None = None,
    streamed: bool = False,
    counts: bool = False,
) -> dict[str, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    on = passed(api, data, "big", over or {}, streamed=streamed, counts=counts)
    found: dict[str, Any] = json.loads(on.content)
    return found


@pytest.mark.parametrize("api", APIS)
def test_the_model_is_the_sessions_and_the_rest_as_it_was(api: Api) -> None:
    body = {**CONVERSATION[api], "temperature": 0.25, "unheard_of": {"a": [1, None, "ü"]}}
    if api != "gemini":
        body["model"] = "dearest"
    found = sent(api, body)
    assert found.pop("model", None) == (None if api == "gemini" else "big")
    body.pop("model", None)
    assert found == body


def test_a_stream_of_chunks_says_what_it_used_whether_it_was_asked_to_or_not() -> None:
    body = {**CONVERSATION["chat"], "stream": True}
    first = passed("chat", json.dumps(body).encode(), "big", {}, streamed=False, counts=False)
    assert json.loads(first.content)["stream_options"] == {"include_usage": True}
    assert (first.streamed, first.told) == (True, True)
    for options, told in (({"include_usage": True, "x": 1}, False), ({"include_usage": 0}, True)):
        body["stream_options"] = options
        on = passed("chat", json.dumps(body).encode(), "big", {}, streamed=False, counts=False)
        assert json.loads(on.content)["stream_options"] == {**options, "include_usage": True}
        assert on.told is told
    assert "stream_options" not in sent("chat", {**CONVERSATION["chat"], "stream": False})


def test_the_operators_settings_are_laid_over_it() -> None:
    body = {**CONVERSATION["chat"], "temperature": 1, "reasoning": {"effort": "low", "a": 1}}
    over = {"temperature": 0.5, "reasoning": {"effort": "high"}, "seed": 3}
    found = sent("chat", body, over)
    assert found["temperature"] == 0.5
    assert found["reasoning"] == {"effort": "high", "a": 1}
    assert found["seed"] == 3
    assert "seed" not in sent("anthropic", CONVERSATION["anthropic"], over, counts=True)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b"{",
        b'{"messages": [}',
        b'{"messages": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"messages": [' + b"{}," * 1_000_001 + b"{}]}",
        b'{"messages": [[' + b"{}," * 100_001 + b"{}]]}",
        b"\xff\xfe{}",
        b'{"stream": 1, "messages": []}',
        b'{"stream": "true", "messages": []}',
        b'{"Stream": true, "messages": []}',
        b'{"MODEL": "dearest", "messages": []}',
        b'{"tools": {}, "messages": []}',
        b'{"tools": ["web_search"], "messages": []}',
        b'{"tools": [{}], "messages": []}',
    ],
    ids=lambda body: repr(body[:40]),
)
def test_what_makes_no_sense_does_not_go_on(body: bytes) -> None:
    with pytest.raises(ForbiddenError):
        sent("chat", body)


def test_a_key_that_comes_twice_goes_on_once() -> None:
    body = b'{"stream": false, "model": "a", "messages": [], "model": "b", "stream": true}'
    on = passed("chat", body, "big", {}, streamed=False, counts=False)
    assert on.streamed
    assert on.content.count(b'"model"') == on.content.count(b'"stream"') == 1


@pytest.mark.parametrize(
    ("api", "tool", "named"),
    [
        ("chat", {"type": "web_search"}, "web_search"),
        ("chat", {"type": "openrouter:web_search"}, "openrouter"),
        ("responses", {"type": "web_search_preview"}, "web_search_preview"),
        ("responses", {"type": "mcp", "server_url": "http://x"}, "mcp"),
        ("responses", {"type": "code_interpreter"}, "code_interpreter"),
        ("responses", {"type": "shell"}, "shell"),
        ("anthropic", {"type": "web_search_20250305", "name": "web_search"}, "web_search"),
        ("anthropic", {"type": "web_fetch_20260209", "name": "web_fetch"}, "web_fetch"),
        ("anthropic", {"type": "code_execution_20250825"}, "code_execution"),
        ("anthropic", {"type": "mcp_toolset"}, "mcp_toolset"),
        ("gemini", {"googleSearch": {}}, "googleSearch"),
        ("gemini", {"functionDeclarations": [], "url_context": {}}, "url_context"),
    ],
)
def test_a_tool_that_the_provider_carries_out_is_refused(
    api: Api, tool: dict[str, Any], named: str
) -> None:
    with pytest.raises(ForbiddenError, match=rf"the tool '{named}.*switch it off"):
        sent(api, {**CONVERSATION[api], "tools": [tool]})


@pytest.mark.parametrize(
    ("api", "tool"),
    [
        ("chat", {"type": "function", "function": {"name": "web_search"}}),
        ("responses", {"type": "function", "name": "fetch"}),
        ("responses", {"type": "local_shell"}),
        ("responses", {"type": "custom", "name": "apply_patch"}),
        ("anthropic", {"name": "web_search", "input_schema": {"properties": {"url": {}}}}),
        ("anthropic", {"type": "bash_20250124", "name": "bash"}),
        ("anthropic", {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"}),
        ("gemini", {"functionDeclarations": [{"name": "fetch"}]}),
    ],
)
def test_a_tool_that_the_program_carries_out_goes_on(api: Api, tool: dict[str, Any]) -> None:
    assert sent(api, {**CONVERSATION[api], "tools": [tool]})["tools"] == [tool]


@pytest.mark.parametrize(
    ("api", "key"),
    [
        ("chat", "models"),
        ("chat", "plugins"),
        ("chat", "web_search_options"),
        ("chat", "api_base"),
        ("chat", "fallbacks"),
        ("responses", "background"),
        ("responses", "prompt"),
        ("anthropic", "mcp_servers"),
    ],
)
def test_a_way_around_the_session_is_refused(api: Api, key: str) -> None:
    with pytest.raises(ForbiddenError, match=rf"'{key}' cannot be asked for in a sandbox"):
        sent(api, {**CONVERSATION[api], key: True})


def test_what_has_a_price_of_its_own_is_refused() -> None:
    for key, value in (("service_tier", "priority"), ("speed", "fast"), ("speed", ["x"])):
        with pytest.raises(ForbiddenError, match=f"{key} = .*price of its own"):
            sent("anthropic", {**CONVERSATION["anthropic"], key: value})
    for value in ("auto", "flex", None):
        assert sent("responses", {"input": "x", "service_tier": value})["service_tier"] == value


PLACE = "https://elsewhere.example/x"


@pytest.mark.parametrize(
    ("api", "part"),
    [
        ("chat", {"type": "image_url", "image_url": {"url": PLACE}}),
        ("chat", {"type": "image_url", "image_url": PLACE}),
        ("responses", {"type": "input_image", "image_url": f" {PLACE}"}),
        ("responses", {"type": "input_file", "file_url": PLACE}),
        ("anthropic", {"type": "image", "source": {"type": "url", "url": PLACE}}),
        (
            "anthropic",
            {
                "type": "tool_result",
                "tool_use_id": "c",
                "content": [{"type": "document", "source": {"type": "url", "url": PLACE}}],
            },
        ),
        ("gemini", {"fileData": {"fileUri": "gs://bucket/x"}}),
    ],
)
def test_an_address_that_the_provider_would_fetch_is_refused(api: Api, part: Any) -> None:
    with pytest.raises(ForbiddenError, match="that the provider would fetch"):
        sent(api, conversation_of(api, part))


def conversation_of(api: Api, part: Any) -> dict[str, Any]:
    match api:
        case "gemini":
            return {"contents": [{"parts": [part]}]}
        case "responses":
            return {"input": [{"role": "user", "content": [part]}]}
    return {"messages": [{"role": "user", "content": [part]}]}


@pytest.mark.parametrize(
    ("api", "part"),
    [
        ("chat", {"type": "text", "text": f'{{"url": "{PLACE}"}}'}),
        ("chat", {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}),
        ("anthropic", {"type": "tool_use", "id": "c", "name": "get", "input": {"url": PLACE}}),
        ("anthropic", {"type": "tool_result", "tool_use_id": "c", "content": PLACE}),
        ("gemini", {"functionCall": {"name": "get", "args": {"uri": PLACE}}}),
        ("gemini", {"functionResponse": {"name": "get", "response": {"url": PLACE}}}),
    ],
)
def test_an_address_that_nobody_fetches_goes_on(api: Api, part: Any) -> None:
    body = conversation_of(api, part)
    assert {k: v for k, v in sent(api, body).items() if k != "model"} == body


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)


@given(
    st.sampled_from(APIS),
    st.dictionaries(
        st.sampled_from(["messages", "input", "contents", "tools", "stream", "stream_options"])
        | st.text(max_size=8),
        json_values,
    ),
)
def test_whatever_is_sent_goes_on_or_is_refused(api: Api, body: dict[str, Any]) -> None:
    try:
        found = sent(api, body)
    except ForbiddenError:
        return
    for key, value in found.items():
        if key not in ("model", "stream_options"):
            assert body[key] == value


@given(st.binary(max_size=200))
def test_whatever_bytes_are_sent_are_refused_or_go_on_as_an_object(data: bytes) -> None:
    try:
        found = sent("chat", data)
    except ForbiddenError:
        return
    assert found["model"] == "big"
