"""From a queued snapshot to a journalled verdict."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec

from engine.cpus import Cpus
from engine.events import AnyBody, VerificationStarted
from engine.gpu.desk import GpuDesk
from engine.journal.view import View
from engine.oversight.trace import Trace
from engine.storage.snapshots import SnapshotMissingError, SnapshotStore
from engine.verdicts.chain import Chain
from engine.verdicts.process import VerifierProcess
from engine.verdicts.queue import Job
from tasks import TaskError, load_task
from verifier.cpus import threads_of
from verifier.gpus.access import NodeMissingError
from verifier.ledger.entries import Where
from verifier.ledger.ledger import Record
from verifier.ledger.manifests import Manifests
from verifier.request import VerifyRequest
from verifier.verdict import Verdict

_MEASURING = ("warm-up", "timing")  # the phases in which the verifier's clock runs
_BEFORE_DEVICES = ("pins", "artifact", "build")  # those in which no GPU is used
_LEAST_LIMIT = 600.0
RecordEvent = Callable[[AnyBody, str | None], Awaitable[object]]
Hold = Callable[[], AbstractAsyncContextManager[None]]
HoldTenants = Callable[[str], AbstractAsyncContextManager[None]]


class Judging:
    """Verifies one job at a time and records what came of it.

    `hold` stops the agents; that is done while a task is measured where they may run.
    `hold_tenants` stops those on the GPUs of a session while its snapshot is judged on them.
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
        cpus: Cpus,
        hold: Hold,
        hold_tenants: HoldTenants,
        gpus: GpuDesk,
        trace: Trace,
    ) -> None:
        self._view = view
        self._snapshots = snapshots
        self._verifier = verifier
        self._record = record
        self._chain = chain
        self._manifests = manifests
        self._cpus = cpus
        self._hold = hold
        self._hold_tenants = hold_tenants
        self._gpus = gpus
        self._trace = trace

    async def judge(self, job: Job) -> Verdict:
        """Verify one snapshot and journal its verdict, whatever it is."""
        await self._record(VerificationStarted(snapshot=job.snapshot, stage=job.stage), job.session)
        request, limit, threads = await asyncio.to_thread(self._request, job)
        if self._gpus.lease(job.session) is not None:
            request = await self._on_its_gpus(request, job.session)
        near = self._hold if self._cpus.disturbed(threads) else None
        measuring, on_devices = asyncio.Event(), asyncio.Event()

        def phase(name: str) -> None:
            if name.startswith(_MEASURING):
                measuring.set()
            if name and request.gpus is not None and not name.startswith(_BEFORE_DEVICES):
                on_devices.set()

        doing = self._trace.doing("verification", job.session, f"{job.snapshot[:12]} {job.stage}")
        with doing:
            async with (
                _still_once(measuring, near),
                _still_once(on_devices, lambda: self._hold_tenants(job.session)),
            ):
                verdict = await self._verifier.judge(request, limit, phase)
        marks = job.marks
        where = Where(marks.active, marks.wall, marks.tokens, marks.turns, marks.cost)
        # Whose it is the queue knows; nobody else is asked.
        verdict = msgspec.structs.replace(verdict, session=job.session)
        [kept] = await self._chain.keep([Record(verdict, where)])
        return kept

    def _request(self, job: Job) -> tuple[VerifyRequest, float, int]:
        """What to ask, how many seconds the answer may take, and the task's threads."""
        facts = self._view.state.sessions[job.session]
        size = self._view.state.runs[facts.run].spec.get("size", "full")
        files: dict[str, bytes] = {}
        try:
            snapshot = self._snapshots.get(job.snapshot)
            files, refused = snapshot.files, snapshot.refused
        except SnapshotMissingError as error:
            refused = str(error)
        limit, threads = 0.0, 1
        try:
            task = load_task(Path(facts.task_path))
            limit = task.config.verifier.timeout_sec
            threads = threads_of(task)
            if not task.native:  # its image may be built first, and its baseline run after it
                limit += limit + task.config.environment.build_timeout_sec + _LEAST_LIMIT
        except TaskError:
            pass  # the verifier says what is wrong with the task
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
        return request, max(limit, _LEAST_LIMIT), threads

    async def _on_its_gpus(self, request: VerifyRequest, session: str) -> VerifyRequest:
        """To be judged on the session's own devices, while whoever else has them stands still."""
        try:
            access = await asyncio.to_thread(self._gpus.access, session)
        except NodeMissingError:
            return request  # the verifier says which one it does not find
        still = await self._gpus.tenants(session)
        return msgspec.structs.replace(request, gpus=access, gpus_still=still)


@asynccontextmanager
async def _still_once(moment: asyncio.Event, held: Hold | None) -> AsyncIterator[None]:
    """Hold agents from a moment (the first measurement, say) until the verdict."""
    if held is None:
        yield
        return

    async def hold() -> None:
        await moment.wait()
        async with held():
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        holder = group.create_task(hold())
        yield
        holder.cancel()
