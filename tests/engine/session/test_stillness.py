"""Holding every agent still, also those that come to life meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from engine.clock import Clock
from engine.events import ClockMoved
from engine.session.meter import Meter
from engine.session.stillness import Held, Stillness
from engine.session.workspace import Workspace
from tests.engine.runs.test_schedules import until
from verifier.sandbox.keeper.client import KeeperError


class Desk:
    """A sandbox that says when it is held."""

    def __init__(self, gone: bool = False) -> None:
        self.gone = gone
        self.still = False

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        if self.gone:
            raise KeeperError("it is gone")
        self.still = True
        try:
            yield
        finally:
            self.still = False


class Session:
    """A session at work."""

    def __init__(self, name: str, gone: bool = False) -> None:
        self.id = name
        self.desk = Desk(gone)
        self.moves: list[ClockMoved] = []
        self.meter = Meter(self.moves.append, Clock())
        self.meter.start()

    @property
    def workspace(self) -> Workspace | None:
        return cast(Workspace, self.desk)


async def test_everyone_stands_still_and_nobody_is_charged() -> None:
    sessions: dict[str, Session] = {name: Session(name) for name in "ab"}
    everyone = Stillness(lambda: cast("list[Held]", list(sessions.values())))
    async with everyone.held("a snapshot is being measured"):
        assert all(s.desk.still for s in sessions.values())
        assert {s.meter.state for s in sessions.values()} == {"frozen"}
        sessions["c"] = Session("c")
        await until(lambda: sessions["c"].desk.still)
        assert sessions["c"].meter.state == "frozen"
    assert not any(s.desk.still for s in sessions.values())
    assert [move.to for move in sessions["c"].moves] == ["working", "frozen", "working"]
    assert sessions["c"].moves[1].cause == "verifying"


async def test_a_sandbox_that_is_gone_keeps_nobody_from_standing_still() -> None:
    sessions = [Session("a", gone=True), Session("b")]
    everyone = Stillness(lambda: cast("list[Held]", sessions))
    async with everyone.held("the state folder cannot be written", storage=True):
        assert sessions[1].desk.still
        assert (sessions[1].meter.state, sessions[1].meter.cause) == ("paused", "storage")
        assert sessions[0].meter.state == "working"


async def test_who_is_held_is_let_go_of_when_the_hold_is_called_off() -> None:
    session = Session("a")
    everyone = Stillness(lambda: cast("list[Held]", [session]))

    async def hold() -> Any:
        async with everyone.held("a snapshot is being measured"):
            await asyncio.Event().wait()

    holding = asyncio.create_task(hold())
    await until(lambda: session.desk.still)
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding
    assert not session.desk.still
    assert session.meter.state == "working"
