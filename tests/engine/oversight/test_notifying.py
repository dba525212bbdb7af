"""News for an operator who is away: over a real HTTP server, once, no address in any log."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from engine.clock import Clock
from engine.events import AlertRaised, Event, SessionMoved
from engine.oversight.notifying import Notifier, news
from engine.settings import NotifySettings
from engine.state import State
from tests.app.journal import BOOT, Journal


class Receiver(HTTPServer):
    """Keeps what Apprise's JSON notifications say; answers with `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[dict[str, Any]] = []
        self.status = 200

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server_port}/hook-token"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


def two_alerts() -> tuple[State, list[Event]]:
    journal = Journal()
    journal.engine()
    journal.run("r-1", ["s-1"])
    journal.create("s-1")
    journal.start("s-1")
    journal.alert("s-1", "no better for an hour")
    journal.alert("s-1", "gate correct\x1b[31m fails", "gate_failing")
    raised = [e for e in journal.events if isinstance(e.body, AlertRaised)]
    return journal.state(), raised


def notifier(
    urls: tuple[str, ...], told: list[str], now: list[float] | None = None, **more: Any
) -> Notifier:
    at = now or [1000.0]
    clock = Clock(boot=lambda: BOOT, now=lambda: at[0], wall=lambda: at[0])
    secret = tuple(SecretStr(url) for url in urls)
    settings = NotifySettings(urls=secret, **{"gather_seconds": 0.05, **more})
    return Notifier(settings, clock, told.append)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - what is awaited happens on other threads
            await asyncio.sleep(0.02)


async def sent(notifier: Notifier, enough: Callable[[], object]) -> None:
    working = asyncio.create_task(notifier.work())
    try:
        await until(enough)
    finally:
        working.cancel()


async def test_what_happens_together_is_one_message(receiver: Receiver) -> None:
    state, raised = two_alerts()
    told: list[str] = []
    away = notifier((receiver.url,), told)
    for event in raised:
        away.hear(state, event)
    await sent(away, lambda: receiver.got)
    (message,) = receiver.got
    assert message["title"] == "AutoLab: 2 news"
    assert "no better for an hour" in message["message"]
    assert "\x1b" not in message["message"]
    assert told == []


async def test_who_sits_at_the_screen_is_not_written_to(receiver: Receiver) -> None:
    state, raised = two_alerts()
    told: list[str] = []
    now = [1000.0]
    here = notifier((receiver.url,), told, now)
    here.seen()
    here.hear(state, raised[0])
    working = asyncio.create_task(here.work())
    await until(here._news.empty)
    await asyncio.sleep(0.2)
    assert receiver.got == []
    now[0] += 301.0
    assert here.away
    here.hear(state, raised[1])
    await until(lambda: receiver.got)
    working.cancel()
    assert "gate correct" in receiver.got[0]["message"]
    assert "no better" not in receiver.got[0]["message"]


async def test_a_refused_message_is_told_once_and_names_no_address(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.status = 403
    state, raised = two_alerts()
    told: list[str] = []
    away = notifier((receiver.url,), told, when="always")
    away.hear(state, raised[0])
    await sent(away, lambda: told)
    away.hear(state, raised[1])
    await sent(away, lambda: len(receiver.got) > 1)
    assert told == [
        "notify.urls entry 1 did not take a notification; it is not sent again, "
        "the news is in the feed"
    ]
    assert "hook-token" not in caplog.text


async def test_an_address_that_is_none_is_named_by_its_number(receiver: Receiver) -> None:
    state, raised = two_alerts()
    told: list[str] = []
    away = notifier(("nonsense-token", receiver.url), told)
    away.hear(state, raised[0])
    await sent(away, lambda: told)
    assert len(receiver.got) == 1  # the good one got it all the same
    assert told == ["notify.urls entry 1 is no address that Apprise knows; mend it"]


async def test_without_apprise_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    state, raised = two_alerts()
    told: list[str] = []
    away = notifier(("json://127.0.0.1:1",), told)
    away.hear(state, raised[0])
    await sent(away, lambda: told)
    assert "pip install 'autolab-tui[notify]'" in told[0]


def test_the_end_of_a_run_is_news_and_a_turn_is_not() -> None:
    journal = Journal()
    journal.engine()
    journal.run("r-1", ["s-1"])
    journal.create("s-1")
    journal.start("s-1")
    journal.turn("s-1", 1)
    assert all(news(journal.state(), event) is None for event in journal.events)
    journal.end("s-1", 0.25, "ended", "it was done")
    last = journal.events[-1]
    assert isinstance(last.body, SessionMoved)
    assert news(journal.state(), last) == ("run r-1 is over: 1 sessions, mean final reward 0.250")


def test_settings_never_show_an_address() -> None:
    settings = NotifySettings(urls=(SecretStr("tgram://token/chat"),))
    assert "token" not in repr(settings)
    assert "token" not in settings.model_dump_json()
