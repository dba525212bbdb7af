"""Checkpoints: what is loaded is what a whole fold gives, or nothing. Real journals throughout."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import offline
from engine.api.picture import Picture, StatusPicture
from engine.clock import Clock
from engine.events import Event, Noted
from engine.journal import Journal, checkpoints
from engine.journal.checkpointing import Checkpointer
from engine.journal.view import View
from engine.objects import status_object
from engine.paths import journal_file
from engine.state import State, reduce
from tests.engine.state.test_state_fold import as_json, fold, histories
from tests.engine.support import EngineProcess, running_engine, wait_for

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def written(path: Path, events: Sequence[Event]) -> list[Event]:
    """The bodies of a history in a real journal, as it stored them."""
    journal = Journal(path)
    for event in events:
        journal.append(event.body, event.session)
    journal.close()
    return list(journal.events())


def keep(path: Path, events: Sequence[Event]) -> bytes:
    state = as_json(fold(State(), list(events)))
    checkpoints.save(path, events[-1].seq, state)
    return state


@given(histories(), st.data())
@settings(max_examples=60)
def test_a_checkpoint_and_the_rest_give_the_whole(events: list[Event], data: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j.sqlite3"
        stored = written(path, events)
        cut = data.draw(st.integers(1, len(stored)))
        keep(path, stored[:cut])
        loaded = checkpoints.load(path)
        assert loaded.seq == cut
        assert as_json(fold(loaded, stored[cut:])) == as_json(fold(State(), stored))


@given(histories(), st.data())
@settings(max_examples=60)
def test_damage_costs_the_checkpoint_and_never_gives_another_state(
    events: list[Event], data: Any
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j.sqlite3"
        kept = keep(path, written(path, events))
        file = checkpoints.checkpoint_file(path)
        whole = bytearray(file.read_bytes())
        at = data.draw(st.integers(0, 10**9)) % len(whole)  # its length varies with the time
        if data.draw(st.booleans()):
            whole[at] ^= data.draw(st.integers(1, 255))
        else:
            del whole[at:]
        file.write_bytes(whole)
        assert as_json(checkpoints.load(path)) in (as_json(State()), kept)


@given(histories(), st.data())
def test_a_picture_is_what_encoding_the_state_gives(events: list[Event], data: Any) -> None:
    begun = data.draw(st.integers(0, len(events)))
    state = fold(State(), events[:begun])
    picture = Picture(state)
    while begun < len(events):
        end = data.draw(st.integers(begun + 1, len(events)))
        fold(state, events[begun:end])
        picture.note(events[begun:end])
        assert picture.json() == as_json(state)
        begun = end
    assert picture.json() == as_json(state)


@given(histories(), st.data())
def test_a_status_picture_is_what_encoding_the_status_gives(events: list[Event], data: Any) -> None:
    begun = data.draw(st.integers(0, len(events)))
    state = fold(State(), events[:begun])
    picture = StatusPicture(state, forecast_seconds=0.0)
    now, boot = 0.0, data.draw(st.sampled_from(["b1", "b2"]))
    clock = Clock(lambda: boot, lambda: now, lambda: now)
    while True:
        for _ in range(2):
            now += data.draw(st.floats(0, 1000))
            expected = msgspec.json.encode(status_object(state, None, clock))
            assert picture.json(None, clock) == expected
        if begun == len(events):
            return
        end = data.draw(st.integers(begun + 1, len(events)))
        fold(state, events[begun:end])
        picture.note(events[begun:end])
        begun = end


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of a hundred remarks, with a checkpoint of the last."""
    path = tmp_path / "j.sqlite3"
    notes = [Event("e", 0, 0, "b", 0, None, Noted(text=str(n))) for n in range(100)]
    keep(path, written(path, notes))
    assert checkpoints.load(path).seq == 100
    return path


def test_it_is_private_and_replaces_the_one_before(journal: Path) -> None:
    file = checkpoints.checkpoint_file(journal)
    assert file.stat().st_mode & 0o777 == 0o600
    keep(journal, written(journal, [Event("e", 0, 0, "b", 0, None, Noted(text="more"))]))
    assert checkpoints.load(journal).seq == 101
    assert not list(journal.parent.glob("*.new"))


def test_one_of_another_reducer_is_passed_over(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "reducer", lambda: "of another version")
    assert checkpoints.load(journal) == State()
    monkeypatch.setattr(checkpoints, "reducer", lambda: "")
    assert checkpoints.load(journal) == State()


