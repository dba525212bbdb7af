"""A run that is removed while somebody looks at it."""

from __future__ import annotations

from typing import Any

import pytest

from autolab_tui.screens.fleet import FleetScreen
from engine.events import RunRemoved
from tests.app.served import EngineServer


@pytest.mark.parametrize("keys", [(), ("enter", "v"), ("L",)])
async def test_the_screen_that_showed_it_lives_on(
    desk: Any, engine: EngineServer, keys: tuple[str, ...]
) -> None:
    async with desk((120, 40)) as desk_:
        await desk_.press(*keys)
        for run in list(engine.journal.state().runs):
            event = engine.journal.write(RunRemoved(run=run, by="ann"))
            for follower in engine.followers:
                follower.put(event)
        await desk_.until(lambda: not desk_.app.store.state.sessions, "the run is forgotten")
        await desk_.press("j", "k")
        while not isinstance(desk_.app.screen, FleetScreen):
            await desk_.press("escape")
        assert "s-rising" not in desk_.text()
