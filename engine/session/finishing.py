"""After an agent's time: its processes are ended, what it left is judged, its end journalled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from engine.events import ActivityChanged, AnyBody, Noted, VerdictGiven
from engine.runs.outcomes import Ending
from engine.service.house import House
from engine.session.endings import in_words, session_ended
from engine.session.files import SessionFiles
from engine.session.meter import Meter
from engine.session.pausing import Move, first
from engine.state import SessionState
from engine.verdicts.queue import VerificationsClosedError
from tasks import Task
from verifier.sandbox.keeper.client import KeeperError
from verifier.verdict import Verdict


class Finishing:
    """The end of one session. `going` is set when the engine goes away meanwhile."""

    def __init__(
        self,
        session_id: str,
        facts: Callable[[], SessionState],
        house: House,
        *,
        meter: Meter,
        files: SessionFiles,
        move: Move,
        record: Callable[[AnyBody], Awaitable[object]],
        going: asyncio.Event,
    ) -> None:
        self._id = session_id
        self._facts = facts
        self._house = house
        self._meter = meter
        self._files = files
        self._move = move
        self._record = record
        self._going = going

    async def finish(self, ending: Ending, task: Task | None) -> None:
        """The agent's time is over: no process of it lives on, and what it left is judged."""
        self._meter.stop()
        await self._move("verifying", in_words(ending))
        await self._record(ActivityChanged(activity="final verdict"))
        try:
            keeper = await self._house.keepers.get()
            await keeper.kill(self._id)
        except KeeperError as error:
            # Without its keeper no sandbox lives; the workspace is still there.
            await self._record(Noted(text=f"the keeper could not be reached: {error}"))
        verdict = None
        last = await self._files.take_last(task)
        given = await asyncio.to_thread(self._final_verdicts)
        for job in self._files.final_jobs(last) if last is not None else ():
            if job.snapshot not in given:
                await self._gpus_to_judge_on()
            verdict = given.get(job.snapshot) or await self._house.verifications.final(job)
        await self.settle(ending, verdict)
        await self._files.tidy()

    async def _gpus_to_judge_on(self) -> None:
        """One that gave its GPUs back before its end needs some again for its last verdict."""
        house = self._house
        if house.gpus.holds(self._id):
            return
        await self._record(ActivityChanged(activity=house.gpus.words(self._facts().want)))
        house.scheduler.give_back(self._id)
        await first(house.scheduler.come_again(self._id), self._going.wait())
        if self._going.is_set():
            raise VerificationsClosedError
        await self._record(ActivityChanged(activity="final verdict"))

    def _final_verdicts(self) -> dict[str, Verdict]:
        """Those that an engine before this one came to, and then no further, by snapshot."""
        found = (e.body for e in self._house.journal.of_session(self._id, "verdict.given"))
        verdicts = [body.verdict for body in found if isinstance(body, VerdictGiven)]
        return {v.snapshot: v for v in verdicts if v.stage == "final" and v.status != "not_judged"}

    async def settle(self, ending: Ending, verdict: Verdict | None) -> None:
        """Journal its end, with its class and the final reward; None when nothing was judged."""
        self._house.verifications.withdraw(self._id)
        limits = self._house.settings.thresholds()
        ended = session_ended(self._facts(), ending, verdict, limits, self._house.clock)
        await self._record(ended)
        self._house.gpus.give_back(self._id, "the session is over")
        if ended.outcome == "infrastructure":
            await self._move("failed", ended.evidence)
        else:
            await self._move("finished", "")
