"""Keys that arrive in one packet."""

from __future__ import annotations

from typing import Any

from textual import events

from autolab_tui.screens.prompt import PromptScreen
from tests.app.conftest import Desk
from tests.app.served import EngineServer


def at_once(desk: Desk, *keys: str) -> None:
    """Give keys to the app as its terminal does, without a pause between them."""
    named = {"/": "slash", " ": "space"}
    for key in keys:
        event = events.Key(named.get(key, key), key if len(key) == 1 else None)
        event.set_sender(desk.app)
        assert desk.app._driver is not None
        desk.app._driver.send_message(event)


async def test_what_is_typed_right_behind_the_slash_is_the_filter(
    desk: Any, engine: EngineServer
) -> None:
    async with desk() as at:
        at_once(at, *"/spqxinning", "enter")
        await at.until(lambda: at.app.choice.words == "spqxinning", "the filter")
        assert at.app.is_running and not engine.orders and not engine.stopped


async def test_what_is_typed_behind_a_question_is_the_answer(
    desk: Any, engine: EngineServer
) -> None:
    async with desk() as at:
        at_once(at, "e", "+", "1", "h")
        await at.until(lambda: isinstance(at.app.screen, PromptScreen), "the question")
        await at.until(lambda: at.app.screen.query_one("#answer").value == "+1h", "its answer")
        at_once(at, "enter")
        await at.until(lambda: engine.orders, "the order")
        assert engine.orders[0][0] == "extend"
