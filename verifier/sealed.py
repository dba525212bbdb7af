"""The sealed verification: from a request to a verdict, whatever happens on the way.

The order is fixed: the task's pins, the artifact, the gates, the metric, the reward. Every way to
end has a type (`verifier.outcomes`), and none of them is a default score.
"""

from __future__ import annotations

import secrets
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tasks import TaskError, load_task
from verifier import cpus as cpu_sets
from verifier import flags
from verifier.appraisal import Appraisal
from verifier.artifact import ArtifactRefusedError, Caps, check_files, printable, snapshot_hash
from verifier.cpus import Machine
from verifier.draft import Draft
from verifier.gpus import tenancy
from verifier.gpus.device import want_of
from verifier.gpus.tenancy import Watch
from verifier.grading import anchors_of
from verifier.judge import PATIENCE, Judge, JudgeError
from verifier.ledger.manifests import in_words
from verifier.outcomes import FailedError, NotJudgedError
from verifier.pins import PinnedTask, PinsError, held
from verifier.request import VerifyRequest
from verifier.sandbox import get_backend
from verifier.sandbox.spec import Backend, SandboxUnavailableError
from verifier.scoring import ScaleError, scale_of
from verifier.screening import screen
from verifier.verdict import (
    Cause,
    Finding,
    Gate,
    Seal,
    Verdict,
)

if TYPE_CHECKING:
    from tasks.autolab import Autolab

Progress = Callable[[str], None]
_EDITS_SHOWN = 20


def verify(
    request: VerifyRequest,
    progress: Progress = lambda _: None,
    backend: Backend | None = None,
) -> Verdict:
    """Judge one snapshot. Call it from the main thread: sandboxes die with the thread that asked.

    `progress` is told each phase in words. Never raises for anything that the request, the task,
    the artifact or the machine can do; the verdict then says what it was.
    """
    started = time.monotonic()
    snapshot = request.snapshot or snapshot_hash(request.files)
    draft = Draft(Path(request.task).name, snapshot)
    if request.ignored_edits:
        draft.findings.append(_edits(request.ignored_edits))
    backend = backend or get_backend()
    try:
        _judge(request, draft, backend, progress)
    except ArtifactRefusedError as error:
        _fail(draft, FailedError("artifact", "artifact_refused", str(error)))
    except FailedError as error:
        _fail(draft, error)
    except NotJudgedError as error:
        draft.findings += error.findings
        _give_up(draft, error.cause, error.reason)
    except (TaskError, PinsError, ScaleError, JudgeError, SandboxUnavailableError) as error:
        _give_up(draft, "verifier_error", str(error))
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        _give_up(draft, "verifier_error", f"the verifier failed: {type(error).__name__}: {error}")
    return Verdict(
        id=f"v-{secrets.token_hex(8)}",
        session=request.session,
        task=draft.task,
        task_hash=draft.task_hash,
        snapshot=draft.snapshot,
        stage=request.stage,
        gates=tuple(draft.gates),
        metric=draft.metric,
        speedup=draft.speedup,
        reward=draft.reward,
        status=draft.status,
        cause=draft.cause,
        anchors=draft.anchors,
        seal=_seal(backend, draft),
        reason=draft.reason,
        findings=tuple(draft.findings),
        seconds=round(time.monotonic() - started, 3),
        at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )


def _fail(draft: Draft, failure: FailedError) -> None:
    draft.gates.append(Gate(failure.gate, False, failure.evidence))
    draft.cause, draft.reward = failure.cause, 0.0
    draft.reason = f"gate {failure.gate} failed: {failure.evidence}"


def _give_up(draft: Draft, cause: Cause, reason: str) -> None:
    draft.cause, draft.reward, draft.reason = cause, None, reason


def _edits(paths: Sequence[str]) -> Finding:
    shown = ", ".join(printable(path, 80) for path in paths[:_EDITS_SHOWN])
    more = len(paths) - _EDITS_SHOWN
    return Finding(
        "info",
        "edited pinned files are ignored",
        f"{shown} and {more} more" if more > 0 else shown,
    )


def _seal(backend: Backend, draft: Draft) -> Seal:
    level = backend.enforcement().level
    return Seal(level, draft.timed_by, not draft.lacks, "; ".join(draft.lacks))


