"""`autolab verify`: judge a directory, or the untouched baseline, here and now."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from autolab_tui.cli.failures import DONE, FAILED, NEGATIVE, CommandError, UsageError
from autolab_tui.cli.output import note, number, plain
from autolab_tui.cli.parser import Commands, command
from verifier.numerals import numeral

if TYPE_CHECKING:
    from tasks import Task
    from verifier.foreign.workspace import Workspace
    from verifier.request import SizeName, VerifyRequest
    from verifier.verdict import Verdict

_DETAILS = """\
Needs no engine. TASK is a name of the suite or a task's directory. DIR holds a workspace; without
it the task's untouched baseline is judged. Only the editable files are taken from DIR. A foreign
task (Harbor's format, no [autolab] table) is judged by its own test.sh, in full size. --record
puts the verdict into the ledger (`autolab verdicts`), as one of stage manual.

--regrade RUN measures nothing: what was measured then is graded by the rule and the anchors that
the tasks have now. The old verdicts stay in the ledger; each new one names the one that it is a
grade of, and counts from now on (and may be graded anew again). It asks the engine, and starts it
if none runs. A verdict whose facts say nothing about the task of today is left, with the reason.

examples:
  autolab verify median_filter                 the baseline: reward 0
  autolab verify median_filter ./app           a workspace of your own
  autolab verify median_filter --oracle        its reference solution
  autolab verify golf --suite ./checkout       a foreign task's baseline
  autolab verify ./my-task ./my-task/solution/steps/01-first --size full --json
  autolab verify --regrade RUN --dry-run       what a changed rule would make of a run

exit codes: 0 every gate passed, 1 could not be judged, 3 a gate failed or the verdict is suspect"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "verify",
        run,
        summary="judge a directory with the sealed verifier, without an engine",
        details=_DETAILS,
        dry_run=True,
    )
    parser.add_argument("task", nargs="?", metavar="TASK", help="a task's name or directory")
    parser.add_argument("dir", nargs="?", type=Path, metavar="DIR", help="the workspace to judge")
    parser.add_argument("--oracle", action="store_true", help="judge the reference solution")
    parser.add_argument("--suite", type=Path, metavar="DIR", help="default: the shipped tasks")
    parser.add_argument("--size", choices=("quick", "full"), default="quick", help="default: quick")
    parser.add_argument(
        "--anchors",
        choices=("task", "calibrated"),
        help="what the reward is anchored to: the task's own figures, or those that `autolab tasks "
        "calibrate` measured here (default: what the settings say; for --regrade as before)",
    )
    parser.add_argument("--record", action="store_true", help="put the verdict into the ledger")
    parser.add_argument("--regrade", metavar="RUN", help="grade the verdicts of a run anew")


def run(args: argparse.Namespace) -> int:
    """Judge and print the verdict."""
    import msgspec

    _check(args)
    if args.regrade is not None:
        from autolab_tui.cli.regrade import regrade

        return regrade(args)
    from autolab_tui.cli.calibrate import chosen_anchors
    from autolab_tui.cli.suites import find_task
    from verifier.sealed import verify

    task = find_task(args.suite, args.task)
    progress = _progress if not args.json and sys.stderr.isatty() else None
    request = _oracle(task, args.size) if args.oracle else request_for(task, args.dir, args.size)
    if args.oracle and args.dir is not None:
        raise UsageError("give a directory or --oracle, not both")
    if task.native:
        request = msgspec.structs.replace(request, anchors=chosen_anchors(args, task))
    verdict = verify(request, progress=progress) if progress else verify(request)
    if args.record and not args.dry_run:
        verdict = _recorded(args, task, verdict)
    if args.json:
        _emit(verdict)
    else:
        _show(verdict)
        if args.record:
            print(f"{'recorded as' if verdict.hash else 'would record'} {verdict.id}")
    if verdict.status == "not_judged":
        note(f"{task.name} could not be judged: {verdict.reason}")
        return FAILED
    bad = verdict.status in ("rejected", "suspect") or verdict.failed_gate is not None
    return NEGATIVE if bad else DONE


def _check(args: argparse.Namespace) -> None:
    if (args.task is None) == (args.regrade is None):
        raise UsageError("name a task to judge, or a run with --regrade RUN")
    if args.regrade is not None and args.record:
        raise UsageError("--regrade records what it finds by itself; leave out --record")
    if args.dry_run and not args.record and args.regrade is None:
        raise UsageError(
            "verify changes nothing without --record or --regrade; leave out --dry-run"
        )


