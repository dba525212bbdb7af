"""A run of 1,836 sessions: its screens, and that only rows that are seen are painted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autolab_tui.app import AutolabApp
from autolab_tui.roles import Line
from autolab_tui.screens.fleet import FleetScreen
from autolab_tui.views import fleet
from autolab_tui.views.rows import Flat, Painted
from engine.client import EngineClient
from tests.app.conftest import Desk
from tests.app.journal import Journal
from tests.app.served import serve, still_clock

TASKS, MODELS, ATTEMPTS = 36, 17, 3
SIZE = (200, 50)


@pytest.fixture(scope="module")
def large() -> Journal:
    journal = Journal()
    journal.engine()
    names = [f"s-{n:04}" for n in range(TASKS * MODELS * ATTEMPTS)]
    journal.run("r-1", names)
    for n, name in enumerate(names):
        task, model = f"task_{n % TASKS:02}", f"acme/model-{n // TASKS % MODELS:02}"
        journal.create(name, task, model, "r-1", active=7200.0)
        journal.start(name)
        for step in range(3):
            journal.verdict(name, 30.0 * (step + 1), (n % 7 + step) / 50, speedup=1.5 + step)
        if n % 4:
            journal.verdict(name, 110, 0.2 + (n % 9) / 30, stage="final", speedup=2.0)
            journal.end(name, 0.2 + (n % 9) / 30, "ended", "done")
    return journal


@asynccontextmanager
async def opened(path: Path, journal: Journal, config: Path) -> AsyncIterator[Desk]:
    with serve(path, journal) as server:
        server.beat = 3600
        app = AutolabApp(EngineClient(path), clock=still_clock(journal), config=config)
        async with app.run_test(size=SIZE, notifications=True) as pilot:
            at = Desk(app, pilot)
            await at.until(lambda: app.store.loaded and app.store.beats, "first data")
            await at.until(lambda: app.screen.focused is not None, "something to move in")
            assert len(app.store.state.sessions) == TASKS * MODELS * ATTEMPTS
            yield at


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The sessions whose rows were painted, in order."""
    found: list[str] = []
    paint = fleet._row

    def counted(session, *rest):  # type: ignore[no-untyped-def]
        found.append(session.id)
        return paint(session, *rest)

    monkeypatch.setattr(fleet, "_row", counted)
    yield found


async def test_a_frame_paints_the_rows_that_are_seen(
    socket_path: Path, tmp_path: Path, large: Journal, painted: list[str]
) -> None:
    async with opened(socket_path, large, tmp_path) as at:
        for keys in ((), ("G",), ("s",), ("v",), ("g", "enter"), ("v", "v", "v", "v", "v")):
            await at.press(*keys)
            painted.clear()
            at.app.draw()  # and nothing awaited, so that no other frame is counted
            # The lines that were, compared with those that are.
            assert 0 < len(painted) <= 2 * SIZE[1], keys
        await at.press("slash", *"task_07", "enter")
        assert isinstance(at.app.screen, FleetScreen)
        assert len(at.app.screen._table.identities) == MODELS * ATTEMPTS
        await at.press("2")
        painted.clear()
        at.app.draw()
        assert painted == []  # nobody sees the fleet
        await at.press("1")
        await at.until(lambda: painted, "the fleet again")


async def test_every_screen_of_a_large_run_opens(
    socket_path: Path, tmp_path: Path, large: Journal
) -> None:
    async with opened(socket_path, large, tmp_path) as at:
        await at.press("3")
        await at.until(lambda: "model-16" in at.text(), "the leaderboard")
        for keys in (("tab",), ("tab",), ("4",), ("2",), ("5",), ("6",), ("1", "enter"), ("q",)):
            await at.press(*keys)
        assert isinstance(at.app.screen, FleetScreen)
        assert "1836" in at.text().replace(",", "")


@given(st.lists(st.lists(st.text(max_size=3), min_size=1, max_size=3), max_size=6))
def test_rows_one_after_the_other_are_their_lines(texts: list[list[str]]) -> None:
    rows = [tuple(((text, "text"),) for text in one) for one in texts]
    asked: list[int] = []

    def paint(n: int) -> tuple[Line, ...]:
        asked.append(n)
        return rows[n]  # type: ignore[return-value]

    late = [(str(n), Painted(len(r), lambda n=n: paint(n))) for n, r in enumerate(rows)]  # type: ignore[misc]
    flat = Flat(late)
    expected = [line for row in rows for line in row]
    assert len(flat) == len(expected)
    assert asked == []
    assert list(flat) == expected
    assert flat[-2:] == expected[-2:]
    assert sorted(asked) == list(range(len(rows)))
