"""Finding what one wants to do: by other words, from other screens, and by command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from autolab_tui.actions import at
from autolab_tui.actions.commands import COMMANDS
from autolab_tui.app import AutolabApp
from autolab_tui.cli.nouns import build
from autolab_tui.local import Local
from autolab_tui.palette import here, offers
from autolab_tui.screens.fleet import FleetScreen
from autolab_tui.screens.session import SessionScreen
from engine.client import EngineClient
from tests.app.conftest import Desk
from tests.app.journal import Journal
from tests.app.served import EngineServer, serve, still_clock


async def test_the_palette_has_the_actions(desk: Any) -> None:
    async with desk((120, 40)) as desk_:
        titles = {offer.title for offer in here(desk_.app, desk_.app.screen)}
        assert {a.help for a in at("fleet") if a.in_palette} <= titles
        await desk_.press("ctrl+p")
        await desk_.pilot.press(*"newest", "enter")
        await desk_.pilot.press(*"sort")
        await desk_.pilot.press("escape")
        assert isinstance(desk_.app.screen, FleetScreen)


async def test_a_palette_command_runs(desk: Any) -> None:
    async with desk((120, 40)) as desk_:
        await desk_.press("ctrl+p")
        await desk_.pilot.press(*"sort")
        await desk_.until(lambda: "Sort by the next" in desk_.text(), "the palette's answer")
        await desk_.pilot.press("enter")
        await desk_.until(lambda: desk_.app.choice.sort == "reward", "the next order")


@pytest.mark.parametrize(
    "asked, title, where",
    [
        ("kill", "Stop the session, or all that are marked", "key x"),
        ("csv", "Write the session's run as a page and a table", "key w"),
        ("resume", "Pause the session", "key p"),
        ("extend the budget by an hour", "Change budgets of the session", "key e"),
        ("more time", "Change budgets of the session", "key e"),
        ("diff of the best", "What the snapshot of the verdict", "key d in a session"),
        ("rollback", "Restore its files to the snapshot", "key R in a session"),
        ("gates", "Open the verdict", "key enter in a session"),
        ("ranking", "The leaderboard", "key 3"),
        ("restart the engine", "Restart the engine", "copies: autolab engine restart"),
        ("rerun", "Launch a run again", "copies: autolab rerun r-20251124-1600"),
        ("log", "Print a session's transcript", "copies: autolab logs s-"),
        ("K", "Say that the session's alerts are known", "key K"),
    ],
)
async def test_the_palette_knows_other_words(desk: Any, asked: str, title: str, where: str) -> None:
    async with desk((120, 40)) as desk_:
        found = sorted(offers(desk_.app, desk_.app.screen, asked), key=lambda o: -o.score)
        first = found[0] if asked in ("kill", "gates", "more time", "diff") else None
        assert any(o.title.startswith(title) and o.where.startswith(where) for o in found[:4]), (
            found[:6]
        )
        assert first is None or first.title.startswith(title), found[:3]
        assert len({(o.title, o.where) for o in found}) == len(found)


async def test_the_palette_leads_to_what_is_elsewhere(desk: Any) -> None:
    async with desk((120, 40)) as desk_:
        there = next(
            offer
            for offer in offers(desk_.app, desk_.app.screen, "diff")
            if offer.where == "key d in a session"
        )
        there.run()
        await desk_.until(lambda: isinstance(desk_.app.screen, SessionScreen), "the session")
        await desk_.until(lambda: "Here it is the key d" in desk_.text(), "the key's name")


def test_commands_of_the_palette_are_commands() -> None:
    parser = build()
    for command in COMMANDS:
        line = command.filled("r-1", "s-1").split()
        assert line[0] == "autolab"
        assert parser.parse_args(line[1:]).handler


async def test_restoring_asks_and_names_the_snapshot(desk: Any, engine: EngineServer) -> None:
    async with desk((120, 40)) as desk_:
        await desk_.press("enter")
        session = desk_.app.screen.identity
        await desk_.press("R")
        assert "Restore these files?" in desk_.text()
        assert "assisted" in desk_.text()
        await desk_.press("n")
        assert not engine.orders
        await desk_.press("R", "y")
        await desk_.until(lambda: engine.orders, "the order")
        assert engine.orders[0][0] == f"sessions/{session}/restore"
        known = desk_.app.store.session(session)
        assert engine.bodies[0]["snapshot"] in {point.snapshot for point in known.points}
        await desk_.until(lambda: "Restored" in desk_.text(), "the answer")


async def test_a_report_is_written_where_we_are(
    desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[str]] = []

    def report(self: Local, runs: Sequence[str]) -> str:
        del self
        asked.append(runs)
        return "wrote r.html"

    monkeypatch.setattr(Local, "report", report)
    async with desk((120, 40), local=Local(tmp_path)) as desk_:
        await desk_.press("w")
        await desk_.until(lambda: "wrote r.html" in desk_.text(), "what was written")
    assert asked == [["r-20251124-1600"]]


async def test_what_runs_are_called_is_no_markup(
    socket_path: Path, tmp_path: Path, journal: Journal
) -> None:
    evil = "r-[/nope][@click=app.quit]x\x1b[2J"
    journal.run(evil, ["s-evil"])
    journal.create("s-evil", run=evil)
    journal.wait(1)
    with serve(socket_path, journal):
        app = AutolabApp(EngineClient(socket_path), clock=still_clock(journal), config=tmp_path)
        async with app.run_test(size=(140, 40)) as pilot:
            before = Desk(app, pilot)
            await before.until(lambda: app.store.loaded, "first data")
            app.choice = replace(app.choice, words="s-evil")
            await before.press("home")
            await before.press("ctrl+p")
            await before.pilot.press(*"rerun")
            await before.until(lambda: "autolab rerun r-[/nope]" in before.text(), "the command")
            assert "\x1b" not in before.text()


async def test_enter_runs_nothing_that_was_found_for_fewer_letters(desk: Any) -> None:
    async with desk((120, 40)) as desk_:
        await desk_.press("ctrl+p")
        await desk_.until(lambda: "Change budgets" in desk_.text(), "what there is")
        palette = desk_.app.screen
        palette._cancel_gather_commands = lambda: None
        palette._gather_commands = lambda value: None  # an answer that is slow to come
        await desk_.pilot.press("z", "enter")
        assert desk_.app.screen is palette
        assert desk_.app.choice.sort == "needs you"