def _recorded(args: argparse.Namespace, task: Task, verdict: Verdict) -> Verdict:
    """The verdict with its place in the ledger."""
    from contextlib import suppress

    from engine.offline.ledgers import ledger_of, manifests_of
    from engine.paths import make_private, state_dir
    from tasks import TaskError
    from verifier.ledger.ledger import Record
    from verifier.pins import PinsError

    state = make_private(state_dir(args.state))
    with suppress(PinsError, TaskError, OSError):  # such a task was not judged either
        manifests_of(state).keep(task.path)
    try:
        [entry] = ledger_of(state).append([Record(verdict)])
    except OSError as error:
        raise CommandError(
            f"the verdict ({number(verdict.reward)}, {verdict.status}) could not be recorded in "
            f"{state}: {error.strerror}; make room on its disk or mend its rights, and verify again"
        ) from error
    return entry.verdict


def request_for(task: Task, workspace: Path | None, size: SizeName) -> VerifyRequest:
    """What the verifier is asked: the editable files of `workspace`, or of the baseline."""
    from tasks import files
    from verifier import artifact
    from verifier.request import VerifyRequest

    if workspace is not None and not workspace.is_dir():
        raise CommandError(f"{workspace}: is not a directory; give the workspace to judge")
    if task.autolab is None:
        return _foreign(task, workspace)
    where = str(task.path)
    if workspace is None:
        return VerifyRequest(task=where, files=task.baseline(), size=size)
    pristine = {
        name: files.read_inside(task.path, f"environment/app/{name}")
        for name in files.tree(task.path, "environment/app")
        if not task.editable(name)
    }
    try:
        found = artifact.collect(workspace, task.autolab.editable)
    except artifact.ArtifactRefusedError as error:
        return VerifyRequest(task=where, refused=str(error), size=size)
    present = {name: data for name, data in pristine.items() if (workspace / name).exists()}
    edits = artifact.pinned_edits(workspace, present)
    return VerifyRequest(task=where, files=dict(found.files), size=size, ignored_edits=edits)


def _foreign(task: Task, workspace: Path | None) -> VerifyRequest:
    """As `request_for`, for a task that its own test.sh judges."""
    from verifier.artifact import ArtifactRefusedError
    from verifier.request import VerifyRequest

    place, where = _place(task), str(task.path)
    if workspace is None:
        return VerifyRequest(task=where, files=place.baseline, size="full")
    try:
        found = place.take(workspace)
    except ArtifactRefusedError as error:
        return VerifyRequest(task=where, refused=str(error), size="full")
    edits = place.edits(workspace)
    return VerifyRequest(task=where, files=dict(found.files), size="full", ignored_edits=edits)


def _place(task: Task) -> Workspace:
    from verifier.availability import availability
    from verifier.foreign.workspace import ImageError, workspace_of

    why = availability([task])[task.name]
    if why is None:
        try:
            return workspace_of(task)
        except ImageError as error:
            why = str(error)
    raise CommandError(f"task {task.name} is not available here: {why}")


def _oracle(task: Task, size: SizeName) -> VerifyRequest:
    """What the reference leaves: the last stage, or what a foreign task's solve.sh makes."""
    from verifier.foreign.workspace import OracleError
    from verifier.request import VerifyRequest

    if task.native:
        steps = task.steps()
        if not steps:
            raise CommandError(f"{task.path}: has no solution/steps to judge")
        return VerifyRequest(task=str(task.path), files=dict(steps[-1].artifact), size=size)
    try:
        found = _place(task).solve()
    except OracleError as error:
        raise CommandError(str(error)) from error
    return VerifyRequest(task=str(task.path), files=dict(found.files), size="full")


def _emit(verdict: Verdict) -> None:
    import msgspec

    from autolab_tui.cli.output import emit

    emit("verdict", msgspec.to_builtins(verdict))


def _progress(phase: str) -> None:
    print(f"  {plain(phase)}", file=sys.stderr, flush=True)


def _show(verdict: Verdict) -> None:
    for gate in verdict.gates:
        mark = "pass" if gate.passed else "FAIL"
        print(plain(f"gate {gate.name}: {mark} {gate.evidence}", 200))
    if verdict.metric is not None:
        metric = verdict.metric
        value = f"{numeral(metric.value, 6)} {metric.unit}"
        print(plain(f"{metric.name}: {value} ({metric.direction} is better)"))
    if verdict.speedup is not None:
        speedup = verdict.speedup
        within = speedup.interval
        interval = f" (95 %: {within.low:.3f} to {within.high:.3f})" if within else ""
        print(f"speedup: {speedup.value:.3f}x{interval}")
    anchored = verdict.anchors is not None and verdict.anchors.source == "calibrated"
    by = ", by anchors measured on this machine" if anchored else ""
    print(f"reward: {number(verdict.reward)} ({verdict.status}{by})")
    print(plain(f"reason: {verdict.reason}", 400))
    for finding in verdict.findings:
        print(plain(f"{finding.severity}: {finding.what}: {finding.evidence}", 400))
    if not verdict.seal.official:
        if verdict.seal.timed_by == "task":
            print("timed_by: task")
        print(plain(f"unofficial: {verdict.seal.why}", 600))
