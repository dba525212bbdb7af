"""An engine's API on a socket, and the app on it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from autolab_tui.app import AutolabApp
from engine.client import EngineClient
from tests.app.journal import Journal, three_sessions
from tests.app.served import EngineServer, serve, still_clock

PATIENCE = 10.0


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times of day do not depend on where the tests run."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """A path that is short enough for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="al-") as folder:
        yield Path(folder) / "s"


@pytest.fixture
def journal() -> Journal:
    return three_sessions()


@pytest.fixture
def engine(socket_path: Path, journal: Journal) -> Iterator[EngineServer]:
    with serve(socket_path, journal) as server:
        yield server


async def until(pilot: Pilot[None], true: Callable[[], object], what: str = "") -> None:
    """Wait, in the app, until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"never came true: {what or true}")
        await pilot.pause(0.02)


class Desk:
    """The app on a served journal, as an operator has it before them."""

    def __init__(self, app: AutolabApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()
        self.app.draw()
        await self.pilot.pause()

    async def until(self, true: Callable[[], object], what: str = "") -> None:
        def drawn() -> object:
            self.app.draw()
            return true()

        await until(self.pilot, drawn, what)
        await self.pilot.pause()

    def text(self) -> str:
        """The screen as characters."""
        screen = self.app.screen
        strips = screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)


@pytest.fixture
def desk(engine: EngineServer, tmp_path: Path):  # type: ignore[no-untyped-def]
    """`async with desk(size=..., ...) as at:` opens the app and waits for the first data."""

    @asynccontextmanager
    async def opened(
        size: tuple[int, int] = (80, 24), loaded: bool = True, **options: object
    ) -> AsyncIterator[Desk]:
        client = EngineClient(Path(engine.server_address))  # type: ignore[arg-type]
        options = {"clock": still_clock(engine.journal), "config": tmp_path, **options}
        app = AutolabApp(client, **options)  # type: ignore[arg-type]
        async with app.run_test(size=size, notifications=True) as pilot:
            at = Desk(app, pilot)
            if loaded:
                await at.until(lambda: app.store.loaded and app.store.beats, "first data")
            yield at

    return opened