def test_one_beyond_the_journal_is_passed_over(journal: Path) -> None:
    with closing(sqlite3.connect(journal)) as db, db:
        db.execute("DELETE FROM events WHERE seq > 40")
    assert checkpoints.load(journal) == State()


def test_one_of_another_journal_is_passed_over(journal: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite3"
    notes = [Event("e", 0, 0, "b", 0, None, Noted(text=str(n))) for n in range(100)]
    written(other, notes)
    checkpoints.checkpoint_file(journal).rename(checkpoints.checkpoint_file(other))
    assert checkpoints.load(other) == State()
    checkpoints.checkpoint_file(other).write_bytes(b"\xff\n{}")
    assert checkpoints.load(other) == State()
    checkpoints.checkpoint_file(other).unlink()
    assert checkpoints.load(other) == State()


def test_the_fingerprint_is_of_all_that_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(checkpoints.__file__).parents[2]
    modules = [
        "engine/state/reducer.py",
        "engine/events/work.py",
        "engine/clock.py",
        "verifier/verdict.py",
    ]
    read: list[Path] = []
    plain = Path.read_bytes

    def noticed(path: Path) -> bytes:
        read.append(path)
        return plain(path)

    monkeypatch.setattr(Path, "read_bytes", noticed)
    assert checkpoints.reducer.__wrapped__() == checkpoints.reducer()
    assert {root / name for name in modules} <= set(read)
    monkeypatch.setattr(Path, "read_bytes", lambda path: plain(path) + b"\n")
    assert checkpoints.reducer.__wrapped__() != checkpoints.reducer()


async def following(path: Path, count: int) -> tuple[Journal, View, Checkpointer]:
    journal = Journal(path)
    view = View(journal, asyncio.get_running_loop(), checkpoints.load(path))
    picture = Picture(view.state)
    view.listen(picture.note)
    saved = view.state.seq
    checkpointer = Checkpointer(path, lambda: view.state.seq, picture.json, saved, look=0.02)
    last = [journal.append(Noted(text=str(n))) for n in range(count)][-1]
    await asyncio.wrap_future(last)
    return journal, view, checkpointer


async def test_one_is_written_when_events_stop_coming(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite3"
    journal, view, checkpointer = await following(path, 600)
    working = asyncio.create_task(checkpointer.work())
    async with asyncio.timeout(20):
        while checkpoints.load(path).seq < 600:  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.02)
    assert as_json(checkpoints.load(path)) == as_json(view.state)
    working.cancel()
    journal.close()


async def test_one_that_cannot_be_written_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "j.sqlite3"
    journal, view, checkpointer = await following(path, 3)
    obstacle = checkpoints.checkpoint_file(path).with_suffix(".checkpoint.new")
    obstacle.mkdir()
    await checkpointer.save()
    await checkpointer.save()
    assert caplog.text.count("no checkpoint could be written") == 1
    assert checkpoints.load(path) == State()
    obstacle.rmdir()
    await checkpointer.save()
    assert checkpoints.load(path).seq == view.state.seq == 3
    journal.close()


def test_an_engine_starts_from_it_and_so_does_status(tmp_path: Path) -> None:
    state = tmp_path / "state"

    def seen(engine: EngineProcess) -> bytes:
        return as_json(engine.client.state())

    with running_engine(state) as engine:
        engine.client.shutdown()
        path = journal_file(state)
        assert checkpoints.load(path).seq == 2  # started, stopped
        journal = Journal(path)
        for n in range(700):
            journal.append(Noted(text=str(n)))
        journal.close()
        engine.restart()
        wait_for(lambda: checkpoints.load(path).seq == 703)
        engine.kill()  # nothing more is written; 703 events are in the checkpoint
        checkpointed = offline.status(state)
        engine.restart()
        wait_for(lambda: engine.client.state().seq == 704)
        with_checkpoint = seen(engine)
        engine.kill()
        checkpoints.checkpoint_file(path).write_bytes(os.urandom(4096))
        engine.restart()
        wait_for(lambda: engine.client.state().seq == 705)  # it has said that it started
        folded = State()
        for event in Journal(path).events():
            reduce(folded, event)
            if event.seq == 704:
                assert as_json(folded) == with_checkpoint
        assert seen(engine) == as_json(folded)
        engine.kill()
        with suppress(FileNotFoundError):
            checkpoints.checkpoint_file(path).unlink()
        without = offline.status(state)
        assert checkpointed is not None
        assert without is not None
        assert checkpointed["runs"] == without["runs"]
        assert checkpointed["sessions"] == without["sessions"]
