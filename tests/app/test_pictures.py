"""Pictures of the screens at the sizes and in the themes that people use, against a still clock.

After a wanted change of looks: `pytest tests/app/test_pictures.py --snapshot-update`, look at each
picture, and commit it with the change.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from autolab_tui.app import AutolabApp
from autolab_tui.screens.fleet import FleetScreen
from autolab_tui.screens.session import SessionScreen
from engine.client import EngineClient
from tests.app.conftest import until
from tests.app.journal import Journal
from tests.app.served import EngineServer, serve, still_clock

SIZES = [(80, 24), (200, 50)]
THEMES = ["autolab-dark", "autolab-light"]


def shown(server: EngineServer, folder: Path, theme: str, **options: Any) -> AutolabApp:
    server.beat = 60  # the pulse stands still after the first heartbeat
    client = EngineClient(Path(str(server.server_address)))
    clock = still_clock(server.journal)
    return AutolabApp(client, clock=clock, config=folder, theme=theme, **options)


async def settled(pilot: Pilot[None]) -> AutolabApp:
    app = pilot.app
    assert isinstance(app, AutolabApp)
    await until(pilot, lambda: app.store.loaded, "the state")

    def beaten() -> bool:
        app.draw()
        return app.store.beats == 1

    await until(pilot, beaten, "the first heartbeat")

    def reckoned() -> bool:
        app.draw()
        home = app.screen_stack[0]
        return not isinstance(home, FleetScreen) or home.outlook_known

    await until(pilot, reckoned, "the outlook")
    await pilot.pause()
    app.draw()
    await pilot.pause()
    return app


async def session(pilot: Pilot[None]) -> None:
    app = await settled(pilot)
    await pilot.press("j", "enter")
    screen = app.screen
    assert isinstance(screen, SessionScreen)

    def read() -> bool:
        app.draw()
        return len(screen.transcript.identities) == 9 or not screen.transcript.size.width

    await until(pilot, read, "the transcript")
    await pilot.pause()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_fleet(
    snap_compare: Any, engine: EngineServer, tmp_path: Path, size: tuple[int, int], theme: str
) -> None:
    app = shown(engine, tmp_path, theme)
    assert snap_compare(app, terminal_size=size, run_before=settled)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_session(
    snap_compare: Any, engine: EngineServer, tmp_path: Path, size: tuple[int, int], theme: str
) -> None:
    app = shown(engine, tmp_path, theme)
    assert snap_compare(app, terminal_size=size, run_before=session)


@pytest.mark.parametrize("theme", ["autolab-safe", "autolab-ansi"])
def test_other_themes(snap_compare: Any, engine: EngineServer, tmp_path: Path, theme: str) -> None:
    app = shown(engine, tmp_path, theme)
    assert snap_compare(app, terminal_size=(120, 40), run_before=settled)


def test_ascii(snap_compare: Any, engine: EngineServer, tmp_path: Path) -> None:
    app = shown(engine, tmp_path, "autolab-ansi", unicode=False)
    assert snap_compare(app, terminal_size=(80, 24), run_before=session)


def test_many_sessions_at_eighty_columns(
    snap_compare: Any, socket_path: Path, tmp_path: Path
) -> None:
    journal = Journal()
    journal.engine()
    names = [f"s-{number:02}" for number in range(24)]
    journal.run("r-many", names)
    for number, name in enumerate(names):
        journal.create(name, f"task_number_{number}", f"provider/model-{number % 3}", "r-many")
        if number % 4:
            journal.start(name)
            journal.wait(7)
            journal.verdict(name, 5 + number, number / 40, speedup=1 + number / 3)
    with serve(socket_path, journal) as server:
        app = shown(server, tmp_path, "autolab-dark")
        assert snap_compare(app, terminal_size=(80, 24), run_before=settled)


def test_help(snap_compare: Any, engine: EngineServer, tmp_path: Path) -> None:
    async def asked(pilot: Pilot[None]) -> None:
        await settled(pilot)
        await pilot.press("question_mark")
        await pilot.pause()

    app = shown(engine, tmp_path, "autolab-dark")
    assert snap_compare(app, terminal_size=(80, 24), run_before=asked)


def test_stop_question(snap_compare: Any, engine: EngineServer, tmp_path: Path) -> None:
    async def asked(pilot: Pilot[None]) -> None:
        await settled(pilot)
        await pilot.press("x")
        await pilot.pause()

    app = shown(engine, tmp_path, "autolab-dark")
    assert snap_compare(app, terminal_size=(80, 24), run_before=asked)
