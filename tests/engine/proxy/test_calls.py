"""A program's calls, let through: what it gets, what is counted, and what fails how."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.events import (
    ClockMoved,
    Limit,
    ModelRetried,
    SessionPaused,
    TurnAbandoned,
    TurnFailed,
    TurnFinished,
    TurnStarted,
    Usage,
)
from engine.models.types import Api
from engine.proxy import calls, reception
from tests.engine.proxy.booth import CANARY, booth, request, until
from tests.support.model_server import APIS, Fault, Json, ModelServer, Say, encode, events, whole

SAY = Say(text="Hello.", reasoning="Hm.", calls=(("c1", "bash", {"command": "ls"}),))
USED = Usage(input=60, cached=40, output=10, reasoning=3, turns=1, cost=110.0)
PATHS: dict[Api, tuple[str, str]] = {
    "chat": ("/v1/chat/completions", "/v1/chat/completions"),
    "responses": ("/v1/responses", "/v1/responses"),
    "anthropic": ("/v1/messages", "/v1/messages"),
    "gemini": (
        "/v1beta/models/any:generateContent",
        "/v1beta/models/any:streamGenerateContent?alt=sse",
    ),
}
KEYS = ("authorization", "x-api-key", "x-goog-api-key")
HELLO: Json = {"messages": [{"role": "user", "content": "hello"}]}
CHAT = "/v1/chat/completions"


def body(api: Api, streamed: bool) -> Json:
    said: Json = {"model": "other", **HELLO, "stream": streamed}
    if api == "responses":
        said = {"model": "other", "input": "hello", "stream": streamed}
    elif api == "gemini":
        said = {"contents": [{"parts": [{"text": "hello"}]}]}
    return said


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reception, "_REFUSAL_SECONDS", 0.0)
    monkeypatch.setattr(calls, "_HANG_UP_SECONDS", 0.1)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("api", APIS)
async def test_an_answer_goes_through_as_it_came_and_is_counted(
    tmp_path: Path, api: Api, streamed: bool
) -> None:
    with ModelServer([SAY], chunk=13) as server:
        async with booth(tmp_path, server, api) as made:
            headers = {"Authorization": "Bearer nothing", "X-Api-Key": "nothing"}
            answer = await made.ask(PATHS[api][streamed], body(api, streamed), headers)
            session = made.session
    assert (answer.status, answer.whole) == (200, True)
    if streamed:
        assert answer.headers["content-type"] == "text/event-stream"
        pieces = encode(events(api, SAY))
        assert answer.body == b"".join(p for p in pieces if b'"choices": [], ' not in p)
    else:
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == whole(api, SAY)
    (finished,) = session.told(TurnFinished)
    assert finished.usage == USED
    assert session.facts.usage == USED
    assert [event.turn for event in session.told(TurnStarted)] == [1]
    (entry,) = session.entries
    assert (entry["kind"], entry["text"], entry["turn"]) == ("assistant", "Hello.", 1)
    assert [call["name"] for call in entry["tool_calls"]] == ["bash"]
    assert session.looked == 1
    (sent,) = server.requests
    assert sent.get("model", "tiny") == "tiny"
    assert "any" not in sent["path"]
    assert ("tiny" in sent["path"]) is (api == "gemini")
    keys = [v for h in server.headers for n, v in h.items() if n in KEYS]
    assert keys in ([CANARY], [f"Bearer {CANARY}"])


async def test_headers_that_mean_something_go_along_and_no_others(tmp_path: Path) -> None:
    said = {
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "context-1m, other",
        "Cookie": "a=b",
        "X-Forwarded-For": "1.2.3.4",
        "Proxy-Authorization": "x",
    }
    limits = {
        "request-id": "r1",
        "anthropic-ratelimit-tokens-remaining": "5",
        "Set-Cookie": "secret=1",
        "X-Echo": CANARY,
        "X-Request-Id": CANARY,
    }
    with ModelServer([Fault(say=SAY, headers=limits)]) as server:
        async with booth(tmp_path, server, "anthropic") as made:
            answer = await made.ask("/v1/messages", body("anthropic", True), said)
    (got,) = server.headers
    assert (got["anthropic-version"], got["anthropic-beta"]) == ("2023-06-01", "context-1m, other")
    assert not {"cookie", "x-forwarded-for", "proxy-authorization"} & set(got)
    assert got["host"].startswith("127.0.0.1:")
    assert answer.headers["request-id"] == "r1"
    assert answer.headers["anthropic-ratelimit-tokens-remaining"] == "5"
    assert answer.headers["x-request-id"] == "[key]"
    assert not {"set-cookie", "x-echo", "server", "date"} & set(answer.headers)


async def test_tokens_can_be_counted_beforehand_and_cost_no_turn(tmp_path: Path) -> None:
    counted = Fault(body='{"input_tokens": 7}', content_type="application/json")
    with ModelServer([counted]) as server:
        async with booth(tmp_path, server, "anthropic") as made:
            answer = await made.ask("/v1/messages/count_tokens", {"model": "x", **HELLO})
            assert answer.json() == {"input_tokens": 7}
            assert made.session.facts.usage == Usage()
    assert server.requests == [{"path": "/v1/messages/count_tokens", **HELLO, "model": "tiny"}]


async def test_the_models_are_the_sessions_and_nobody_is_asked(tmp_path: Path) -> None:
    with ModelServer([]) as server:
        async with booth(tmp_path, server) as made:
            answer = await made.ask("/v1/models", b"", method="GET")
            assert [m["id"] for m in answer.json()["data"]] == ["tiny"]
    assert server.requests == []


@pytest.mark.parametrize("api", APIS)
async def test_another_format_than_the_models_is_refused_in_words(tmp_path: Path, api: Api) -> None:
    other: Api = "responses" if api == "chat" else "chat"
    with ModelServer([]) as server:
        async with booth(tmp_path, server, api) as made:
            answer = await made.ask(PATHS[other][0], body(other, False))
            assert answer.status == 400
            said = answer.json()["error"]["message"]
            assert f"speaks '{api}'" in said
            assert f"request of '{other}'" in said
            assert "refused" in made.session.notes()[0]
            assert made.calls.failed is None
    assert server.requests == []


async def test_a_rate_limit_is_waited_out_with_the_sandbox_held_and_not_charged(
    tmp_path: Path,
) -> None:
    limit = Fault(status=429, headers={"Retry-After": "0"}, body='{"error": {"message": "slow"}}')
    with ModelServer([limit, Fault(status=503, body="{}"), SAY]) as server:
        async with booth(tmp_path, server) as made:
            answer = await made.ask(CHAT, body("chat", True))
            session = made.session
            assert (answer.status, answer.whole) == (200, True)
            assert made.calls.failed is None
            assert made.waits == [True, True]
    retried = session.told(ModelRetried)
    assert [r.cause for r in retried] == ["429 rate limit", "503 overloaded"]
    assert session.facts.usage.turns == 1
    waits = [move.cause for move in session.told(ClockMoved) if move.to == "waiting"]
    assert waits == ["rate limit", "retry"]


async def test_when_patience_ends_the_provider_has_the_word(tmp_path: Path) -> None:
    said = '{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}'
    limit = Fault(status=429, headers={"Retry-After": "0", "x-should-retry": "true"}, body=said)
    with ModelServer([limit, limit]) as server:
        async with booth(tmp_path, server, attempts=2) as made:
            answer = await made.ask(CHAT, body("chat", False))
            assert made.calls.failed is not None
            assert made.calls.failed.failure == "rate_limit"
    assert (answer.status, answer.body) == (429, said.encode())
    assert answer.headers["retry-after"] == "0"
    assert answer.headers["x-should-retry"] == "true"
    assert len(server.requests) == 2


async def test_what_cannot_be_mended_by_waiting_is_passed_on_at_once(tmp_path: Path) -> None:
    said = '{"error": {"message": "no such parameter: colour"}}'
    with ModelServer([Fault(status=400, body=said)]) as server:
        async with booth(tmp_path, server) as made:
            answer = await made.ask(CHAT, body("chat", True))
            assert made.calls.failed is not None
            assert made.calls.failed.failure == "bad_request"
            assert "no such parameter" in made.session.notes()[0]
            (failed,) = made.session.told(TurnFailed)
            assert "no such parameter" in failed.detail
            assert failed.usage == Usage()
    assert (answer.status, answer.body) == (400, said.encode())


async def test_a_key_that_is_refused_is_mended_while_the_program_waits(tmp_path: Path) -> None:
    told = f'{{"error": {{"message": "Incorrect key: {CANARY[:6]}***{CANARY[-2:]}"}}}}'
    with ModelServer([Fault(status=401, body=told), SAY]) as server:
        async with booth(tmp_path, server) as made:
            asking = asyncio.create_task(made.ask(CHAT, body("chat", False)))
            await until(lambda: made.session.told(SessionPaused))
            (pause,) = made.session.told(SessionPaused)
            assert pause.cause == "missing key"
            assert "mend the key, then resume" in pause.why
            assert not asking.done()
            (tmp_path / "key").write_text("sk-mended")
            made.session.gate.open()
            answer = await asking
            assert (answer.status, answer.whole) == (200, True)
            assert made.session.facts.usage.turns == 1
    assert [h["authorization"] for h in server.headers] == [f"Bearer {CANARY}", "Bearer sk-mended"]


async def test_an_empty_account_pauses_the_session_too(tmp_path: Path) -> None:
    told = '{"error": {"message": "no money", "code": "insufficient_quota"}}'
    with ModelServer([Fault(status=429, body=told), SAY]) as server:
        async with booth(tmp_path, server) as made:
            asking = asyncio.create_task(made.ask(CHAT, body("chat", True)))
            await until(lambda: made.session.told(SessionPaused))
            assert made.session.told(SessionPaused)[0].cause == "no credit"
            made.session.gate.open()
            assert (await asking).whole


async def test_a_program_that_gave_up_during_a_pause_costs_no_call(tmp_path: Path) -> None:
    with ModelServer([Fault(status=401, body="{}")]) as server:
        async with booth(tmp_path, server) as made:
            asking = asyncio.create_task(made.ask(CHAT, body("chat", False)))
            await until(lambda: made.session.told(SessionPaused))
            asking.cancel()
            made.session.gate.open()
            await until(lambda: len(made.guests._here) == 0)
    assert len(server.requests) == 1


async def test_no_call_begins_while_the_session_is_paused(tmp_path: Path) -> None:
    with ModelServer([SAY]) as server:
        async with booth(tmp_path, server) as made:
            made.session.gate.shut()
            asking = asyncio.create_task(made.ask(CHAT, body("chat", False)))
            await until(lambda: made.session.looked)
            await asyncio.sleep(0.05)
            assert server.requests == []
            made.session.gate.open()
            assert (await asking).whole


async def test_a_pause_at_once_gives_up_what_is_under_way(tmp_path: Path) -> None:
    stuck = Fault(say=Say(text="word " * 30), stall=60)
    with ModelServer([stuck, SAY]) as server:
        async with booth(tmp_path, server) as made:
            asking = asyncio.create_task(made.ask(CHAT, body("chat", True)))
            await until(lambda: made.live.turn)
            assert made.live.committed > 0.0
            made.session.gate.shut()
            made.session.gate.interrupt()
            answer = await asking
            assert made.live.committed == 0.0
            assert (answer.status, answer.whole) == (200, False)  # the program asks again
            (given_up,) = made.session.told(TurnAbandoned)
            assert (given_up.turn, given_up.usage.unpriced) == (1, 1)  # it was paid for, and how
            assert made.session.facts.usage.turns == 0
            made.session.gate.open()
            assert (await made.ask(CHAT, body("chat", True))).whole


async def test_a_call_of_which_nothing_had_come_is_made_again_after_a_pause(
    tmp_path: Path,
) -> None:
    go = threading.Event()

    def script(_: Json, number: int) -> Say:
        if number == 0:
            go.wait(30)
        return SAY

    with ModelServer(script) as server:
        async with booth(tmp_path, server) as made:
            asking = asyncio.create_task(made.ask(CHAT, body("chat", False)))
            await until(lambda: server.requests)
            made.session.gate.shut()
            made.session.gate.interrupt()
            await until(lambda: made.session.told(TurnAbandoned))
            made.session.gate.open()
            assert (await asking).json() == whole("chat", SAY)
            go.set()
            assert made.session.facts.usage.turns == 1
    assert len(server.requests) == 2


async def test_a_key_in_an_answer_does_not_go_on(tmp_path: Path) -> None:
    say = Say(text=CANARY + "." * 30)
    script = [
        Fault(say=say),
        say,
        Fault(status=400, body=f'{{"error": {{"message": "who is {CANARY}?"}}}}'),
    ]
    with ModelServer(script) as server:
        async with booth(tmp_path, server) as made:
            answers = [await made.ask(CHAT, body("chat", s)) for s in (True, False, False)]
            told = json.dumps(made.session.entries)
    assert all(CANARY.encode() not in answer.body for answer in answers)
    assert all(b"[key]" in answer.body for answer in answers)
    assert CANARY not in told


async def test_a_stream_that_breaks_off_is_cut_for_the_program_too(tmp_path: Path) -> None:
    with ModelServer([Fault(say=Say(text="word " * 30), cut=0.5), SAY]) as server:
        async with booth(tmp_path, server) as made:
            answer = await made.ask(CHAT, body("chat", True))
            assert (answer.status, answer.whole) == (200, False)
            assert answer.body.startswith(b"data: ")
            assert made.calls.failed is not None
            assert made.calls.failed.failure in ("network", "broken_stream")
            assert made.session.facts.usage.turns == 0
            assert (await made.ask(CHAT, body("chat", True))).whole
            assert made.calls.failed is None
    assert len(server.requests) == 2


async def test_an_overload_that_a_stream_begins_with_is_tried_again(tmp_path: Path) -> None:
    event = b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error"}}\n\n'
    stream = Fault(body=event.decode())
    with ModelServer([stream, SAY]) as server:
        async with booth(tmp_path, server, "anthropic") as made:
            answer = await made.ask("/v1/messages", body("anthropic", True))
            assert answer.whole
            assert b"overloaded" not in answer.body
            assert made.session.facts.usage.turns == 1
    assert len(server.requests) == 2


async def test_a_failure_that_a_stream_tells_of_at_its_end_is_passed_on(tmp_path: Path) -> None:
    error = {"type": "response.failed", "response": {"error": {"code": "context_length_exceeded"}}}
    begin = encode(events("responses", SAY))[0]
    stream = begin + f"data: {json.dumps(error)}\n\n".encode()
    with ModelServer([Fault(body=stream.decode())]) as server:
        async with booth(tmp_path, server, "responses") as made:
            answer = await made.ask("/v1/responses", body("responses", True))
            assert made.calls.failed is not None
            assert made.calls.failed.failure == "context"
    assert (answer.whole, answer.body) == (True, stream)


async def test_a_server_that_answers_otherwise_than_asked_is_understood(tmp_path: Path) -> None:
    at_once = Fault(body=json.dumps(whole("chat", SAY)), content_type="application/json")
    streamed = Fault(say=SAY)
    with ModelServer([at_once, streamed]) as server:
        async with booth(tmp_path, server) as made:
            assert (await made.ask(CHAT, body("chat", True))).json() == whole("chat", SAY)
            assert (await made.ask(CHAT, body("chat", False))).body.endswith(b"[DONE]\n\n")
            assert made.session.facts.usage.turns == 2
            assert made.session.facts.usage.tokens == 220 - 110  # nobody asked for the second count


async def test_no_server_at_all_is_an_error_of_ours(tmp_path: Path) -> None:
    def nowhere(provider: Any) -> Any:
        return replace(provider, base_url="http://127.0.0.1:9/v1", connect_seconds=1.0)

    with ModelServer([]) as server:
        async with booth(tmp_path, server, attempts=1, provider=nowhere) as made:
            answer = await made.ask(CHAT, body("chat", False))
            assert answer.status == 502
            assert "cannot be reached" in answer.json()["error"]["message"]
            assert made.calls.failed is not None
            assert made.calls.failed.failure == "network"


async def test_an_answer_is_counted_although_its_reader_hung_up(tmp_path: Path) -> None:
    with ModelServer([Fault(say=Say(text="word " * 30), stall=60)]) as server:
        async with booth(tmp_path, server) as made:
            reader, writer = await asyncio.open_unix_connection(str(made.path))
            writer.write(request(CHAT, body("chat", True)))
            assert b"200" in await reader.readline()
            writer.close()
            server._released.set()
            await until(lambda: made.session.told(TurnFinished))
            await made.calls.finished()
            assert made.session.facts.usage == USED


async def test_nothing_goes_on_when_the_budget_is_used(tmp_path: Path) -> None:
    budget = {"tokens": Limit(hard=150.0)}
    with ModelServer([SAY, SAY]) as server:
        async with booth(tmp_path, server, budget=budget) as made:
            answers = [await made.ask(CHAT, body("chat", False)) for _ in range(3)]
            assert [a.status for a in answers] == [200, 200, 403]
            assert "tokens limit reached: 220 of 150" in answers[2].json()["error"]["message"]
            assert made.calls.failed is None
    assert len(server.requests) == 2


async def test_turns_under_way_count_against_their_limit(tmp_path: Path) -> None:
    go = threading.Event()

    def script(_: Json, __: int) -> Say:
        go.wait(30)
        return SAY

    budget = {"turns": Limit(hard=2.0)}
    with ModelServer(script) as server:
        async with booth(tmp_path, server, budget=budget) as made:
            asking = [asyncio.create_task(made.ask(CHAT, body("chat", False))) for _ in range(2)]
            await until(lambda: len(server.requests) == 2)
            third = await made.ask(CHAT, body("chat", False))
            go.set()
            assert [(await a).status for a in asking] == [200, 200]
            assert third.status == 403
            assert (await made.ask(CHAT, body("chat", False))).status == 403
            assert sorted(e.turn for e in made.session.told(TurnFinished)) == [1, 2]
    assert len(server.requests) == 2


async def test_only_so_many_calls_are_under_way_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reception, "MOST_AT_ONCE", 2)
    lock, now, most = threading.Lock(), 0, 0

    def script(_: Json, __: int) -> Say:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.05)
        with lock:
            now -= 1
        return SAY

    with ModelServer(script) as server:
        async with booth(tmp_path, server) as made:
            answers = await asyncio.gather(*(made.ask(CHAT, body("chat", False)) for _ in range(6)))
    assert [a.status for a in answers] == [200] * 6
    assert most == 2


async def test_what_is_streamed_can_be_watched(tmp_path: Path) -> None:
    say = Say(text="first half, second half")
    with ModelServer([Fault(say=say, stall=60)]) as server:
        async with booth(tmp_path, server) as made:
            asking = asyncio.create_task(made.ask(CHAT, body("chat", True)))
            await until(lambda: made.live.turn)
            assert made.live.turn is not None
            assert made.live.turn["text"].startswith("first half")
            assert made.meter.state == "working"
            server._released.set()
            assert (await asking).whole
            assert made.live.turn is None
