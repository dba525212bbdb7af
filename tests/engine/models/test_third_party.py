"""The four adapters against servers that we did not write (`scripts/peers` puts them here).

aimock is a mock of all four APIs; LiteLLM's proxy translates three of them, and Google's, into chat
completions, which aimock then answers.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from engine.models.http import HttpClient
from engine.models.http_model import HttpModel
from engine.models.types import (
    Api,
    Delta,
    KeySource,
    Message,
    ModelError,
    Provider,
    ToolDelta,
    ToolSchema,
    Turn,
)
from engine.money import Price
from tests.support.model_server import APIS
from tests.support.peers.places import aimock_line, free_port, python_of, serving

every_api = pytest.mark.parametrize("api", APIS)
TOOL = ToolSchema("look", "Look.", {"type": "object", "properties": {"at": {"type": "string"}}})
QUESTION = Message("user", "what is it")
KEY = f"sk-{secrets.token_hex(16)}"  # LiteLLM does not start with one that others might guess
USAGE = {  # in the words of each API
    **{"prompt_tokens": 120, "completion_tokens": 7, "total_tokens": 127},
    **{"input_tokens": 120, "output_tokens": 7},
    **{"promptTokenCount": 120, "candidatesTokenCount": 7, "totalTokenCount": 127},
}


def failing(words: str, status: int, kind: str, message: str) -> dict[str, Any]:
    error = {"message": message, "type": kind}
    return {"match": {"userMessage": words}, "response": {"error": error, "status": status}}


FIXTURES = {
    "fixtures": [
        failing("too fast", 429, "rate_limit_error", "Rate limit reached"),
        failing("too busy", 529, "overloaded_error", "Overloaded"),
        failing("too long", 400, "invalid_request_error", "prompt is too long: 9 tokens > 8"),
        failing("who", 401, "authentication_error", "no such key"),
        {
            "match": {"userMessage": "break off"},
            "response": {"content": "word " * 40},
            "latency": 5,
            "truncateAfterChunks": 4,
        },
        {
            "match": {"userMessage": "what does it cost"},
            "response": {"content": "This much.", "usage": {**USAGE, "cost": 0.0123}},
            "openRouterProcessing": True,
        },
        {
            "match": {"userMessage": "think"},
            "response": {"content": "So be it.", "reasoning": "Let me see."},
        },
        {"match": {"toolCallId": "call_look"}, "response": {"content": "It is a wheel."}},
        {
            "match": {"userMessage": QUESTION.text},
            "response": {
                "toolCalls": [
                    {"id": "call_look", "name": "look", "arguments": '{"at": "the ä wheel"}'}
                ],
                "usage": USAGE,
            },
        },
    ]
}


@pytest.fixture(scope="module")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("aimock"), free_port()
    line = aimock_line()
    (folder / "fixtures.json").write_text(json.dumps(FIXTURES))
    line += ["-p", str(port), "-h", "127.0.0.1", "-f", str(folder / "fixtures.json")]
    with serving(line, port, folder) as url:
        yield url


@pytest.fixture(scope="module")
def litellm(aimock: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The proxy in front of aimock; whatever is asked of it becomes chat completions."""
    folder, port = tmp_path_factory.mktemp("litellm"), free_port()
    command = python_of("litellm").parent / "litellm"
    served = {"model": "openai/any", "api_base": f"{aimock}/v1", "api_key": "k"}
    config = {
        "model_list": [{"model_name": "any", "litellm_params": served}],
        # It would try again by itself, and hide what the provider said.
        "litellm_settings": {
            "num_retries": 0,
            "use_chat_completions_url_for_anthropic_messages": True,
        },
        "general_settings": {"master_key": KEY},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
    }
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    line = [str(command), "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    env = {
        **os.environ,
        "HOME": str(folder),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # it would fetch its prices otherwise
        "LITELLM_TELEMETRY": "False",
        "NO_PROXY": "*",
    }
    with serving(line, port, folder, env) as url:
        yield url


