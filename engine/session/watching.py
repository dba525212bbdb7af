"""What is looked at while an agent works: its budget, its disk, and its files."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from engine.clock import Clock
from engine.events import SessionPaused
from engine.runs import budgets
from engine.runs.outcomes import Ending
from engine.session.place import Place
from engine.state import SessionState
from engine.storage import quota
from tasks import Task

_LONGEST = 60.0
_SHORTEST = 0.001
_STORAGE_SECONDS = 2.0
_STORAGE_SHARE = 20.0  # a look may take no more than this part of the time


class BudgetWatch:
    """Ends a session at a hard limit and pauses it at a soft one.

    It sleeps until a time limit can be reached at the earliest; `news` wakes it when anything else
    that counts has changed.
    """

    def __init__(
        self,
        facts: Callable[[], SessionState],
        clock: Clock,
        end: Callable[[Ending], None],
        pause: Callable[[SessionPaused], Awaitable[object]],
    ) -> None:
        self._facts = facts
        self._clock = clock
        self._end = end
        self._pause = pause
        self._news = asyncio.Event()

    def news(self) -> None:
        """A turn ended, the clock changed its state, or the budget was changed."""
        self._news.set()

    async def watch(self) -> None:
        """Watch until a hard limit is reached."""
        clock = self._clock
        while True:
            self._news.clear()
            facts, boot, now = self._facts(), clock.boot(), clock.now()
            used = budgets.used(facts, boot, now)
            if (reached := budgets.reached(facts.budget, used)) is not None:
                self._end(Ending("budget", str(reached)))
                return
            soft = budgets.soft_reached(facts.budget, used, facts.soft_passed)
            if soft is not None and facts.pause is None:
                why = f"soft {soft}; resume it to go on, or extend its budget first"
                await self._pause(SessionPaused(cause="soft limit", why=why, limit=soft.key))
                continue
            left = _LONGEST
            if facts.clocks.state not in ("paused", "stopped"):
                left = budgets.seconds_left(facts.budget, used, facts.soft_passed, len(facts.lease))
            try:
                async with asyncio.timeout(min(_LONGEST, max(_SHORTEST, left))):
                    await self._news.wait()
            except TimeoutError:
                continue


async def watch_storage(task: Task, place: Place) -> Ending:
    """Returns when the workspace has grown beyond its limit."""
    limit = task.config.environment.storage_limit_mb or quota.DEFAULT_MB
    while True:
        began = monotonic()
        found = await asyncio.to_thread(quota.excess, place.directory, limit)
        if found is not None:
            return Ending("budget", found)
        await asyncio.sleep(max(_STORAGE_SECONDS, _STORAGE_SHARE * (monotonic() - began)))
