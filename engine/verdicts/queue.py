"""Which snapshot is verified next.

One at a time for the measuring CPUs. Final snapshots go first. Of each session only the newest
unverified checkpoint is kept, and checkpoints may take no more than a set share of the session's
time, so that a session that edits often is not the one that everybody waits for.

What could not be measured because the machine was too busy is tried again later, after ever longer
waits; others go on meanwhile. A final snapshot is given up after the last of `WAITS`, a checkpoint
after the second or when there is a newer one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from verifier.verdict import Stage, Verdict

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Marks:
    """Where a session stood when its snapshot was taken: seconds, tokens, turns, US dollars."""

    active: float
    wall: float
    tokens: int
    turns: int
    cost: float | None


@dataclass(frozen=True, slots=True)
class Job:
    """One snapshot to verify; `edited` are the pinned files that the agent changed."""

    session: str
    snapshot: str
    stage: Stage
    marks: Marks
    edited: tuple[str, ...] = ()


class VerificationsClosedError(Exception):
    """The engine ends; this verdict is given when it runs again."""


@dataclass(frozen=True, slots=True)
class _Postponed:
    """A job to try again at `due` (the loop's time), after `tries` in vain."""

    due: float
    job: Job
    waiting: asyncio.Future[Verdict] | None
    tries: int


Judge = Callable[[Job], Awaitable[Verdict]]
Elapsed = Callable[[str], float]
WAITS = (5.0, 15.0, 45.0, 120.0, 300.0)  # seconds before each further try
_CHECKPOINT_TRIES = 2  # more are not worth it: another snapshot comes, or the final one
_RECHECK_SECONDS = 0.5
_LEAST_SECONDS = 0.05


class Verifications:
    """The queue and the worker behind it. Used on the sessions' loop only.

    `judge` verifies a job and records what came of it; `elapsed` is the time of a session so far,
    of which checkpoints may take the part `share`; `waits` are seconds before each further try of
    what the machine was too busy for. Checkpoints wait until their session is `ready`.
    """

    def __init__(
        self,
        judge: Judge,
        elapsed: Elapsed,
        share: float,
        waits: Sequence[float] = WAITS,
        ready: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._judge = judge
        self._elapsed = elapsed
        self._share = share
        self._waits = waits
        self._ready = ready
        self._postponed: list[_Postponed] = []
        self._finals: deque[tuple[Job, asyncio.Future[Verdict]]] = deque()
        self._repeated: deque[Job] = deque()
        self._checkpoints: dict[str, Job] = {}
        self._spent: dict[str, float] = {}
        self._news = asyncio.Event()
        self._closed = False
        self._judging: asyncio.Future[Verdict] | None = None
        self.current: Job | None = None

    def charge(self, session: str, seconds: float) -> None:
        """Count verification time that was spent before this queue existed."""
        self._spent[session] = self._spent.get(session, 0.0) + seconds

    def checkpoint(self, job: Job) -> None:
        """Verify this snapshot when there is room; it replaces an older one of its session."""
        self._forget_postponed(job.session)
        self._checkpoints[job.session] = job
        self._news.set()

    def now(self, job: Job) -> None:
        """Verify this snapshot before the checkpoints, whatever its session has had of its share:
        somebody asked for it.
        """
        self._checkpoints.pop(job.session, None)
        self._forget_postponed(job.session)
        self.repeat(job)

    def repeat(self, job: Job) -> None:
        """Verify this snapshot before the checkpoints: it was cut short by the engine's end."""
        self._repeated.append(job)
        self._news.set()

    def withdraw(self, session: str) -> None:
        """Forget a checkpoint that waits: the session's final snapshot is what counts now."""
        self._checkpoints.pop(session, None)
        self._repeated = deque(job for job in self._repeated if job.session != session)
        self._forget_postponed(session)

    def _forget_postponed(self, session: str) -> None:
        """Checkpoints only: somebody waits for a final verdict."""
        self._postponed = [
            one for one in self._postponed if one.waiting is not None or one.job.session != session
        ]

    async def final(self, job: Job) -> Verdict:
        """Verify this snapshot before any checkpoint and return its verdict.

        Raises `VerificationsClosedError` when the engine ends first.
        """
        self.withdraw(job.session)
        if self._closed:
            raise VerificationsClosedError
        future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._finals.append((job, future))
        self._news.set()
        return await future

    def close(self) -> None:
        """Give no more verdicts: whoever waits for one is told so."""
        self._closed = True
        waiting = [future for _, future in self._finals]
        waiting += [self._judging] if self._judging is not None else []
        waiting += [one.waiting for one in self._postponed if one.waiting is not None]
        for future in waiting:
            if not future.done():
                future.set_exception(VerificationsClosedError())
        self._finals.clear()
        self._postponed.clear()
        self._repeated.clear()
        self._checkpoints.clear()

    def busy_with(self, session: str) -> bool:
        """Whether a snapshot of this session waits or is being verified."""
        current = self.current is not None and self.current.session == session
        postponed = any(one.job.session == session for one in self._postponed)
        return current or postponed or session in self._checkpoints

    async def work(self) -> None:
        """Verify what comes, for ever; cancelled when the engine ends."""
        while True:
            if self._finals:
                job, waiting = self._finals.popleft()
                await self._verify(job, waiting)
            elif (again := self._due()) is not None:
                self._postponed.remove(again)
                await self._verify(again.job, again.waiting, again.tries)
            elif repeated := next((j for j in self._repeated if self._ready(j.session)), None):
                self._repeated.remove(repeated)
                await self._verify(repeated, None)
            elif (chosen := self._next_checkpoint()) is not None:
                del self._checkpoints[chosen.session]
                await self._verify(chosen, None)
            else:
                await self._wait()

    async def _verify(
        self, job: Job, waiting: asyncio.Future[Verdict] | None, tries: int = 0
    ) -> None:
        """Judge one job. What breaks here breaks its session at most, never the queue."""
        self.current, self._judging = job, waiting
        try:
            verdict = await self._judge(job)
        except Exception as error:
            _log.exception("session %s: %s could not be verified", job.session, job.snapshot)
            if waiting is not None and not waiting.done():
                waiting.set_exception(error)
        else:
            if waiting is None:
                self.charge(job.session, verdict.seconds)
            if verdict.cause == "contention" and self._postpone(job, waiting, tries + 1):
                return
            if waiting is not None and not waiting.done():
                waiting.set_result(verdict)
        finally:
            self.current = self._judging = None

    def _postpone(self, job: Job, waiting: asyncio.Future[Verdict] | None, tries: int) -> bool:
        """Try again later; whether it is worth it."""
        most = len(self._waits) if waiting is not None else _CHECKPOINT_TRIES
        if self._closed or tries > min(most, len(self._waits)):
            return False
        if waiting is None and job.session in self._checkpoints:
            return False
        due = asyncio.get_running_loop().time() + self._waits[tries - 1]
        self._postponed.append(_Postponed(due, job, waiting, tries))
        return True

    def _due(self) -> _Postponed | None:
        """What has waited long enough, a final snapshot before a checkpoint."""
        now = asyncio.get_running_loop().time()
        found = [
            one
            for one in self._postponed
            if one.due <= now and (one.waiting is not None or self._ready(one.job.session))
        ]
        return min(found, key=lambda one: (one.waiting is None, one.due), default=None)

    def _next_checkpoint(self) -> Job | None:
        """The checkpoint whose session has had the least of its share, or None."""
        allowed = [
            (self._spent.get(name, 0.0) / max(self._elapsed(name), 1e-9), job)
            for name, job in self._checkpoints.items()
            if self._spent.get(name, 0.0) <= self._share * self._elapsed(name) and self._ready(name)
        ]
        return min(allowed, key=lambda pair: pair[0])[1] if allowed else None

    async def _wait(self) -> None:
        self._news.clear()
        now = asyncio.get_running_loop().time()
        until = [max(_LEAST_SECONDS, one.due - now) for one in self._postponed]
        until += [_RECHECK_SECONDS] if self._checkpoints or self._repeated else []
        patience = min(until, default=None)
        try:
            async with asyncio.timeout(patience):
                await self._news.wait()
        except TimeoutError:
            return
