"""Pictures of the screens at the sizes and in the themes that people use, against a still clock.

After a wanted change of looks: `pytest tests/app/test_pictures.py --snapshot-update`, look at each
picture, and commit it with the change.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from autolab_tui import suite
from autolab_tui.app import AutolabApp
from autolab_tui.replay.app import ReplayApp
from autolab_tui.screens.fleet import FleetScreen
from autolab_tui.screens.session import SessionScreen
from autolab_tui.suite import SizeSeen, SuiteSeen, TaskSeen
from engine.client import EngineClient
from engine.offline.recordings import Recording
from tests.app.conftest import until
from tests.app.journal import Journal, three_sessions
from tests.app.served import EngineServer, serve, still_clock
from tests.app.test_compare import two_models
from tests.app.test_gpus import answer, gpu

SIZES = [(80, 24), (120, 40), (200, 50)]
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


def suite_of_three() -> SuiteSeen:
    """A suite that does not depend on what this machine has: the second task lacks a compiler."""

    def seen(name: str, domain: str, why_not: str = "") -> TaskSeen:
        return TaskSeen(
            name=name,
            domain=domain,
            path=Path("/tasks") / name,
            why_not=why_not,
            pins="ok",
            instruction=f"# {name}\n\nMake it fast. Every output must stay what it is.",
            editable=("solve.c",),
            pinned=("Makefile", "bench.c", "entry.c"),
            metric="runtime_seconds",
            unit="s",
            direction="lower",
            gates=(("correct", "Every output equals the baseline's on the same fresh input."),),
            needs="gcc, make, 1 CPU, 2048 MB",
            bound="3000: two memory updates a pixel",
            stages=("01-histogram", "02-sliding"),
            sizes={"quick": SizeSeen(0.32, 0.00475, 100), "full": SizeSeen(2.0, 0.0204, 3600)},
        )

    lacks = "rustc is missing; install it with: apt-get install rustc"
    return SuiteSeen(
        (
            seen("rack_placement", "puzzle_and_challenge"),
            seen("kmer_spectrum", "system_optimization", lacks),
            seen("median_filter", "system_optimization"),
        ),
        (),
    )


EIGHT = answer(
    gpu(0, processes=[{"pid": 4211, "memory": 6 << 30, "session": "s-rising"}]),
    gpu(1, throttle=["thermal (hardware)"], temperature=91, utilization=98),
    gpu(2, standing="lost", trouble="it fell off the bus; reboot to get it back"),
    *map(gpu, range(3, 8)),
)
# A place, the key that leads there, and words that are there once it has what it asked for.
PLACES = [("tasks", "2", "2 of 3"), ("leaderboard", "3", "interval"), ("gpus", "5", "H100"),
          ("launch", "6", "a new run")]  # fmt: skip


def _text(app: AutolabApp) -> str:
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text for strip in strips)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(("place", "key", "there"), PLACES, ids=[place for place, *_ in PLACES])
def test_places(
    snap_compare: Any,
    engine: EngineServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    key: str,
    there: str,
    size: tuple[int, int],
    theme: str,
) -> None:
    monkeypatch.setattr(suite, "read", lambda path=None: suite_of_three())
    engine.gpus = EIGHT

    async def gone(pilot: Pilot[None]) -> None:
        app = await settled(pilot)
        await pilot.press(key)

        def arrived() -> bool:
            app.draw()
            return there in _text(app)

        await until(pilot, arrived, place)
        await pilot.pause()

    app = shown(engine, tmp_path, theme)
    assert snap_compare(app, terminal_size=size, run_before=gone)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_compare(
    snap_compare: Any, socket_path: Path, tmp_path: Path, size: tuple[int, int], theme: str
) -> None:
    async def compared(pilot: Pilot[None]) -> None:
        app = await settled(pilot)
        await pilot.press("a", "4", "space", "j", "space")

        def drawn() -> bool:
            app.draw()
            return "sign test" in _text(app)

        await until(pilot, drawn, "the comparison")
        await pilot.pause()

    with serve(socket_path, two_models()) as server:
        app = shown(server, tmp_path, theme)
        assert snap_compare(app, terminal_size=size, run_before=compared)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_replay(snap_compare: Any, tmp_path: Path, size: tuple[int, int], theme: str) -> None:
    async def earlier(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, ReplayApp)
        app.draw()
        await pilot.press("less_than_sign", "less_than_sign")
        await pilot.pause()
        app.draw()
        await pilot.pause()

    journal = three_sessions()
    found = Recording(tmp_path, "r-20251124-1600", journal.events)
    app = ReplayApp(found, clock=still_clock(journal), config=tmp_path, theme=theme)
    assert snap_compare(app, terminal_size=size, run_before=earlier)


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
