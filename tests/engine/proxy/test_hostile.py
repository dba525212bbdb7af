"""What a hostile program may send: nothing of it reaches the provider, the key, or anybody else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from pathlib import Path

import pytest

from engine.proxy import door as door_module
from engine.proxy import exchange as exchange_module
from engine.proxy import reception
from engine.proxy.door import Door
from tests.engine.proxy.booth import booth, request, until
from tests.engine.proxy.test_calls import CHAT, SAY, body
from tests.support.model_server import Fault, ModelServer, Say
from verifier.inside.relay import NAME

GOOD = request(CHAT, body("chat", False))


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reception, "_REFUSAL_SECONDS", 0.0)
    monkeypatch.setattr(door_module, "_PAUSE", 0.0)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere:443\r\n\r\n", 404),
        (b"GET http://elsewhere/v1/models HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET //elsewhere/v1/models HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"POST /v1/../../etc/passwd HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404),
        (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX: a\r\n b: c\rd\r\n\r\n", 400),
        (GOOD.replace(b"Host: x", b"Host: x\r\nX-A: b\nX-Api-Key: c\0"), 400),
        (GOOD.replace(b"Content-Length: ", b"Content-Length: 5\r\nContent-Length: "), 400),
        (GOOD.replace(b"Content-Length: ", b"Content-Length: -"), 400),
        (GOOD.replace(b"Host: x", b"Host: x\r\nTransfer-Encoding: chunked, gzip"), 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (request(CHAT, b"no JSON"), 400),
        (request(CHAT, b"\xff" * 1000), 400),
        (b"GET /v1/models HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 40_000 + b"\r\n", 400),
        (b"GET /v1/" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else str(value),
)
async def test_nonsense_is_answered_with_an_error_and_goes_nowhere(
    tmp_path: Path, data: bytes, status: int
) -> None:
    with ModelServer([SAY]) as server:
        async with booth(tmp_path, server) as made:
            answer = await made.say(data)
            assert (answer.status, answer.whole) == (status, True)
            assert answer.json()["error"]["message"]
            assert (await made.say(GOOD)).status == 200
    assert len(server.requests) == 1


async def test_a_body_has_a_limit_however_it_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reception, "MOST_BODY", 100_000)
    large = b'{"messages": "' + b"x" * 200_000 + b'"}'
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
    chunk = b"%x\r\n%s\r\n" % (len(large), large)
    with ModelServer([SAY]) as server:
        async with booth(tmp_path, server) as made:
            for data in (
                request(CHAT, large),
                head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n",
                head + b"Content-Length: 999999999999\r\n\r\n" + large,
            ):
                answer = await made.say(data)
                assert answer.status == 413
                assert "above 100000 bytes" in answer.json()["error"]["message"]
            small = b'{"messages": []}'
            chunk = b"%x\r\n%s\r\n" % (len(small), small)
            sent = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n"
            assert (await made.say(sent)).status == 200
    assert len(server.requests) == 1


async def test_a_client_that_asks_first_whether_it_may_send_is_told(tmp_path: Path) -> None:
    with ModelServer([SAY]) as server:
        async with booth(tmp_path, server) as made:
            reader, writer = await asyncio.open_unix_connection(str(made.path))
            head, _, content = GOOD.partition(b"\r\n\r\n")
            writer.write(head + b"\r\nExpect: 100-continue\r\n\r\n")
            assert b" 100 " in await reader.readline()
            writer.write(content)
            assert b" 200 " in await reader.read()
            writer.close()


async def test_a_second_request_on_a_connection_is_not_read(tmp_path: Path) -> None:
    with ModelServer([SAY]) as server:
        async with booth(tmp_path, server) as made:
            answer = await made.say(GOOD + GOOD)
            assert (answer.status, answer.whole) == (200, True)
            assert answer.headers["connection"] == "close"
    assert len(server.requests) == 1


async def test_an_old_client_gets_its_stream_without_chunks(tmp_path: Path) -> None:
    with ModelServer([SAY]) as server:
        async with booth(tmp_path, server) as made:
            asked = request(CHAT, body("chat", True)).replace(b"HTTP/1.1", b"HTTP/1.0")
            answer = await made.say(asked)
    assert "transfer-encoding" not in answer.headers
    assert answer.body.endswith(b"data: [DONE]\n\n")


async def test_who_says_nothing_makes_room_for_who_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "MOST_GUESTS", 8)
    with ModelServer(lambda *_: SAY) as server:
        async with booth(tmp_path, server) as made:
            idle = []
            for number in range(40):
                _, writer = await asyncio.open_unix_connection(str(made.path))
                writer.write(GOOD[: number * 3])  # a head that never ends, or a body
                idle.append(writer)
            answers = await asyncio.gather(*(made.say(GOOD) for _ in range(4)))
            assert [answer.status for answer in answers] == [200] * 4
            for writer in idle:
                writer.close()


async def test_whoever_has_asked_is_not_turned_out_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "MOST_GUESTS", 2)
    with ModelServer([Fault(say=Say(text="word " * 9), stall=60)] * 2) as server:
        async with booth(tmp_path, server) as made:
            asking = [
                asyncio.create_task(made.say(request(CHAT, body("chat", True)))) for _ in range(2)
            ]
            await until(lambda: len(server.requests) == 2)
            with contextlib.suppress(OSError):
                assert (await made.say(GOOD)).status == 0  # hung up on
            server._released.set()
            assert [(await a).whole for a in asking] == [True, True]


async def test_a_thousand_connections_leave_the_loop_free(tmp_path: Path) -> None:
    """As many as a program can open; the engine's other sessions share the loop with it."""
    with ModelServer(lambda *_: SAY) as server:
        async with booth(tmp_path, server) as made:

            async def open_and_leave(number: int) -> None:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_unix_connection(str(made.path))
                    writer.write(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n"[: number % 40])
                    writer.close()

            for batch in range(0, 1000, 100):
                await asyncio.gather(*(open_and_leave(n) for n in range(batch, batch + 100)))
            assert (await made.say(GOOD)).status == 200
            await until(lambda: len(made.guests._here) == 0)


async def test_an_answer_that_nobody_reads_is_counted_and_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_module, "MOST_UNSENT", 100_000)
    with ModelServer([Say(text="word " * 500_000), SAY], chunk=1 << 16) as server:
        async with booth(tmp_path, server) as made:
            _, writer = await asyncio.open_unix_connection(str(made.path))
            writer.write(request(CHAT, body("chat", True)))
            await until(lambda: made.session.facts.usage.turns == 1)
            writer.close()
            assert (await made.say(GOOD)).status == 200


async def test_nobody_but_the_sandboxs_uid_is_received(tmp_path: Path) -> None:
    with ModelServer([]) as server:
        async with booth(tmp_path, server, uid=os.geteuid() + 1) as made:
            with contextlib.suppress(OSError):
                answer = await made.say(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
                assert answer.status == 0
    assert server.requests == []


def test_the_socket_is_for_its_owner_alone_and_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / ("f" * 150)  # longer than a socket's path may be
    folder.mkdir()
    door = Door(folder, os.geteuid())
    with door.open():
        first = (folder / NAME).lstat()
        assert stat.S_ISSOCK(first.st_mode)
        assert stat.S_IMODE(first.st_mode) == 0o600
        assert first.st_uid == os.geteuid()
    with door.open():
        assert stat.S_ISSOCK((folder / NAME).lstat().st_mode)
    (folder / NAME).unlink()
    (folder / NAME).symlink_to("/etc/passwd")
    with door.open():
        assert stat.S_ISSOCK((folder / NAME).lstat().st_mode)
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(OSError, match=r"irectory|symbolic"):
        Door(tmp_path / "link", os.geteuid()).open()
