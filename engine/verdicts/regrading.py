"""Grading a run's verdicts anew: the facts stay as they were measured, the scale is today's.

Only what a scale is made of may have changed in a task: its reward rule and its anchors. Where
anything else that a fact depends on is another now, the facts say nothing about the task of today,
and the verdict is left as it is, with the reason.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from engine.events import rfc3339
from engine.state import State
from tasks import Task, TaskError, load_task
from verifier.anchors import anchors_for
from verifier.grading import Facts, anchors_of, faster, grade
from verifier.ledger.manifests import Manifests, changes
from verifier.numerals import numeral
from verifier.pins import PinsError, held
from verifier.scoring import Scale, ScaleError, scale_of
from verifier.verdict import Anchors, AnchorSource, Cause, Finding, Status, Verdict

_FACTS = ("environment/", "tests/")  # what a fact was measured with, beside task.toml
_ONLY_GRADES = ("baseline", "reference", "active_sec")  # of a size: nothing is measured by them
_GRADED: tuple[Status, ...] = ("scored", "suspect")


class RegradeRefusedError(ValueError):
    """A run that cannot be graded anew; the message says why and the remedy."""


class RegradeRow(msgspec.Struct, frozen=True):
    """One verdict: its reward before and after. `why` says what made the difference.

    `left` says why it has no new grade, and is empty where it has one; `id` is that one's.
    """

    session: str
    verdict: str
    before: float | None
    after: float | None
    status: Status
    why: str
    left: str
    id: str | None


class ChangedTask(msgspec.Struct, frozen=True):
    """A task that is not what it was when the run was launched, and what was changed."""

    task: str
    files: list[str]


class Regrading(msgspec.Struct, frozen=True):
    """What comes of it: the new verdicts, each with the reason, and what is told of all."""

    tasks: list[ChangedTask]
    rows: list[RegradeRow]
    verdicts: list[tuple[Verdict, str]]
    remarks: list[str]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known of one session: the snapshot of its untouched baseline, and its verdicts.

    `grades` has the newest grade of each of `verdicts` that was graded anew, by its id.
    """

    session: str
    task_path: str
    task_hash: str
    size: str
    anchors: AnchorSource
    baseline: str | None
    verdicts: Sequence[Verdict]
    grades: Mapping[str, Verdict]


def subjects(state: State, run: str, verdicts_of: Mapping[str, Sequence[Verdict]]) -> list[Subject]:
    """The sessions of a run. Raises `RegradeRefusedError` for a run that nobody knows."""
    if run not in state.runs:
        known = ", ".join(list(state.runs)[-5:]) or "none yet"
        raise RegradeRefusedError(f"there is no run {run!r}; the newest are {known}")
    found = []
    for name in state.runs[run].sessions:
        facts = state.sessions.get(name)
        if facts is None:
            continue
        every = verdicts_of.get(name, ())
        found.append(
            Subject(
                name,
                facts.task_path,
                facts.task_hash,
                str(state.runs[run].spec.get("size", "full")),
                facts.anchors.source if facts.anchors is not None else "task",
                facts.baseline,
                [v for v in every if v.regrade_of is None],
                {v.regrade_of: v for v in every if v.regrade_of is not None},
            )
        )
    return found


def regrade(
    sessions: Sequence[Subject],
    manifests: Manifests,
    source: AnchorSource | None,
    calibrations: Path,
    at: float,
) -> Regrading:
    """Grade every verdict of these sessions by its task's scale as it is now; `at` is Unix time.

    `source` says which anchors; None is those of the kind that the session was launched with.
    Reads task files, so it belongs on a thread. Never raises for what became of a task.
    """
    done = Regrading([], [], [], [])
    today: dict[tuple[str, ...], _Today | str] = {}
    for subject in sessions:
        kind = source or subject.anchors
        key = (subject.task_path, subject.task_hash, subject.size, kind)
        if key not in today:
            today[key] = _look(subject, manifests, kind, calibrations, done)
        for verdict in subject.verdicts:
            _one(subject, verdict, today[key], done, at)
    return done


