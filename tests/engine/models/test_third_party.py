"""The four adapters against a server that we did not write: aimock (npm `@copilotkit/aimock`)."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.models.http import HttpClient
from engine.models.http_model import HttpModel
from engine.models.types import Api, KeySource, Message, ModelError, Provider, ToolSchema, Turn
from tests.engine.support import wait_for
from tests.support.model_server import APIS

ROOT = Path(__file__).resolve().parents[3]
HERE = ROOT / "node_modules" / ".bin" / "llmock"
TOOL = ToolSchema("look", "Look.", {"type": "object", "properties": {"at": {"type": "string"}}})
FIXTURES = {
    "fixtures": [
        {
            "match": {"userMessage": "too fast"},
            "response": {
                "error": {"message": "Rate limit reached", "type": "rate_limit_error"},
                "status": 429,
            },
        },
        {"match": {"toolCallId": "call_look"}, "response": {"content": "It is a wheel."}},
        {
            "match": {"userMessage": "what is it"},
            "response": {
                "toolCalls": [
                    {"id": "call_look", "name": "look", "arguments": '{"at": "the ä wheel"}'}
                ]
            },
        },
    ]
}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    command = str(HERE) if HERE.exists() else shutil.which("llmock")
    if command is None or shutil.which("node") is None:
        pytest.skip("aimock is not here: needs node and `npm install @copilotkit/aimock`")
    folder = tmp_path_factory.mktemp("aimock")
    (folder / "fixtures.json").write_text(json.dumps(FIXTURES))
    port = free_port()
    line = [command, "-p", str(port), "-h", "127.0.0.1", "-f", str(folder / "fixtures.json")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(line, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def listens() -> bool:
        with socket.socket() as found:
            return found.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(listens, 30)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


async def turn_of(aimock: str, api: Api, *messages: Message) -> Turn:
    base = f"{aimock}/v1" if api in ("chat", "responses") else aimock
    http = HttpClient()
    try:
        provider = Provider("aimock", base, KeySource(command=("printf", "key")), api)
        deltas = [delta async for delta in HttpModel(http, provider, "any").ask(messages, [TOOL])]
    finally:
        await http.close()
    assert isinstance(deltas[-1], Turn)
    return deltas[-1]


@pytest.mark.parametrize("api", APIS)
async def test_a_tool_loop_of_two_turns(aimock: str, api: Api) -> None:
    question = Message("user", "what is it")
    first = await turn_of(aimock, api, Message("system", "Be brief."), question)
    (call,) = first.tool_calls
    assert (first.stop, call.name) == ("tool_calls", "look")
    assert json.loads(call.arguments) == {"at": "the ä wheel"}
    answer = Message("assistant", first.text, first.reasoning, (call,), carried=first.carried)
    result = Message("tool", "round", call=call.id)
    second = await turn_of(aimock, api, question, answer, result)
    assert (second.text, second.stop) == ("It is a wheel.", "stop")


@pytest.mark.parametrize("api", APIS)
async def test_a_rate_limit(aimock: str, api: Api) -> None:
    with pytest.raises(ModelError) as caught:
        await turn_of(aimock, api, Message("user", "too fast"))
    assert caught.value.failure == "rate_limit"