def _judge(request: VerifyRequest, draft: Draft, backend: Backend, progress: Progress) -> None:
    progress("pins")
    pinned = held(Path(request.task))
    draft.task_hash = pinned.hash
    task = load_task(Path(request.task))
    draft.task = task.name
    if request.task_hash is not None and request.task_hash != pinned.hash:
        raise NotJudgedError(
            "the task is not the one that the session began with: "
            f"{in_words(request.task_files, pinned.files)} (its hash is {pinned.hash}, "
            f"not {request.task_hash}); restore the task's files, or start a new session"
        )
    backend.require()
    machine = Machine(backend, cpu_sets.choose(request, cpu_sets.threads_of(task)))
    if task.autolab is None:
        with cpu_sets.working(machine.cpus):
            _foreign(request, pinned, machine, draft, progress)
        return
    measured = request.anchors
    if measured is not None and measured.source == "task":
        measured = None  # the task's own are the pinned ones, whatever the request says of them
    scale = scale_of(task, request.size, measured)
    draft.anchors = anchors_of(scale, measured.source if measured else "task")
    progress("artifact")
    chosen = _accept(request, task.autolab, draft)
    appraisal = Appraisal(request, task, task.autolab, pinned, scale, draft)
    with cpu_sets.working(machine.cpus):
        draft.findings += screen(machine, task.autolab.screen, request.files)
        _with_devices(appraisal, machine, chosen, progress)
    _hold(draft)


def _with_devices(
    appraisal: Appraisal, machine: Machine, chosen: tuple[str, ...], progress: Progress
) -> None:
    devices = tenancy.devices(appraisal.request, want_of(appraisal.task))
    with tenancy.turn(devices.uuids):
        watch = Watch(devices.uuids, appraisal.request.gpus_still, progress)
        try:
            with watch:
                _ask(appraisal, replace(machine, gpus=devices), chosen, watch.progress)
        except FailedError as error:
            if lost := tenancy.lost(devices.uuids):  # then it is no fault of the candidate's
                raise NotJudgedError(f"{lost}; it had failed: {error}") from error
            raise
        finally:
            _note_others(appraisal.draft, watch.finding)


def _ask(
    appraisal: Appraisal, machine: Machine, chosen: tuple[str, ...], progress: Progress
) -> None:
    driver = appraisal.table.driver
    patience = PATIENCE if driver.timed else max(PATIENCE, driver.timeout_sec)
    with Judge(machine, appraisal.pinned.below("tests"), patience) as judge:
        if driver.timed:
            appraisal.timed(machine, judge, chosen, progress)
        else:
            appraisal.data(judge, progress)


def _note_others(draft: Draft, finding: Finding | None) -> None:
    """Timings that another process on the GPU may have spoiled are not official."""
    if finding is not None:
        draft.findings.append(finding)
        draft.lacks.append(f"{finding.what}: {finding.evidence}")


def _hold(draft: Draft) -> None:
    """A score beside a severe finding waits for a person."""
    severe = [finding for finding in draft.findings if finding.severity == "severe"]
    if draft.cause is None and severe:
        draft.cause = "tampered"
        draft.reason = f"{severe[0].what} ({severe[0].evidence}); {draft.reason}"


def _foreign(
    request: VerifyRequest,
    pinned: PinnedTask,
    machine: Machine,
    draft: Draft,
    progress: Progress,
) -> None:
    """A task that is judged by its own test.sh."""
    from verifier.foreign import judging

    draft.timed_by = "task"
    said = judging.Said(draft.gates, draft.findings, draft.lacks)
    try:
        judging.judge(request, pinned, machine, progress, said)
    finally:
        draft.anchors, draft.metric, draft.speedup = said.anchors, said.metric, said.speedup
        draft.reward, draft.cause, draft.reason = said.reward, said.cause, said.reason


def _accept(request: VerifyRequest, table: Autolab, draft: Draft) -> tuple[str, ...]:
    """The `artifact` gate; returns the flags where the artifact is a flags file."""
    if request.refused is not None:
        raise FailedError("artifact", "artifact_refused", printable(request.refused, 400))
    check_files(request.files, table.editable, Caps())
    chosen: tuple[str, ...] = ()
    if table.flags is not None:
        if table.flags.file not in request.files:
            raise ArtifactRefusedError(table.flags.file, "the file is missing")
        data = request.files[table.flags.file]
        chosen = flags.parse(table.flags.file, data, table.flags.allow)
    if table.driver.kind == "cuda":
        from verifier.cuda.workshop import accept

        accept(table.driver, request.files)
    total = sum(map(len, request.files.values()))
    draft.gates.append(Gate("artifact", True, f"{len(request.files)} files, {total} bytes"))
    return chosen
