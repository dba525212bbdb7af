"""The sessions' loop, felt four times a second: how late it runs, and a sign of life on disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

from engine.clock import Clock
from engine.oversight.health import Health
from engine.oversight.trace import Trace
from engine.oversight.vitals import Vitals

TICK_SECONDS = 0.25


class Pulse:
    """`beat` runs on the sessions' loop; `lag` may be asked on any thread."""

    def __init__(self, state_dir: Path, clock: Clock, health: Health, trace: Trace) -> None:
        self._state_dir = state_dir
        self._clock = clock
        self._health = health
        self._trace = trace
        self._beaten = clock.now()
        self._late = 0.0

    def lag(self) -> float:
        """How late the loop runs, in seconds."""
        return max(self._late, self._clock.now() - self._beaten - TICK_SECONDS, 0.0)

    async def beat(self) -> None:
        """Until cancelled."""
        vitals = Vitals(self._state_dir)
        while True:
            before = self._clock.now()
            vitals.sign(self._clock.boot(), before)
            await asyncio.sleep(TICK_SECONDS)
            self._beaten = self._clock.now()
            self._late = round(max(0.0, self._beaten - before - TICK_SECONDS), 4)
            self._health.lagged(self._beaten, self._late)
            self._trace.tick(self._late)
