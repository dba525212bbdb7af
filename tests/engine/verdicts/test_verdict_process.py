"""The verifier's process from the outside: whatever it does, a typed verdict comes of it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.clock import Clock
from engine.cpus import Cpus, usable
from engine.events import AnyBody, RunCreated, VerdictGiven, VerificationStarted
from engine.gpu.desk import GpuDesk
from engine.journal import Journal
from engine.journal.view import View
from engine.oversight.trace import Trace
from engine.storage.disk import Disk
from engine.storage.snapshots import SnapshotStore
from engine.verdicts.chain import Chain
from engine.verdicts.process import VerifierProcess
from engine.verdicts.queue import Job, Marks
from engine.verdicts.recorder import Judging
from tests.engine.state.test_state_fold import created
from tests.engine.support import make_task
from verifier.gpus.device import Gpu, Want
from verifier.ledger import entries
from verifier.ledger.entries import parse
from verifier.ledger.ledger import Ledger
from verifier.ledger.manifests import Manifests
from verifier.request import VerifyRequest
from verifier.verdict import Seal, Verdict

GOOD = Verdict(
    id="v-1",
    task="t",
    task_hash="h",
    snapshot="s",
    stage="checkpoint",
    reward=0.5,
    status="scored",
    seal=Seal("full", "driver", True),
    reason="fine",
    seconds=1.0,
    at="2026-01-01T00:00:00.000Z",
)
REQUEST = VerifyRequest(task="/tasks/t", snapshot="s", stage="final", session="a-01")
VERDICT = json.dumps({"verdict": msgspec.to_builtins(GOOD)})
CONTENDED = msgspec.structs.replace(GOOD, status="not_judged", reward=None, cause="contention")


def process(tmp_path: Path, script: str) -> VerifierProcess:
    """A verifier whose program is `script`; `first` is true in its first run only."""
    flag = tmp_path / "flag"
    head = (
        "import sys, os, time, json, pathlib\n"
        f"flag = pathlib.Path({str(flag)!r}); first = not flag.exists(); flag.touch()\n"
        f"VERDICT = {VERDICT!r}\n"
        f"CONTENDED = {json.dumps({'verdict': msgspec.to_builtins(CONTENDED)})!r}\n"
    )
    return VerifierProcess(Clock(), (sys.executable, "-c", head + script))


async def judged(verifier: VerifierProcess, limit: float = 20.0) -> tuple[Verdict, list[str]]:
    phases: list[str] = []
    return await verifier.judge(REQUEST, limit, phases.append), phases


async def test_a_verdict_and_the_phases_before_it(tmp_path: Path) -> None:
    script = 'json.load(sys.stdin); print(\'{"phase": "build"}\'); print(VERDICT)'
    verdict, phases = await judged(process(tmp_path, script))
    assert verdict == GOOD
    assert phases == ["build", ""]


@pytest.mark.parametrize(
    "script",
    [
        "os._exit(9) if first else print(VERDICT)",
        "os.kill(os.getpid(), 9) if first else print(VERDICT)",
        "print('{broken') if first else print(VERDICT)",
        'print(\'{"verdict": {"id": 1}}\') if first else print(VERDICT)',
    ],
)
async def test_a_failure_is_tried_once_more(tmp_path: Path, script: str) -> None:
    verdict, _ = await judged(process(tmp_path, script))
    assert verdict == GOOD


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("sys.stderr.write('the disk is on fire\\n'); os._exit(1)", "code 1: the disk is on fire"),
        ("pass", "code 0: it printed nothing"),
        ("print('5')", "unreadable"),
        ("print(VERDICT); print(VERDICT)", "it gave two verdicts"),
        ("print(VERDICT.replace('0.5', 'NaN'))", "unreadable"),
        ("print(VERDICT.replace('0.5', '1e999'))", "unreadable"),
        ("print('x' * (65 << 20))", "unreadable"),
        ("time.sleep(60)", "no verdict in 0"),
        ("os.fork() or time.sleep(60); os._exit(3)", "no verdict in 0"),
    ],
)
async def test_two_failures_are_not_judged_and_never_a_score(
    tmp_path: Path, script: str, said: str
) -> None:
    limit = 0.4 if "sleep" in script else 20.0
    verdict, phases = await judged(process(tmp_path, script), limit)
    assert (verdict.status, verdict.cause, verdict.reward) == ("not_judged", "verifier_error", None)
    assert said in verdict.reason
    assert (verdict.session, verdict.snapshot, verdict.stage) == ("a-01", "s", "final")
    assert not verdict.seal.official
    assert phases[-1] == ""


async def test_contention_is_left_to_the_queue(tmp_path: Path) -> None:
    script = "print(CONTENDED) if first else print(VERDICT)"
    verdict, _ = await judged(process(tmp_path, script))
    assert verdict == CONTENDED


async def test_a_verifier_is_ended_with_its_engine(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid())); time.sleep(60)"
    task = asyncio.ensure_future(judged(process(tmp_path, script)))
    async with asyncio.timeout(10):
        while not pid_file.exists() or not pid_file.read_text():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


async def test_the_verifier_sees_no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    script = "print(VERDICT if 'sk-canary' not in str(os.environ) else CONTENDED)"
    verdict, _ = await judged(process(tmp_path, script))
    assert verdict == GOOD


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU measures and works")
async def test_the_engine_keeps_off_the_measuring_cpu_and_its_verifier_may_use_it() -> None:
    every = os.sched_getaffinity(0)
    cpus = usable()
    script = f"import os; print(VERDICT if len(os.sched_getaffinity(0)) == {len(every)} else '')"
    try:
        cpus.keep_off_measuring()
        assert os.sched_getaffinity(0) == set(cpus.working) == every - {max(every)}
        command = (sys.executable, "-c", f"VERDICT = {VERDICT!r}\n{script}")
        verdict, _ = await judged(VerifierProcess(Clock(), command, cpus))
        assert verdict == GOOD
        assert os.sched_getaffinity(0) == set(cpus.working)
    finally:
        os.sched_setaffinity(0, every)


class Bench:
    """A journal with one session, and what judging records and holds."""

    def __init__(
        self, tmp_path: Path, script: str, cpus: tuple[int, ...] = (0,), threads: int = 1
    ) -> None:
        self.journal = Journal(tmp_path / "j")
        path = make_task(tmp_path / "suite") / "count_down"
        toml = (path / "task.toml").read_text()
        (path / "task.toml").write_text(
            toml.replace("[autolab.driver]", f"[autolab.driver]\nthreads = {threads}")
        )
        made = msgspec.structs.replace(created("a-01"), task_path=str(path))
        run = RunCreated(run="a", sessions=("a-01",), spec={"size": "quick"})
        self.journal.append(run)
        self.journal.append(made, "a-01").result(5)
        self.view = View(self.journal, asyncio.get_running_loop())
        self.snapshots = SnapshotStore(tmp_path / "snapshots")
        self.held: list[str] = []
        self.released = asyncio.Event()
        verifier = process(tmp_path, script)
        self.ledger = Ledger(tmp_path / "ledger")
        self.gpus = GpuDesk(
            self.view.state,
            self.journal.append,
            lambda: None,
            namespaces=self.namespaces,
            dev=tmp_path,
        )
        self.judging = Judging(
            self.view,
            self.snapshots,
            verifier,
            self.record,
            Chain(self.ledger, Disk(), self.record, asyncio.Lock()),
            manifests=Manifests(tmp_path / "tasks"),
            cpus=Cpus(cpus),
            hold=self.hold,
            hold_tenants=self.hold_tenants,
            gpus=self.gpus,
            trace=Trace(None),
        )

    async def record(self, body: AnyBody, session: str | None) -> object:
        return await asyncio.wrap_future(self.journal.append(body, session))

    async def namespaces(self, sessions: Sequence[str]) -> dict[str, int]:
        return dict.fromkeys(sessions, 4026531836)

    @asynccontextmanager
    async def hold_tenants(self, session: str) -> AsyncIterator[None]:
        self.held.append(f"tenants of {session} held")
        try:
            yield
        finally:
            self.held.append("tenants free")

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        self.held.append("held")
        try:
            yield
        finally:
            self.held.append("free")

    def close(self) -> list[Any]:
        bodies = [event.body for event in self.journal.events()]
        self.journal.close()
        return bodies


async def test_agents_that_share_the_cpu_stand_still_while_it_measures(tmp_path: Path) -> None:
    script = (
        'print(\'{"phase": "build"}\', flush=True); time.sleep(0.2);'
        'print(\'{"phase": "timing 1"}\', flush=True); time.sleep(0.3); print(VERDICT)'
    )
    bench = Bench(tmp_path, script)
    snapshot = bench.snapshots.put("s", {"answer.txt": b"1"})
    marks = Marks(12.5, 20.0, 700, 3, None)
    judging = asyncio.ensure_future(
        bench.judging.judge(Job("a-01", snapshot.id, "checkpoint", marks))
    )
    await asyncio.sleep(0)
    assert bench.held == []
    verdict = await judging
    assert not bench.ledger.lines()[2:]
    [entry] = [e for e in map(parse, bench.ledger.lines()) if e.verdict_id == GOOD.id]
    assert verdict == entry.verdict
    assert entries.bare(verdict) == {**entries.bare(GOOD), "session": "a-01"}
    assert bench.held == ["held", "free"]
    assert bench.view.state.sessions["a-01"].best_reward == 0.5
    started, given = bench.close()[-2:]
    assert started == VerificationStarted(snapshot="s", stage="checkpoint")
    assert given == VerdictGiven(verdict=verdict, active=12.5, wall=20.0, tokens=700, turns=3)


@pytest.mark.parametrize(
    ("cpus", "threads", "held"),
    [((0, 1), 1, False), ((0, 1), 2, True), ((0, 1, 2, 3), 2, True), ((0,), 2, True)],
)
async def test_agents_stand_still_only_where_they_may_be_in_the_way(
    tmp_path: Path, cpus: tuple[int, ...], threads: int, held: bool
) -> None:
    script = 'print(\'{"phase": "timing 1"}\', flush=True); time.sleep(0.2); print(VERDICT)'
    bench = Bench(tmp_path, script, cpus, threads)
    snapshot = bench.snapshots.put("s", {"answer.txt": b"1"})
    await bench.judging.judge(Job("a-01", snapshot.id, "checkpoint", Marks(1.0, 1.0, 0, 0, None)))
    assert bench.held == (["held", "free"] if held else [])
    bench.close()


async def test_a_snapshot_that_is_lost_is_refused_and_nobody_is_held_for_it(
    tmp_path: Path,
) -> None:
    script = (
        "asked = json.load(sys.stdin); "
        "print(VERDICT.replace('fine', asked['refused'].replace(chr(34), '')))"
    )
    bench = Bench(tmp_path, script)
    job = Job("a-01", "missing", "final", Marks(0.0, 0.0, 0, 0, None))
    verdict = await bench.judging.judge(job)
    assert "snapshot missing cannot be read" in verdict.reason
    assert bench.held == []
    bench.close()


async def test_a_session_stands_still_while_its_snapshot_is_judged_on_its_gpu(
    tmp_path: Path,
) -> None:
    script = (
        'asked = json.load(sys.stdin); print(\'{"phase": "build"}\', flush=True); '
        'print(\'{"phase": "correctness 1/2"}\', flush=True); time.sleep(0.2); '
        "print(VERDICT.replace('fine', "
        "asked['gpus']['uuids'][0] + ' ' + str(asked['gpus_still'])))"
    )
    bench = Bench(tmp_path, script, (0, 1))
    for name in ("nvidiactl", "nvidia-uvm", "nvidia1"):
        (tmp_path / name).symlink_to("/dev/null")
    facts = msgspec.structs.replace(
        bench.view.state.sessions["a-01"], want=Want(1), lease=(Gpu("GPU-1", "A100", 1),)
    )
    assert bench.gpus.adopt(facts)
    snapshot = bench.snapshots.put("s", {"answer.txt": b"1"})
    job = Job("a-01", snapshot.id, "checkpoint", Marks(1.0, 1.0, 0, 0, None))
    verdict = await bench.judging.judge(job)
    assert verdict.reason == "GPU-1 [4026531836]"
    assert bench.held == ["tenants of a-01 held", "tenants free"]
    bench.close()
