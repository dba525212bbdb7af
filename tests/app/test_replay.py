"""A run looked at again: any moment of it, on every screen, without an engine."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autolab_tui.replay.app import ReplayApp
from autolab_tui.replay.client import ReplayClient
from autolab_tui.replay.store import ReplayStore
from autolab_tui.screens.fleet import FleetScreen
from autolab_tui.screens.session import SessionScreen
from engine.clock import Clock
from engine.events import Event, GpuMinute, GpusNoted, GpusSampled, LeaseGranted, Noted
from engine.journal import Journal as Stored
from engine.offline import recordings
from engine.offline.recordings import Recording
from engine.offline.snapshots import OfflineError
from engine.state import State, reduce
from tests.app.conftest import Desk
from tests.app.journal import BOOT, Journal, three_sessions
from verifier.gpus.device import Gpu


def recording(folder: Path, journal: Journal | None = None) -> Recording:
    events = (journal or three_sessions()).events
    return Recording(folder, "r-20251124-1600", events)


def folded(events: list[Event], until: float) -> State:
    state, latest = State(), float("-inf")
    for event in events:
        latest = max(latest, event.at)
        if latest > until:
            break
        reduce(state, event)
    return state


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-0.1, 1.1), min_size=1, max_size=8), st.integers(1, 7))
def test_any_moment_is_as_it_was_whichever_way_one_goes(shares: list[float], every: int) -> None:
    journal = three_sessions()
    before = recordings._EVERY
    recordings._EVERY = every
    try:
        found = recording(Path("/nowhere"), journal)
        for share in shares:
            at = found.start + share * (found.end - found.start)
            assert found.at(at) == folded(journal.events, at)
    finally:
        recordings._EVERY = before


def test_a_clock_that_was_set_back_loses_no_event() -> None:
    journal = three_sessions()
    late = [
        Event(e.engine, e.seq, e.at - (3600 if n > 20 else 0), e.boot, e.stamp, e.session, e.body)
        for n, e in enumerate(journal.events)
    ]
    found = Recording(Path("/nowhere"), "r", late)
    assert found.at(found.end).seq == len(late)
    assert found.end >= found.start


def test_a_run_is_read_out_of_a_journal_of_several(tmp_path: Path) -> None:
    stored = Stored(tmp_path / "journal.sqlite3")
    last = None
    for run in ("r-1", "r-2"):
        journal = Journal()
        journal.run(run, [f"s-{run}"])
        journal.create(f"s-{run}", run=run)
        journal.start(f"s-{run}")
        journal.verdict(f"s-{run}", 10, 0.25, speedup=2.0)
        for event in journal.events:
            last = stored.append(event.body, event.session)
    assert last is not None
    last.result(10)
    stored.close()
    found = Recording.open(tmp_path, "r-1")
    state = found.at(found.end)
    assert list(state.sessions) == ["s-r-1"]
    assert list(state.runs) == ["r-1"]
    assert len(found.verdicts) == 1
    (verdict,) = found.verdicts_of("s-r-1", found.end)
    assert verdict["reward"] == 0.25
    assert found.verdicts_of("s-r-1", found.start - 1) == []
    assert Recording.open(tmp_path, "r-*").run == "r-2"
    with pytest.raises(OfflineError, match="no run matches 'r-9'"):
        Recording.open(tmp_path, "r-9")
    with pytest.raises(OfflineError, match="no journal"):
        Recording.open(tmp_path / "else", "r-1")


@asynccontextmanager
async def replaying(tmp_path: Path, size: tuple[int, int]) -> AsyncIterator[Desk]:
    now = [100.0]
    clock = Clock(boot=lambda: BOOT, now=lambda: now[0], wall=lambda: 1_800_000_000.0)
    app = ReplayApp(recording(tmp_path), clock=clock, config=tmp_path / "config")
    app.passed = now  # type: ignore[attr-defined]
    async with app.run_test(size=size, notifications=True) as pilot:
        at = Desk(app, pilot)
        await pilot.pause()
        app.draw()
        await pilot.pause()
        yield at


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_keys_move_the_moment_on_every_screen(tmp_path: Path, size: tuple[int, int]) -> None:
    async with replaying(tmp_path, size) as at:
        assert isinstance(at.app.screen, FleetScreen)
        text = at.text()
        assert "replay" in text and "3:50 of 3:50" in text and "1 of 3 finished" in text
        await at.press("left_curly_bracket")
        assert "0:00 of" in at.text()
        assert "0 of 3 finished" in at.text()
        for _ in range(2):
            await at.press("greater_than_sign")
        await at.press("right_curly_bracket", "less_than_sign")
        assert "3:38 of" in at.text()
        await at.press("g", "enter")
        screen = at.app.screen
        assert isinstance(screen, SessionScreen)
        before = at.text()
        await at.press("left_curly_bracket", *["greater_than_sign"] * 2)
        assert at.text() != before
        await at.press("escape", "3")
        await at.until(lambda: "leaderboard" in at.text() or "scores" in at.text(), "the board")


async def test_time_passes_while_it_plays_and_stops_at_the_end(tmp_path: Path) -> None:
    async with replaying(tmp_path, (120, 40)) as at:
        store = at.app.replayed  # type: ignore[attr-defined]
        await at.press("P")
        begun = store.position
        assert begun == store.recording.start
        at.app.passed[0] += 1.0  # type: ignore[attr-defined]
        at.app.draw()
        assert store.position == begun + 60.0
        at.app.passed[0] += 3600.0  # type: ignore[attr-defined]
        at.app.draw()
        assert store.position == store.recording.end
        assert not store.playing


async def test_orders_are_refused_and_no_thread_is_left(tmp_path: Path) -> None:
    async with replaying(tmp_path, (120, 40)) as at:
        await at.press("p")
        await at.until(lambda: "this is a replay" in at.text(), "the refusal")
    assert not (tmp_path / "config" / "app.toml").exists()
    assert not [t for t in threading.enumerate() if t.name == "engine-link" and t.is_alive()]


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_the_key_line_and_the_help_have_the_keys_of_time_and_no_orders(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with replaying(tmp_path, size) as at:
        keys = at.text().splitlines()[-1]
        assert "P play" in keys and "( ) move" in keys and "< > verdicts" in keys
        assert "stop" not in keys and "pause" not in keys
        await at.press("question_mark")
        assert "Let time pass" in at.text()
        assert "(asks first)" not in at.text()


async def test_gpus_are_shown_by_the_minutes_that_the_journal_has(tmp_path: Path) -> None:
    journal = three_sessions()
    journal.write(
        LeaseGranted(gpus=(Gpu("GPU-a", "NVIDIA H100", 0),), shared=False), session="s-rising"
    )
    for use in (10.0, 90.0):
        journal.wait(60)
        row = GpuMinute("GPU-a", (0.0, use, 100.0), memory=(1.0, 2.0, 3.0), name="NVIDIA H100")
        journal.write(GpusSampled(seconds=60.0, gpus=(row,)))
    journal.wait(498)
    noted = GpusNoted(device="GPU-a", name="NVIDIA H100", state="lost: it fell off the bus")
    journal.write(noted)
    journal.write(GpusNoted(device="GPU-b", name="NVIDIA H100", state="silent: timeout"))
    journal.write(GpusNoted(device="GPU-c", name="NVIDIA H100", state="silent: timeout"))
    journal.write(GpusNoted(device="GPU-c", name="NVIDIA H100", state="ok"))
    journal.wait(2)
    journal.write(Noted(text="the end"))
    found = recording(Path("/nowhere"), journal)
    store = ReplayStore(found, Clock())
    client = ReplayClient(store)
    store.seek(found.start)
    assert "nothing of GPUs" in client.gpus()["reading"]["trouble"]
    store.seek(found.end - 501)  # the last minute but a second
    (gpu,) = client.gpus()["reading"]["gpus"]
    assert (gpu["utilization"], gpu["leases"], gpu["name"]) == (10, ("s-rising",), "NVIDIA H100")
    store.seek(found.end - 499)
    answer = client.gpus(900)
    (gpu,) = answer["reading"]["gpus"]
    assert gpu["utilization"] == 90
    assert answer["history"]["GPU-a"]["utilization"][-10:] == [100.0] * 10
    assert answer["history"]["GPU-a"]["utilization"][0] is None
    store.seek(found.end - 1)
    (lost, other) = client.gpus(900)["reading"]["gpus"]
    assert (lost["standing"], lost["trouble"], lost["index"]) == ("lost", "it fell off the bus", 0)
    assert lost["leases"] == ("s-rising",) and lost["utilization"] is None
    assert (other["standing"], other["index"]) == ("silent", 1)
    app = ReplayApp(found, config=tmp_path)
    app.store.seek(found.end - 499)
    async with app.run_test(size=(100, 30)) as pilot:
        at = Desk(app, pilot)
        await at.press("5")
        await at.until(lambda: "0 H100" in at.text(), "the device")
        assert "90%" in at.text() and "s-rising" in at.text()


async def test_of_a_damaged_journal_the_rest_is_replayed_and_that_is_said(tmp_path: Path) -> None:
    said = ["event 9 cannot be read. What follows is as of event 8, 2025, before the damage"]
    app = ReplayApp(recording(tmp_path), config=tmp_path / "config", said=said)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        at = Desk(app, pilot)
        await at.until(lambda: "The journal is damaged" in at.text(), "the remark")
        assert "as of event 8" in at.text() and "median_filter" in at.text()
