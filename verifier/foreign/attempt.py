"""One run of a task's test.sh over an artifact, and what its end amounts to.

A failure says something of an artifact only where the untouched files pass: a toolchain older than
the image's, or a slow machine, fails every artifact alike. So the first failure of a task is held
against its baseline, which is then run too; what came of that is kept for a while.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from verifier import cpus as cpu_sets
from verifier.artifact import printable
from verifier.cpus import Machine
from verifier.foreign import clock, reward
from verifier.foreign.image import Image, packages_stamp
from verifier.foreign.layout import Layout
from verifier.foreign.reward import RewardError, Stated
from verifier.foreign.rewriting import Rewriting
from verifier.foreign.running import Hardware, room, run_tests
from verifier.foreign.sandboxed import Ended
from verifier.outcomes import FailedError, NotJudgedError
from verifier.verdict import Cause, Finding

if TYPE_CHECKING:
    from tasks import Task
    from verifier.pins import PinnedTask

_KEPT_SECONDS = 3600.0
_NOTE = "baseline.json"


@dataclass(frozen=True, slots=True)
class Case:
    """What is the same for every run of a task here."""

    task: Task
    pinned: PinnedTask
    image: Image
    layout: Layout
    machine: Machine
    progress: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A test.sh that ended well: what it stated, how it ran, and what became of its reward."""

    stated: Stated
    ended: Ended
    rewritten: Finding | None = None


class _Note(msgspec.Struct, frozen=True):
    """How the baseline did: `why` it failed, or nothing."""

    stamp: str
    at: float
    why: str


def attempt(case: Case, artifact: Mapping[str, bytes]) -> Attempt:
    """Run test.sh over the artifact.

    Raises `FailedError` (gate `test_sh`) where it did not end well and stated nothing, and
    `NotJudgedError` for a reward that cannot be used.
    """
    cpus = case.machine.cpus
    timed = clock.timed(case.task)
    turn = cpu_sets.turn(cpus) if timed else contextlib.nullcontext()
    on = Hardware(case.machine.backend, cpus.measuring if timed else cpus.working)
    with turn, room(case.image, case.layout, artifact, "run") as place:
        case.progress("timing: test.sh" if timed else "test.sh")
        with Rewriting(place.logs) as rewriting:
            ended = run_tests(case.task, case.pinned, case.image, place, on, begun=rewriting.begin)
        try:
            stated, trouble = reward.read(place.logs), ""
        except RewardError as error:
            stated, trouble = None, str(error)
    stated = _ending(case.task, ended, stated, trouble)
    return Attempt(stated, ended, rewriting.finding)


def _ending(task: Task, ended: Ended, stated: Stated | None, trouble: str) -> Stated:
    """The reward of a test.sh that ended well; otherwise raises what its end amounts to."""
    limit = task.config.verifier.timeout_sec
    if ended.timed_out:
        how = f"did not end within {limit:g} s"
    elif ended.code != 0:
        what = f"signal {-ended.code}" if ended.code < 0 else f"status {ended.code}"
        how = f"ended with {what}: {printable(ended.last_line, 200)}"
    elif trouble:
        raise NotJudgedError(f"test.sh ended, and its reward cannot be used: {printable(trouble)}")
    elif stated is None:
        raise NotJudgedError("test.sh ended well and left no reward in /logs/verifier")
    else:
        return stated
    if trouble or (stated is not None and stated.reward > 0):
        said = f"an unusable one ({printable(trouble)})" if trouble or stated is None else (
            f"one of {stated.reward:g}"
        )  # fmt: skip
        raise NotJudgedError(
            f"there is a reward, {said}, though test.sh {how}",
            findings=(Finding("warning", "a reward without test.sh ending well", how),),
        )
    cause: Cause = "timeout" if ended.timed_out else "crashed"
    if ended.out_of_memory:
        cause = "out_of_memory"
    raise FailedError("test_sh", cause, f"test.sh {how}")


def why_wrong(found: Attempt) -> str:
    """What the task says of an artifact that it calls wrong."""
    return printable(found.stated.why or found.ended.last_line, 300)


def works(task: Task) -> bool:
    """Whether the task says that its untouched files work: it states what they score."""
    stated = task.optimization
    return stated is not None and stated.baseline is not None and stated.baseline.score is not None


def baseline_failure(image: Image) -> str | None:
    """Why the untouched files fail here, as far as is known and lately found."""
    note = _noted(image)
    return note.why if note is not None and note.why else None


def check_baseline(case: Case) -> str | None:
    """Why the untouched files fail here; they are run unless that is known."""
    note = _noted(case.image)
    if note is None:
        case.progress("the untouched files")
        note_baseline(case.image, why := _trouble(case))
        return why
    return note.why or None


def _trouble(case: Case) -> str | None:
    try:
        found = attempt(case, case.layout.editable)
    except FailedError as error:
        return error.evidence
    return why_wrong(found) if found.stated.correct is False else None


def _noted(image: Image) -> _Note | None:
    try:
        note = msgspec.json.decode((image.root / _NOTE).read_bytes(), type=_Note)
    except (OSError, msgspec.DecodeError):
        return None
    fresh = 0 <= time.time() - note.at < _KEPT_SECONDS
    return note if note.stamp == packages_stamp() and (fresh or not note.why) else None


def note_baseline(image: Image, why: str | None) -> None:
    """Keep how the untouched files did."""
    new = image.root / f".{_NOTE}.{os.getpid()}"
    with contextlib.suppress(OSError):
        new.write_bytes(msgspec.json.encode(_Note(packages_stamp(), time.time(), why or "")))
        new.replace(image.root / _NOTE)
