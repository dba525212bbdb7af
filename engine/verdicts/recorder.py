"""From a queued snapshot to a journalled verdict."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec

from engine.events import AnyBody, VerificationStarted
from engine.snapshots import SnapshotMissingError, SnapshotStore
from engine.trace import Trace
from engine.verdicts.chain import Chain
from engine.verdicts.process import VerifierProcess
from engine.verdicts.queue import Job
from engine.view import View
from tasks import TaskError, load_task
from verifier.ledger.entries import Where
from verifier.ledger.ledger import Record
from verifier.ledger.manifests import Manifests
from verifier.request import VerifyRequest
from verifier.verdict import Verdict

_MEASURING = ("warm-up", "timing")  # the phases in which the verifier's clock runs
_LEAST_LIMIT = 600.0
RecordEvent = Callable[[AnyBody, str | None], Awaitable[object]]
Hold = Callable[[], AbstractAsyncContextManager[None]]


class Judging:
    """Verifies one job at a time and records what came of it.

    `hold` stops the agents that share the measuring CPU while it measures; None where none does.
    """

    def __init__(
        self,
        view: View,
        snapshots: SnapshotStore,
        verifier: VerifierProcess,
        record: RecordEvent,
        chain: Chain,
        *,
        manifests: Manifests,
        hold: Hold | None,
        trace: Trace,
    ) -> None:
        self._view = view
        self._snapshots = snapshots
        self._verifier = verifier
        self._record = record
        self._chain = chain
        self._manifests = manifests
        self._hold = hold
        self._trace = trace

    async def judge(self, job: Job) -> Verdict:
        """Verify one snapshot and journal its verdict, whatever it is."""
        await self._record(VerificationStarted(snapshot=job.snapshot, stage=job.stage), job.session)
        request, limit = await asyncio.to_thread(self._request, job)
        measuring = asyncio.Event()

        def phase(name: str) -> None:
            if name.startswith(_MEASURING):
                measuring.set()

        doing = self._trace.doing("verification", job.session, f"{job.snapshot[:12]} {job.stage}")
        with doing:
            async with self._agents_still_once(measuring):
                verdict = await self._verifier.judge(request, limit, phase)
        marks = job.marks
        where = Where(marks.active, marks.wall, marks.tokens, marks.turns, marks.cost)
        # Whose it is the queue knows; nobody else is asked.
        verdict = msgspec.structs.replace(verdict, session=job.session)
        [kept] = await self._chain.keep([Record(verdict, where)])
        return kept

    def _request(self, job: Job) -> tuple[VerifyRequest, float]:
        """What to ask, and how many seconds the answer may take."""
        facts = self._view.state.sessions[job.session]
        size = self._view.state.runs[facts.run].spec.get("size", "full")
        files: dict[str, bytes] = {}
        try:
            snapshot = self._snapshots.get(job.snapshot)
            files, refused = snapshot.files, snapshot.refused
        except SnapshotMissingError as error:
            refused = str(error)
        try:
            limit = load_task(Path(facts.task_path)).config.verifier.timeout_sec
        except TaskError:
            limit = 0.0  # the verifier says what is wrong with the task
        then = self._manifests.get(facts.task_hash)
        request = VerifyRequest(
            task=facts.task_path,
            files=files,
            refused=refused,
            snapshot=job.snapshot,
            stage=job.stage,
            size=size,
            session=job.session,
            task_hash=facts.task_hash,
            anchors=facts.anchors,
            task_files=None if then is None else then.files,
            ignored_edits=job.edited,
        )
        return request, max(limit, _LEAST_LIMIT)

    @asynccontextmanager
    async def _agents_still_once(self, measuring: asyncio.Event) -> AsyncIterator[None]:
        """Hold the agents from the first measurement until the verdict."""
        if self._hold is None:
            yield
            return
        held = self._hold

        async def hold() -> None:
            await measuring.wait()
            async with held():
                await asyncio.Event().wait()

        async with asyncio.TaskGroup() as group:
            holder = group.create_task(hold())
            yield
            holder.cancel()
