"""Tasks looked at, and runs put together and started, key by key."""

from __future__ import annotations

import time
from typing import Any

import pytest

from autolab_tui import drafts
from autolab_tui.drafts import Draft
from autolab_tui.screens.confirm import ConfirmScreen
from autolab_tui.screens.fleet import FleetScreen
from autolab_tui.screens.launch import LaunchScreen
from autolab_tui.screens.tasks import TasksScreen
from tests.app.journal import Journal
from tests.app.served import EngineServer


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_tasks_say_what_they_need_and_what_became_of_them(
    desk: Any, size: tuple[int, int]
) -> None:
    async with desk(size) as at:
        await at.press("2")
        assert isinstance(at.app.screen, TasksScreen)
        await at.until(lambda: "median_filter" in at.text(), "the suite")
        assert "puzzle and challenge" in at.text()
        while at.app.screen.chosen.name != "median_filter":
            await at.press("j")
        await at.press("enter")
        await at.until(lambda: "Every pixel of every image" in at.text(), "the task whole")
        await at.press("escape", "s")
        assert isinstance(at.app.screen, FleetScreen)
        assert at.app.choice.words == "task:median_filter"
        assert "build_flags" not in at.text().split("what happened")[0]


async def test_a_run_is_put_together_costed_and_started(desk: Any, engine: EngineServer) -> None:
    async with desk((120, 40)) as at:
        await at.press("2")
        await at.until(lambda: "median_filter" in at.text(), "the suite")
        while at.app.screen.chosen.name != "median_filter":
            await at.press("j")
        await at.press("l")
        assert isinstance(at.app.screen, LaunchScreen)
        assert "Choose a model" in at.text()
        await at.press("m", *"lab/big", "space", *"http://127.0.0.1:9", "enter")
        await at.until(lambda: "cost $1.25 ($0.50 to $3.00)" in at.text(), "the outlook")
        await at.press("z", "ctrl+s")
        await at.until(lambda: engine.launched, "the launch")
        (spec,) = engine.launched
        assert spec["tasks"] == ["median_filter"]
        assert spec["models"] == ["lab/big"]
        assert spec["size"] == "quick"
        assert spec["providers"] == {"lab": {"base_url": "http://127.0.0.1:9"}}
        await at.until(lambda: isinstance(at.app.screen, FleetScreen), "the fleet")


async def test_what_is_missing_is_said_with_the_remedy(desk: Any, engine: EngineServer) -> None:
    engine.refuse["runs"] = (400, "the key of openai is not set; export OPENAI_API_KEY")
    async with desk((80, 24)) as at:
        await at.press("6")
        await at.until(lambda: "a new run" in at.text(), "the form")
        at.app.draft = Draft(tasks=frozenset({"median_filter"}), models=("openai/x",))
        at.app.screen._changed()
        await at.until(lambda: "export OPENAI_API_KEY" in at.text(), "the remedy")
        await at.press("S")
        assert isinstance(at.app.screen, LaunchScreen)
        assert engine.launched == []


async def test_an_empty_fleet_leads_to_the_demo_in_two_keys(
    desk: Any, journal: Journal, engine: EngineServer
) -> None:
    journal.events.clear()
    journal.engine()
    begun: list[float] = []

    def start() -> str:
        begun.append(time.monotonic())
        return "run r-1: three sessions"

    async with desk((80, 24), start_demo=start) as at:
        assert "starts the demo" in at.text()
        await at.press("D")
        assert isinstance(at.app.screen, ConfirmScreen)
        await at.press("y")
        await at.until(lambda: begun and "three sessions" in at.text(), "the demo")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("openai/gpt-5.6", ("openai/gpt-5.6", None)),
        ("a/b http://127.0.0.1:1/v1/", ("a/b", {"base_url": "http://127.0.0.1:1/v1"})),
        ("a/b http://x A_KEY", ("a/b", {"base_url": "http://x", "key_env": "A_KEY"})),
    ],
)
def test_models_are_read_as_they_are_typed(words: str, found: object) -> None:
    assert drafts.read_model(words) == found


@pytest.mark.parametrize(
    "words", ["gpt", "/x", "a/b ftp://x", "a/b http://x sk-123", "a/b http://x K e"]
)
def test_a_model_that_is_none_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match=r"write|name the variable"):
        drafts.read_model(words)


def test_a_new_run_has_no_limit_to_move() -> None:
    with pytest.raises(ValueError, match="leave the sign out"):
        drafts.limits("active +30m")
    assert drafts.limits("cost 5, soft cost 4") == {"cost": {"hard": 5.0, "soft": 4.0}}
