"""The official clients as a cross-check: of our scripted server, and of the requests we send."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from engine.models.types import Api, Message
from tests.engine.models.asking import ASK, ask, turn_of
from tests.support.model_server import (
    APIS,
    Fault,
    Json,
    ModelServer,
    Say,
    events,
    refusal_in_stream,
)
from tests.support.peers.places import python_of

every_api = pytest.mark.parametrize("api", APIS)
SCRIPT = Path(__file__).resolve().parents[2] / "support" / "peers" / "official.py"
CALLING = Say(
    text="Looking.",
    reasoning="I should look first.",
    signature="c2lnbmVk",
    calls=(("c1", "bash", {"command": "echo ä"}), ("c2", "bash", {"command": "ls"})),
)
SAYS = (
    CALLING,
    Say(text="Well."),
    Say(text="Cut", stop="length"),
    Say(text="No.", stop="refusal"),
    Say(calls=(("c1", "submit", {}),)),
)
STOPS = {
    "chat": "tool_calls",
    "responses": "completed",
    "anthropic": "tool_use",
    "gemini": "STOP",
}
# OpenAI's client takes `response.failed` for news, and then misses the end of the response.
ERRORS = {"responses": "RuntimeError"}


async def requests_of(api: Api) -> list[Json]:
    """The bodies of a conversation of two turns with tools, as the adapter sends them."""
    with ModelServer([CALLING, Say(text="Done.")]) as server:
        turn = await turn_of(server, api, max_output_tokens=100)
        answer = Message(
            "assistant", turn.text, turn.reasoning, turn.tool_calls, carried=turn.carried
        )
        results = [Message("tool", f"result of {c.id}", call=c.id) for c in turn.tool_calls]
        await ask(server, api, messages=[*ASK, answer, *results], max_output_tokens=100)
        return [{k: v for k, v in body.items() if k != "path"} for body in server.requests]


@cache
def judged(api: Api, requests: str) -> dict[str, Any]:
    """What the official client makes of everything at once: its start is what costs."""
    python = python_of("sdk")
    shown = [data for say in SAYS for _, data in events(api, say) if isinstance(data, dict)]
    if api == "anthropic":  # its client drops pings before it looks at them
        shown = [data for data in shown if data["type"] != "ping"]
    sent = json.loads(requests)
    overloaded = Fault(body=refusal_in_stream(api, "overload"))
    with ModelServer([CALLING, overloaded]) as server:
        given = {
            "api": api,
            "url": server.url(api),
            "bad_url": server.url(api),
            "events": shown,
            "requests": [*sent, spoilt(sent[-1])],
        }
        done = subprocess.run(
            [str(python), str(SCRIPT)],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@every_api
async def test_an_official_client_understands_our_server(api: Api) -> None:
    found = judged(api, json.dumps(await requests_of(api)))
    assert found["refused"] == []
    answer = found["answer"]
    assert answer == {
        "text": CALLING.text,
        "reasoning": CALLING.reasoning,
        "calls": [list(call) for call in CALLING.calls],
        "stop": STOPS[api],
        "sent": 100,
        "cached": 40,
        "output": 10,
        "thinking": 3,
        **({} if api == "chat" else {"signature": CALLING.signature}),
    }


@every_api
async def test_a_failure_inside_a_stream_is_one_to_an_official_client_too(api: Api) -> None:
    assert ERRORS.get(api, "APIError") in judged(api, json.dumps(await requests_of(api)))["error"]


# What servers that imitate OpenAI want beyond what OpenAI has; see docs/models.md.
EXTRA = {"chat": {"reasoning_content", "reasoning_details"}}


@every_api
async def test_our_requests_are_what_the_official_types_allow(api: Api) -> None:
    """Types drop what they do not know: nothing of a request may be missing afterwards."""
    sent = await requests_of(api)
    *understood, strange = judged(api, json.dumps(sent))["requests"]
    assert [without(body, EXTRA.get(api, set())) for body in sent] == understood
    assert strange != spoilt(sent[-1])


def spoilt(body: Json) -> Json:
    """A request with something in it that no API knows: what the check must notice."""
    turns = next(key for key in ("messages", "input", "contents") if key in body)
    return {**body, turns: [*body[turns][:-1], {**body[turns][-1], "no_such_key": 1}]}


def without(value: Any, keys: set[str]) -> Any:
    if isinstance(value, dict):
        return {k: without(v, keys) for k, v in value.items() if k not in keys}
    return [without(item, keys) for item in value] if isinstance(value, list) else value
