"""`autolab tasks calibrate`: measure a task's anchors on this machine and keep them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autolab_tui.cli.failures import DONE, FAILED
from autolab_tui.cli.output import emit, note, plain, table
from autolab_tui.cli.parser import Commands, command
from verifier.numerals import numeral

if TYPE_CHECKING:
    from tasks import Task
    from verifier.anchors import Calibration
    from verifier.verdict import AnchorSource

_DETAILS = """\
Times the last stage of the reference beside the untouched baseline with the sealed verifier, and
keeps both figures in the state folder for this task, size and machine. Runs and verdicts use them
with --anchors calibrated (or anchors = "calibrated" in autolab.toml). Without NAME: every timed
task of the suite that is available here. The machine should be quiet meanwhile.

examples:
  autolab tasks calibrate median_filter
  autolab tasks calibrate --size full
  autolab run --task median_filter --agent ladder --size quick --anchors calibrated"""


def add_to(verbs: Commands) -> None:
    """Declare the verb."""
    parser = command(
        verbs,
        "calibrate",
        calibrate_tasks,
        summary="measure baseline and reference on this machine",
        details=_DETAILS,
        dry_run=True,
    )
    parser.add_argument("tasks", nargs="*", metavar="NAME|DIR", help="default: every timed task")
    parser.add_argument("--size", choices=("quick", "full"), default="quick", help="default: quick")
    parser.add_argument("--suite", type=Path, metavar="DIR", help="default: the shipped tasks")


def folder_of(state: Path | None) -> Path:
    """Where this machine's anchors are kept."""
    from engine.paths import state_dir
    from verifier.anchors import FOLDER

    return state_dir(state) / FOLDER


def chosen_anchors(args: argparse.Namespace, task: Task) -> Any:
    """What `--anchors` (or the settings) ask for beyond the task's own; a word where it is not."""
    from verifier.anchors import anchors_for
    from verifier.scoring import ScaleError

    if (source := wanted(args.anchors)) == "task":
        return None
    try:
        chosen = anchors_for(task, args.size, source, folder_of(args.state))
    except ScaleError:  # the verdict will say so
        return None
    if chosen.why:
        note(chosen.why)
    return chosen.anchors


def wanted(given: AnchorSource | None) -> AnchorSource:
    """What was given, else what the settings say."""
    if given is not None:
        return given
    from engine.settings import load_settings

    return load_settings().anchors


def calibrate_tasks(args: argparse.Namespace) -> int:
    """Measure and keep; exit code 1 when a task could not be measured."""
    from autolab_tui.cli.suites import find_task, suite_of
    from verifier.availability import availability
    from verifier.calibrate import CalibrationError, calibrate, why_not

    named = [find_task(args.suite, name) for name in args.tasks]
    tasks = named or [task for task in suite_of(args.suite).tasks if not why_not(task)]
    missing = availability(tasks)
    folder = folder_of(args.state)
    rows: list[dict[str, Any]] = []
    failed = False
    for task in tasks:
        why = why_not(task) or missing[task.name] or ""
        found = None
        if not why and not args.dry_run:
            try:
                found = calibrate(task, args.size, _progress(task.name, args))
                _keep(found, folder)
            except CalibrationError as error:
                why = str(error)
        failed |= bool(named and why) or (bool(why) and not missing[task.name])
        rows.append(_row(task, args.size, found, why))
        if not args.json:
            _say(rows[-1], dry_run=args.dry_run)
    if args.json:
        emit("tasks-calibrate", {"tasks": rows, "folder": str(folder), "dry_run": args.dry_run})
    elif any(row["speedup"] for row in rows):
        _table(rows)
        print(f"kept in {folder}; use them with --anchors calibrated")
    return FAILED if failed else DONE


def _keep(found: Calibration, folder: Path) -> None:
    from engine.paths import make_private
    from verifier.anchors import store

    make_private(folder.parent)
    store(found, folder)


def _progress(name: str, args: argparse.Namespace) -> Any:
    if args.json or not sys.stderr.isatty():
        return lambda _: None
    return lambda phase: note(f"{name}: {phase}")


def _row(task: Task, size: str, found: Calibration | None, why: str) -> dict[str, Any]:
    import msgspec

    own = task.size(size)
    return {
        "name": task.name,
        "size": size,
        "task_baseline": own.baseline,
        "task_reference": own.reference,
        "baseline": found.baseline if found else None,
        "reference": found.reference if found else None,
        "speedup": msgspec.to_builtins(found.speedup) if found else None,
        "samples": list(found.samples) if found else [],
        "official": found.seal.official if found else None,
        "why": why or (found.seal.why if found else ""),
        "at": found.at if found else None,
    }


def _say(row: dict[str, Any], *, dry_run: bool) -> None:
    if row["speedup"] is None and row["why"]:
        note(plain(f"{row['name']}: not calibrated: {row['why']}"))
    elif dry_run:
        print(plain(f"would measure {row['name']} in size {row['size']}"))
    elif row["why"]:
        note(plain(f"{row['name']}: measured, but unofficial: {row['why']}"))


def _table(rows: list[dict[str, Any]]) -> None:
    def anchor(value: float | None) -> str:
        return "-" if value is None else numeral(value)

    lines = []
    for row in rows:
        if row["speedup"] is None:
            continue
        within = row["speedup"]["interval"]
        lines.append(
            (
                row["name"],
                anchor(row["task_baseline"]),
                anchor(row["baseline"]),
                anchor(row["task_reference"]),
                anchor(row["reference"]),
                f"{row['speedup']['value']:.3f}",
                f"{within['low']:.3f} to {within['high']:.3f}",
            )
        )
    head = ("task", "baseline: task", "here", "reference: task", "here", "speedup", "95 %")
    print(table(head, lines, right=(1, 2, 3, 4, 5)))
