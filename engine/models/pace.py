"""How many calls an account takes at once, found out from how it answers.

Slow start: while every place is taken, each good answer makes one more. The first refusal for
load halves the places and ends the slow start; from then on a whole round of good answers with
every place taken makes one more. Calls that had begun before the places were halved say nothing new
when they are refused too: they belong to the same episode.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from engine.models.types import KeySource, ModelError, Provider

FIRST = 4
MOST = 1000
_LOAD = ("rate_limit", "overload")


class Pace:
    """The places of one account. `report(limit, cause)` is told of every change.

    Used on one event loop only.
    """

    def __init__(
        self, report: Callable[[int, str], object] | None = None, first: int = FIRST
    ) -> None:
        self._report = report
        self._slow_start = True
        self._episode = 0
        self._good = 0  # answers in a row with every place taken, since the last change
        self._queue: deque[asyncio.Future[None]] = deque()
        self.limit = first
        self.busy = 0

    @property
    def free(self) -> bool:
        """Whether a call could begin at once."""
        return self.busy < self.limit and not self._queue

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place for one call, first come, first served. A `ModelError` inside is learnt from."""
        await self._enter()
        episode, full = self._episode, self.busy >= self.limit
        try:
            yield
        except ModelError as error:
            if error.failure in _LOAD and episode == self._episode:
                self._slower(error.cause)
            raise
        else:
            if full and episode == self._episode:
                self._well()
        finally:
            self.busy -= 1
            self._admit()

    async def _enter(self) -> None:
        if self.free:
            self.busy += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # admitted and cancelled at the same moment
                self.busy -= 1
                self._admit()
            elif turn in self._queue:
                self._queue.remove(turn)
            raise

    def _admit(self) -> None:
        while self._queue and self.busy < self.limit:
            turn = self._queue.popleft()
            if not turn.done():
                self.busy += 1
                turn.set_result(None)

    def _slower(self, cause: str) -> None:
        self._episode += 1
        self._slow_start, self._good = False, 0
        self._move(max(1, self.limit // 2), cause)

    def _well(self) -> None:
        self._good += 1
        if self._slow_start or self._good >= self.limit:
            self._good = 0
            self._move(min(MOST, self.limit + 1), "every place was taken, and all went well")

    def _move(self, limit: int, cause: str) -> None:
        if limit != self.limit:
            self.limit = limit
            if self._report is not None:
                self._report(limit, cause)


class Paces:
    """The pace of every account: a provider's address, and where its key is found."""

    def __init__(self, report: Callable[[str, int, str], object]) -> None:
        self._report = report
        self._known: dict[tuple[str, str, KeySource], Pace] = {}

    def of(self, provider: Provider) -> Pace:
        """The pace of the provider's account; all its models share it."""
        account = (provider.name, provider.base_url, provider.key)
        if account not in self._known:

            def report(limit: int, cause: str) -> None:
                self._report(provider.name, limit, cause)

            self._known[account] = Pace(report)
        return self._known[account]
