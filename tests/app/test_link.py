"""The link reads a real server on a real socket, through breaks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autolab_tui import link as link_module
from autolab_tui.link import Link
from autolab_tui.store import Store
from engine.client import EngineClient
from engine.clock import Clock
from engine.events import Noted
from tests.app.journal import Journal
from tests.app.served import EngineServer, serve


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "FIRST_RETRY", 0.02)
    monkeypatch.setattr(link_module, "LAST_RETRY", 0.05)


class Reader:
    """A link and a store that takes from it."""

    def __init__(self, path: Path) -> None:
        self.wakes = 0
        self.link = Link(EngineClient(path), self._woken)
        self.store = Store(Clock())

    def _woken(self) -> None:
        self.wakes += 1

    def until(self, true: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + 10
        while True:
            self.store.absorb(self.link.take())
            if true():
                return
            assert time.monotonic() < deadline, f"never came true: {what}"
            time.sleep(0.01)


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    reader = Reader(path)
    reader.link.start()
    try:
        yield reader
    finally:
        reader.link.stop()
        assert not any(t.name == "engine-link" for t in threading.enumerate())


def same(reader: Reader, journal: Journal) -> bool:
    return reader.store.state == journal.state()


def test_it_takes_the_state_and_follows(engine: EngineServer, socket_path: Path) -> None:
    with reading(socket_path) as reader:
        reader.until(lambda: reader.store.loaded, "the state")
        reader.until(lambda: engine.followers, "the stream")
        for number in range(50):
            engine.publish(Noted(text=f"note {number}"))
        reader.until(lambda: reader.store.state.seq == len(engine.journal.events), "all events")
        assert same(reader, engine.journal)
        assert reader.store.health().standing == "live"


def test_an_overlapping_stream_changes_nothing(engine: EngineServer, socket_path: Path) -> None:
    engine.overlap = 25
    with reading(socket_path) as reader:
        reader.until(lambda: reader.store.beats, "a heartbeat")
        engine.publish(Noted(text="after"))
        reader.until(lambda: reader.store.state.seq == len(engine.journal.events), "the event")
        assert same(reader, engine.journal)


def test_it_wakes_its_owner_once_for_a_batch(engine: EngineServer, socket_path: Path) -> None:
    engine.beat = 60
    with reading(socket_path) as reader:
        reader.until(lambda: reader.store.beats, "a heartbeat")
        before = reader.wakes
        for number in range(200):
            engine.publish(Noted(text=f"note {number}"))
        deadline = time.monotonic() + 10
        while len(reader.link._batch.events) < 200:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert reader.wakes == before + 1


def test_a_sign_of_life_is_no_news_and_an_event_is(engine: EngineServer, socket_path: Path) -> None:
    with reading(socket_path) as reader:
        reader.until(lambda: reader.store.beats > 1, "the stream")
        while reader.link.has_news:
            reader.store.absorb(reader.link.take())
        beats = reader.store.beats
        deadline = time.monotonic() + 10
        while not reader.link._batch.heartbeat and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not reader.link.has_news
        engine.publish(Noted(text="hello"))
        while not reader.link.has_news and time.monotonic() < deadline:
            time.sleep(0.01)
        assert reader.link.has_news
        reader.store.absorb(reader.link.take())
        assert reader.store.beats > beats and not reader.link.has_news


def test_it_comes_back_after_a_cut_and_missed_nothing(
    engine: EngineServer, socket_path: Path
) -> None:
    with reading(socket_path) as reader:
        reader.until(lambda: reader.store.beats, "a heartbeat")
        for round_ in range(3):
            engine.cut()
            engine.publish(Noted(text=f"while away {round_}"))
        reader.until(lambda: same(reader, engine.journal), "the same state")
        reader.until(lambda: reader.store.health().standing == "live", "live again")


def test_an_engine_that_goes_and_comes_back(journal: Journal, socket_path: Path) -> None:
    with reading(socket_path) as reader:
        reader.until(lambda: reader.store.health().standing == "down", "down at first")
        assert "autolab engine start" in reader.store.health().reason
        with serve(socket_path, journal):
            reader.until(lambda: reader.store.health().standing == "live", "live")
        reader.until(lambda: reader.store.health().standing == "down", "down")
        assert same(reader, journal), "what was seen stays"
        journal.write(Noted(text="while nobody served"))
        with serve(socket_path, journal):
            reader.until(lambda: same(reader, journal), "the newer state")


def test_a_refusing_engine_is_told_of(engine: EngineServer, socket_path: Path) -> None:
    engine.refuse["state"] = (503, "the journal cannot be read: disk full")
    with reading(socket_path) as reader:
        reader.until(lambda: "disk full" in reader.store.health().reason, "the reason")


def test_nonsense_from_the_socket_does_not_end_the_link(
    engine: EngineServer, socket_path: Path
) -> None:
    engine.refuse["events"] = (200, "no stream of events")
    with reading(socket_path) as reader:
        reader.until(lambda: reader.store.health().standing == "down", "the break is seen")
        del engine.refuse["events"]
        reader.until(lambda: reader.store.health().standing == "live", "live")
        reader.until(lambda: same(reader, engine.journal), "the state after all")


def test_stopping_while_it_waits_is_prompt(socket_path: Path) -> None:
    with reading(socket_path) as reader:
        reader.until(lambda: reader.store.health().standing == "down", "down")
