"""Several sessions at once: marks, groups, and orders that need words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autolab_tui import amounts, preferences
from autolab_tui.attention import Attention
from autolab_tui.screens.fleet import FleetScreen
from autolab_tui.screens.leaderboard import LeaderboardScreen
from autolab_tui.screens.prompt import PromptScreen
from autolab_tui.screens.session import SessionScreen
from engine.events import AlertsAcknowledged
from tests.app.journal import three_sessions
from tests.app.served import EngineServer


async def test_marks_gather_sessions_for_one_order(desk: Any, engine: EngineServer) -> None:
    async with desk((120, 40)) as at:
        await at.press("space", "space")
        assert "2 marked" in at.text()
        assert at.text().count("✚") == 2
        await at.press("p")
        await at.until(lambda: engine.orders, "the order")
        assert engine.orders == [("pause", ["s-rising", "s-spinning"])]
        await at.press("escape")
        assert "marked" not in at.text()
        await at.press("asterisk")
        assert "3 marked" in at.text()
        await at.press("asterisk")
        assert "marked" not in at.text()


async def test_an_order_skips_what_is_over(desk: Any, engine: EngineServer) -> None:
    async with desk((120, 40)) as at:
        await at.press("asterisk", "x")
        assert "Stop 2 sessions?" in at.text()
        await at.press("y")
        await at.until(lambda: engine.stopped, "the order")
        assert sorted(engine.stopped[0]) == ["s-rising", "s-spinning"]


async def test_groups_fold_and_take_orders(desk: Any, engine: EngineServer) -> None:
    async with desk((120, 40)) as at:
        await at.press("v")
        text = at.text()
        assert "by task, needs you" in text
        assert "1 session" in text
        await at.press("g", "enter")
        assert at.app.choice.folded == {"rack_placement"}
        assert "sleep 30" not in at.text().split("what happened")[0]
        await at.press("p")
        await at.until(lambda: engine.orders, "the order")
        assert engine.orders == [("pause", ["s-spinning"])]
        for _ in range(5):
            await at.press("v")
        assert at.app.choice.group == ""


async def test_a_budget_is_extended_in_words(desk: Any, engine: EngineServer) -> None:
    async with desk((80, 24)) as at:
        await at.press("e")
        assert isinstance(at.app.screen, PromptScreen)
        await at.press(*"many", "enter")
        assert "is not a duration" in at.text()
        assert engine.orders == []
        await at.press(*["backspace"] * 4, *"+30m", "comma", *"cost", "space", "5", "enter")
        await at.until(lambda: engine.bodies, "the order")
        assert engine.bodies[0]["changes"] == {
            "active": {"hard": "+1800.0"},
            "cost": {"hard": "5.0"},
        }
        assert engine.bodies[0]["globs"] == ["s-spinning"]


async def test_a_message_is_left_from_a_session(desk: Any, engine: EngineServer) -> None:
    async with desk((80, 24)) as at:
        await at.press("j", "enter", "i", *"look", "space", *"again", "enter")
        await at.until(lambda: engine.bodies, "the order")
        assert engine.bodies[0]["text"] == "look again"
        assert engine.bodies[0]["globs"] == ["s-rising"]
        await at.press("i", "escape")
        assert isinstance(at.app.screen, SessionScreen)
        assert len(engine.bodies) == 1


async def test_the_leaderboard_ranks_and_turns_its_pages(desk: Any) -> None:
    async with desk((120, 40)) as at:
        await at.press("3")
        assert isinstance(at.app.screen, LeaderboardScreen)
        await at.until(lambda: "local/hasty" in at.text(), "the table")
        assert "1 of 3 sessions count" in at.text()
        assert "0.094" in at.text()
        await at.press("tab", "tab")
        assert "1 too early" in at.text()
        await at.press("tab")
        assert "budget used" in at.text()
        await at.press("tab", "o")
        assert "published" in at.text()
        await at.until(lambda: "machines than ours" in at.text(), "the footnote")
        await at.press("enter")
        await at.until(lambda: "build_flags" in at.text(), "the row's tasks")
        await at.press("escape", "1")
        assert isinstance(at.app.screen, FleetScreen)


async def test_what_was_open_is_open_again(desk: Any, tmp_path: Path) -> None:
    async with desk((120, 40)) as at:
        await at.press("s", "v", "j", "enter")
        seen = at.app.screen.identity
        await at.press("ctrl+q")
    kept = preferences.load(tmp_path)
    assert (kept.session, kept.group, kept.sort) == (seen, "task", "reward")
    async with desk((120, 40)) as at:
        await at.until(lambda: isinstance(at.app.screen, SessionScreen), "the session again")
        assert at.app.screen.identity == seen
        await at.press("escape", "3", "ctrl+q")
    async with desk((120, 40)) as at:
        await at.until(lambda: isinstance(at.app.screen, LeaderboardScreen), "the leaderboard")
    async with desk((120, 40), run="r-20251124-1600") as at:
        assert isinstance(at.app.screen, FleetScreen)


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("+30m", {"active": {"hard": "+1800.0"}}),
        ("active 2h", {"active": {"hard": "7200.0"}}),
        ("soft cost=4, turns +10", {"cost": {"soft": "4.0"}, "turns": {"hard": "+10.0"}}),
    ],
)
def test_changes_are_read_as_they_are_written(words: str, changes: object) -> None:
    assert amounts.changes_in(words) == changes


@pytest.mark.parametrize("words", ["", "lunch 3", "cost many", "active", "cost +5 more"])
def test_changes_that_make_no_sense_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match=r"write|limits are"):
        amounts.changes_in(words)


async def test_marks_that_a_filter_hides_are_counted(desk: Any) -> None:
    async with desk((120, 40)) as at:
        await at.press("M", "slash", *"median", "enter")
        await at.until(lambda: "3 marked, 2 not shown" in at.text(), "the marks")


async def test_an_alert_is_acknowledged_and_asks_no_more(desk: Any, engine: EngineServer) -> None:
    async with desk((120, 40)) as at:
        assert "1 needs you" in at.text()
        await at.press("K")
        await at.until(lambda: engine.orders, "the order")
        assert engine.orders == [("acknowledge", ["s-spinning"])]
        engine.publish(AlertsAcknowledged(alerts=("plateau",), by="ann"), "s-spinning")
        await at.until(lambda: "known to ann" in at.text(), "the acknowledgement")
        assert "1 needs you" not in at.text()


def test_each_alert_rings_once_and_none_that_was_there_before() -> None:
    journal = three_sessions()
    attention = Attention()
    assert not attention.rings(journal.state().sessions.values())
    journal.alert("s-rising", "gate correct fails", "gate_failing")
    assert attention.rings(journal.state().sessions.values())
    assert not attention.rings(journal.state().sessions.values())
    assert attention.title(1, 2, 3) == "AutoLab: 1 needs you, 2 of 3 finished"
    assert attention.title(1, 2, 3) is None
    assert attention.title(0, 3, 3) == "AutoLab: 3 of 3 finished"


async def test_keys_tell_the_engine_that_somebody_is_here(desk: Any, engine: EngineServer) -> None:
    async with desk((80, 24)) as at:
        await at.press("j", "k", "j")
        await at.until(lambda: engine.present, "the word")
        await at.press("k")
        assert engine.present == 1
