"""The server over HTTP, as a client of any provider would use it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from autolab_tui.demo import launch, personas

ASK: dict[str, Any] = {
    "model": "hasty",
    "stream": True,
    "stream_options": {"include_usage": True},
    "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "go"}],
}


async def post(base_url: str, body: object) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(f"{base_url}/chat/completions", json=body, timeout=20)


async def test_it_lists_its_models(base_url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = (await client.get(f"{base_url}/models")).json()
    assert [model["id"] for model in answer["data"]] == list(personas.NAMES)


async def test_it_streams(base_url: str) -> None:
    answer = await post(base_url, ASK)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    usage = json.loads(events[-2])
    assert usage["usage"]["completion_tokens"] > 0
    finish = json.loads(events[-3])["choices"][0]
    assert (finish["delta"], finish["finish_reason"]) == ({}, "tool_calls")


async def test_it_answers_whole_when_not_asked_to_stream(base_url: str) -> None:
    answer = (await post(base_url, {**ASK, "stream": False})).json()
    assert answer["object"] == "chat.completion"
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "bash"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({**ASK, "model": "gpt"}, 404, "gpt"),
        ({"model": "hasty"}, 400, "messages"),
        ({"messages": []}, 400, "model"),
        ([], 400, "model"),
        ({**ASK, "messages": ["go"]}, 400, "messages"),
    ],
)
async def test_bad_requests_get_the_error_that_providers_send(
    base_url: str, body: object, status: int, said: str
) -> None:
    answer = await post(base_url, body)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert said in error["message"]


async def test_it_keeps_nothing_between_requests(base_url: str) -> None:
    many = await asyncio.gather(*(post(base_url, {**ASK, "stream": False}) for _ in range(5)))
    assert len({json.dumps(answer.json()["choices"]) for answer in many}) == 1


def test_launch_starts_one_server_and_finds_it_again(tmp_path: Path) -> None:
    port = launch.ensure(tmp_path)
    address = json.loads((tmp_path / "server.json").read_text())
    try:
        assert address["port"] == port
        assert launch.ensure(tmp_path) == port
        assert json.loads((tmp_path / "server.json").read_text()) == address
    finally:
        subprocess.run(["kill", str(address["pid"])], check=True)


def test_launch_is_not_fooled_by_an_old_address(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text('{"pid": 1, "port": 9}')
    port = launch.ensure(tmp_path)
    pid = json.loads((tmp_path / "server.json").read_text())["pid"]
    try:
        assert port != 9
    finally:
        subprocess.run(["kill", str(pid)], check=True)


def test_it_ends_by_itself_when_nobody_asks(tmp_path: Path) -> None:
    address = tmp_path / "server.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "autolab_tui.demo.server", f"--address={address}", "--idle=0.5"]
    )
    try:
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
    assert not address.exists()


def test_launch_says_what_went_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    began = time.monotonic()
    with pytest.raises(launch.DemoServerError, match=r"server\.log"):
        launch.ensure(tmp_path)
    assert time.monotonic() - began < 15