@dataclass(frozen=True, slots=True)
class _Today:
    """A task as it is now."""

    task: Task
    hash: str
    scale: Scale
    anchors: Anchors
    changed: tuple[str, ...]


def _look(
    subject: Subject, manifests: Manifests, source: AnchorSource, folder: Path, done: Regrading
) -> _Today | str:
    """The task as it is now, or why the facts of its verdicts cannot be graded by it."""
    path = Path(subject.task_path)
    try:
        pinned = held(path)
        toml = pinned.read("task.toml").decode()
        task = load_task(path)
    except (PinsError, TaskError, OSError, ValueError) as error:
        return str(error)
    if not task.native:
        return "it was judged by its task's own test.sh, whose word is taken once"
    changed: tuple[str, ...] = ()
    if pinned.hash != subject.task_hash:
        then = manifests.get(subject.task_hash)
        if then is None:
            done.tasks.append(ChangedTask(task.name, []))
            return "its task was changed, and what it was is not known"
        changed = changes(then.files, pinned.files)
        done.tasks.append(ChangedTask(task.name, list(changed)))
        why = _why_not_comparable(changed, then.toml, toml)
        if why:
            return why
    try:
        chosen = anchors_for(task, subject.size, source, folder)
        scale = scale_of(task, subject.size, chosen.anchors)
    except (ScaleError, TaskError) as error:
        return str(error)
    if chosen.why and chosen.why not in done.remarks:
        done.remarks.append(chosen.why)
    return _Today(task, pinned.hash, scale, anchors_of(scale, chosen.anchors.source), changed)


def _why_not_comparable(changed: Sequence[str], then: str, now: str) -> str:
    """Why facts of the task of then are none of the task of now; empty where they are."""
    touched = [line for line in changed if line.startswith(_FACTS)]
    if touched:
        return f"it was measured with other files: {'; '.join(touched[:3])}"
    keys = [
        f"{name}"
        for name, old, new in _tables(_measured(tomllib.loads(then)), _measured(tomllib.loads(now)))
        if old != new
    ]
    return f"it was measured by another task.toml: {', '.join(keys)} changed" if keys else ""


def _measured(toml: dict[str, Any]) -> dict[str, Any]:
    """A task.toml without what only grades: the rule, the anchors, and words about the task."""
    for name in ("metadata", "task"):
        toml.pop(name, None)
    optimization = dict(toml.get("optimization", {}))
    autolab = dict(toml.get("autolab", {}))
    for anchor in _ONLY_GRADES:
        optimization.pop(anchor, None)
    autolab.pop("reward", None)
    autolab["sizes"] = {
        name: {k: v for k, v in table.items() if k not in _ONLY_GRADES}
        for name, table in autolab.get("sizes", {}).items()
    }
    return {**toml, "optimization": optimization, "autolab": autolab}