async def asked(url: str, api: Api, *messages: Message) -> list[Delta]:
    base = f"{url}/v1" if api in ("chat", "responses") else url
    http = HttpClient()
    try:
        provider = Provider("peer", base, KeySource(command=("printf", KEY)), api)
        model = HttpModel(http, provider, "any")
        return [delta async for delta in model.ask(messages, [TOOL])]
    finally:
        await http.close()


async def turn_of(url: str, api: Api, *messages: Message) -> Turn:
    last = (await asked(url, api, *messages))[-1]
    assert isinstance(last, Turn)
    return last


async def failure_of(url: str, api: Api, words: str) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await asked(url, api, Message("user", words))
    return caught.value


async def tool_loop(url: str, api: Api) -> None:
    """A question, a tool call, its result, and the answer."""
    deltas = await asked(url, api, Message("system", "Be brief."), QUESTION)
    first = deltas[-1]
    assert isinstance(first, Turn)
    (call,) = first.tool_calls
    assert (first.stop, call.name) == ("tool_calls", "look")
    assert json.loads(call.arguments) == {"at": "the ä wheel"}
    assert any(isinstance(delta, ToolDelta) for delta in deltas)
    assert (first.usage.sent, first.usage.output) == (120, 7)
    answer = Message("assistant", first.text, first.reasoning, (call,), carried=first.carried)
    result = Message("tool", "round", call=call.id)
    second = await turn_of(url, api, QUESTION, answer, result)
    assert (second.text, second.stop) == ("It is a wheel.", "stop")


# --- aimock ---------------------------------------------------------------------------------------


@every_api
async def test_a_tool_loop_of_two_turns(aimock: str, api: Api) -> None:
    await tool_loop(aimock, api)


@every_api
async def test_thinking_aloud(aimock: str, api: Api) -> None:
    turn = await turn_of(aimock, api, Message("user", "think"))
    assert (turn.text, turn.reasoning) == ("So be it.", "Let me see.")


@every_api
@pytest.mark.parametrize(
    ("words", "failure"),
    [
        ("too fast", "rate_limit"),
        ("too busy", "overload"),
        ("too long", "context"),
        ("who", "auth"),
    ],
)
async def test_refusals(aimock: str, api: Api, words: str, failure: str) -> None:
    assert (await failure_of(aimock, api, words)).failure == failure


@every_api
async def test_a_stream_that_breaks_off(aimock: str, api: Api) -> None:
    assert (await failure_of(aimock, api, "break off")).failure in ("network", "broken_stream")


async def test_a_router_that_states_its_price(aimock: str) -> None:
    """As OpenRouter does, with its comments that only say that it is alive."""
    http = HttpClient()
    provider = Provider("router", f"{aimock}/api/v1")
    model = HttpModel(http, provider, "any", Price(input=1e3, output=1e3))
    turn = [delta async for delta in model.ask([Message("user", "what does it cost")], [])][-1]
    await http.close()
    assert isinstance(turn, Turn)
    assert (turn.text, turn.usage.cost, turn.usage.stated) == ("This much.", 0.0123, 1)


# --- LiteLLM in front of it -----------------------------------------------------------------------


@pytest.mark.slow
@every_api
async def test_a_tool_loop_through_a_translator(litellm: str, api: Api) -> None:
    await tool_loop(litellm, api)


@pytest.mark.slow
@every_api
@pytest.mark.parametrize(
    ("words", "failure"), [("too fast", "rate_limit"), ("too long", "context"), ("who", "auth")]
)
async def test_refusals_through_a_translator(
    litellm: str, api: Api, words: str, failure: str
) -> None:
    assert (await failure_of(litellm, api, words)).failure == failure


@pytest.mark.slow
@every_api
async def test_a_stream_that_breaks_off_behind_a_translator(litellm: str, api: Api) -> None:
    error = await failure_of(litellm, api, "break off")
    assert error.kind == "retry"