def _tables(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    pairs = [
        (k, old.get(k), new.get(k)) for k in sorted({*old, *new}) if k not in ("autolab", "agent")
    ]
    ours, theirs = old.get("autolab", {}), new.get("autolab", {})
    return pairs + [(f"autolab.{k}", ours.get(k), theirs.get(k)) for k in sorted({*ours, *theirs})]


def _one(
    subject: Subject, verdict: Verdict, today: _Today | str, done: Regrading, at: float
) -> None:
    current = subject.grades.get(verdict.id, verdict)
    left = today if isinstance(today, str) else _missing(subject, verdict, today)
    if isinstance(today, str) or left:
        _row(done, subject.session, current, left=left)
        return
    made, why = _graded(subject, verdict, current, today, at)
    same = (made.reward, made.status) == (current.reward, current.status)
    if same and made.anchors == current.anchors:
        _row(done, subject.session, current, left="the rule and the anchors are the same")
    elif same:
        _row(done, subject.session, current, why=why, left="the reward is the same")
    else:
        done.verdicts.append((made, why))
        _row(done, subject.session, current, made=made, why=why)


def _missing(  # noqa: PLR0911 - one return for each thing that can be missing
    subject: Subject, verdict: Verdict, today: _Today
) -> str:
    """Why a verdict's facts are not enough to grade it; empty where they are."""
    if verdict.status == "not_judged":
        return f"it was not judged: {verdict.reason}"
    if verdict.failed_gate is not None:
        return f"gate {verdict.failed_gate} failed, which earns 0 under any rule"
    if verdict.status not in _GRADED or verdict.metric is None:
        return "it has no metric"
    if subject.baseline is None:
        return "what the untouched files were is not recorded"
    table, optimization = today.task.autolab, today.task.optimization
    if table is None or optimization is None:
        return "its task has no [autolab] table"
    timed = bool(verdict.metric.samples)
    if timed != table.driver.timed:
        return f"its task is judged in another way now ({table.driver.kind})"
    measured = (verdict.metric.name, verdict.metric.unit, verdict.metric.direction)
    if measured != (optimization.metric, table.unit, optimization.direction):
        words = " ".join(filter(None, measured))
        return f"it measured {words}, and its task measures something else now"
    if timed and (verdict.speedup is None or faster(verdict.metric, verdict.speedup) is None):
        return "it has no speedup with its pairs or its interval"
    return ""


def _graded(
    subject: Subject, verdict: Verdict, current: Verdict, today: _Today, at: float
) -> tuple[Verdict, str]:
    if verdict.metric is None:
        raise ValueError(f"{verdict.id} has no metric")
    timed = verdict.speedup if verdict.metric.samples else None
    facts = Facts(
        verdict.metric.value,
        timed,
        untouched=verdict.snapshot == subject.baseline,
        faster=timed is None or faster(verdict.metric, timed) is True,
    )
    graded = grade(today.scale, facts)
    why = _why(current.anchors, today)
    cause: Cause | None = "tampered" if verdict.cause == "tampered" else None
    reason = f"graded anew, since {why}"
    if graded.nothing:
        reason += f": {graded.nothing}"
    if graded.implausible and cause is None:
        cause = "implausible"
        reason += f": beyond the bound {numeral(today.scale.bound, 6)}"
    kept = [f for f in verdict.findings if f.what != "better than the task says is possible"]
    if graded.implausible:
        kept.append(Finding("severe", "better than the task says is possible", reason))
    made = msgspec.structs.replace(
        verdict,
        id=f"v-{os.urandom(8).hex()}",
        task_hash=today.hash,
        speedup=graded.speedup,
        reward=graded.reward,
        status="scored" if cause is None else "suspect",
        cause=cause,
        anchors=today.anchors,
        reason=reason,
        findings=tuple(kept),
        seconds=0.0,
        at=rfc3339(at),
        previous_hash=None,
        hash=None,
        signature=None,
        regrade_of=verdict.id,
    )
    return made, why


def _why(old: Anchors | None, today: _Today) -> str:
    new = today.anchors
    words = []
    if old is None:
        words.append("it had no anchors")
    else:
        if old.rule and old.rule != new.rule:
            words.append(f"the rule is {new.rule}, not {old.rule}")
        words += [
            f"the {name} is {numeral(after, 6)}, not {numeral(before, 6)}"
            for name, before, after in (
                ("baseline", old.baseline, new.baseline),
                ("reference", old.reference, new.reference),
                ("bound", old.bound, new.bound),
            )
            if before is not None and after is not None and before != after
        ]
        if old.source != new.source:
            words.append(f"the anchors are the {_of(new.source)}, not the {_of(old.source)}")
    if today.changed:
        words.append(f"the task has changed ({'; '.join(today.changed[:3])})")
    return ", ".join(words) or "the way of grading has changed"


def _of(source: str) -> str:
    return "calibrated ones" if source == "calibrated" else "task's own"


def _row(
    done: Regrading,
    session: str,
    current: Verdict,
    *,
    made: Verdict | None = None,
    why: str = "",
    left: str = "",
) -> None:
    newest = made or current
    done.rows.append(
        RegradeRow(
            session,
            current.regrade_of or current.id,
            current.reward,
            newest.reward,
            newest.status,
            why,
            left,
            None if made is None else made.id,
        )
    )
