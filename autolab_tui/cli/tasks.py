"""`autolab tasks`: what can be asked of a session."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autolab_tui.cli import calibrate, checking
from autolab_tui.cli.failures import DONE, NEGATIVE
from autolab_tui.cli.output import emit, note, plain, table
from autolab_tui.cli.parser import Commands, Parser, command, group
from autolab_tui.cli.suites import find_task, suite_of
from verifier.numerals import numeral

if TYPE_CHECKING:
    from tasks import Task

FOREIGN_GATES = ("artifact", "test_sh", "correct")


def add_to(commands: Commands) -> None:
    """Declare the noun."""
    verbs = group(commands, "tasks", "the tasks of a suite: list, show, check, calibrate, new, pin")
    _suite(
        command(
            verbs,
            "list",
            list_tasks,
            summary="the tasks of a suite",
            details="Exit code 3 when a task cannot be read.\n\nexamples:\n  autolab tasks list\n"
            "  autolab tasks list --suite ./my-tasks",
        )
    )
    show = command(
        verbs,
        "show",
        show_task,
        summary="one task: what it asks and how it is judged",
        details="examples:\n  autolab tasks show median_filter\n  autolab tasks show ./my-task",
    )
    show.add_argument("task", metavar="NAME", help="a task's name or directory")
    _suite(show)
    checking.add_to(verbs)
    calibrate.add_to(verbs)
    new = command(
        verbs,
        "new",
        new_task,
        summary="a small complete task to start from",
        details="example:\n  autolab tasks new string_search && autolab tasks check string_search",
        dry_run=True,
    )
    new.add_argument("name", metavar="NAME", help="small letters, digits and _")
    new.add_argument("--kind", choices=("native", "python", "data", "cuda"), default="native")
    new.add_argument("--into", type=Path, default=Path(), metavar="DIR", help="default: here")
    pin = command(
        verbs,
        "pin",
        pin_tasks,
        summary="write pins.json: this is the task as its author means it",
        details="example:\n  autolab tasks pin ./my-task --dry-run      what has changed since",
        dry_run=True,
    )
    pin.add_argument("tasks", nargs="+", metavar="NAME|DIR")
    _suite(pin)


def _suite(parser: Parser) -> None:
    parser.add_argument(
        "--suite", type=Path, metavar="DIR", help="a task, or a directory of tasks (default: ours)"
    )


def list_tasks(args: argparse.Namespace) -> int:
    """Print the suite; exit code 3 when a directory in it is no usable task."""
    from tasks import TaskError
    from verifier import pins
    from verifier.availability import availability

    suite = suite_of(args.suite)
    why_not = availability(suite.tasks)
    rows: list[dict[str, Any]] = []
    broken = [{"path": str(b.path), "error": str(b.error)} for b in suite.broken]
    for task in suite.tasks:
        try:
            pinned = pins.state(task.path) if task.native else None
        except TaskError as error:  # a file that cannot be read: one task's fault, not the list's
            broken.append({"path": str(task.path), "error": str(error)})
            continue
        row = {"name": task.name, "domain": task.domain, "path": str(task.path)}
        reason = why_not[task.name]
        rows.append({**row, "available": reason is None, "why_not": reason, "pins": pinned})
    if args.json:
        emit("tasks", {"tasks": rows, "broken": broken})
    else:
        print(
            table(
                ("task", "domain", "available", "pins"),
                (
                    (
                        row["name"],
                        row["domain"],
                        "yes" if row["available"] else f"no: {row['why_not']}",
                        row["pins"] or "-",
                    )
                    for row in rows
                ),
            )
        )
        for item in broken:
            note(item["error"])
    return NEGATIVE if broken else DONE


def show_task(args: argparse.Namespace) -> int:
    """Print one task."""
    task = find_task(args.suite, args.task)
    sizes: dict[str, Any] = {}
    for name in ("quick", "full") if task.native else ("full",):
        size = task.size(name)
        sizes[name] = {
            "baseline": size.baseline,
            "reference": size.reference,
            "active_sec": size.active_sec,
        }
    facts: dict[str, Any] = {
        "name": task.name,
        "domain": task.domain,
        "path": str(task.path),
        "native": task.native,
        "editable": list(task.autolab.editable if task.autolab else _foreign_editable(task)),
        "gates": list(task.autolab.gate_names if task.autolab else FOREIGN_GATES),
        "metric": task.optimization.metric if task.optimization else None,
        "direction": task.optimization.direction if task.optimization else None,
        "sizes": sizes,
        "stages": [step.name for step in task.steps()] if task.native else [],
        "unknown_keys": list(task.unknown_keys),
        "instruction": task.instruction,
    }
    if args.json:
        emit("task", facts)
        return DONE
    print(plain(f"{facts['domain']}/{facts['name']}  ({facts['path']})"))
    if not task.native:
        print("judged     by its own tests/test.sh (timed_by: task)")
    print(f"editable   {plain(', '.join(facts['editable'])) or '-'}")
    metric = facts["metric"] or "-"
    print(f"metric     {plain(metric)}, {facts['direction'] or '-'} is better")
    print(f"gates      {plain(', '.join(facts['gates'])) or '-'}")
    print(f"stages     {plain(', '.join(facts['stages'])) or '-'}")
    for name, size in sizes.items():
        print(
            f"{name:<10} baseline {_figure(size['baseline'])}, "
            f"reference {_figure(size['reference'])}, {_figure(size['active_sec'])} s active"
        )
    if facts["unknown_keys"]:
        print(plain(f"unknown    {', '.join(facts['unknown_keys'])} (kept, not acted on)"))
    print()
    from autolab_tui.plain import lines

    print("\n".join(lines(task.instruction.strip())))
    return DONE


def _foreign_editable(task: Task) -> tuple[str, ...]:
    """What is known of a foreign task's editable files: all of it once its image was built."""
    from verifier.foreign import image, known, layout
    from verifier.foreign.workspace import Workspace

    made = image.find(task)
    if made is not None:
        return Workspace(task, made, layout.layout_of(task, made)).words
    facts = known.about(task)
    return facts.editable if facts is not None else ()


def _figure(value: float | None) -> str:
    return "-" if value is None else numeral(value)


def new_task(args: argparse.Namespace) -> int:
    """Write the scaffold of a task."""
    from tasks.scaffold import create

    target = (args.into / args.name).absolute()
    if not args.dry_run:
        created = create(target, kind=args.kind)
        _pin(created)
        target = created
    if args.json:
        emit("tasks-new", {"path": str(target), "dry_run": args.dry_run})
    else:
        print(f"{'would write' if args.dry_run else 'wrote'} {target}")
        if not args.dry_run:
            print(f"next: edit it, then `autolab tasks pin {target}`", end="")
            print(f" and `autolab tasks check {target}`")
            print(f"a model at it: `autolab run --suite {target} --model P/NAME --size quick`")
    return DONE


def pin_tasks(args: argparse.Namespace) -> int:
    """Write pins.json for each task, or say what differs from it."""
    from verifier import pins

    rows = []
    for name in args.tasks:
        task = find_task(args.suite, name)
        changed = pins.check(task.path)
        if not args.dry_run:
            _pin(task.path)
        rows.append(
            {"path": str(task.path), "changed": list(changed), "hash": pins.task_hash(task.path)}
        )
    if args.json:
        emit("tasks-pin", {"tasks": rows, "dry_run": args.dry_run})
        return DONE
    for row in rows:
        verb = "would pin" if args.dry_run else "pinned"
        changes = len(row["changed"])
        s = "" if changes == 1 else "s"
        print(f"{verb} {row['path']}: {row['hash'][:16]}, {changes} change{s}")
        for change in row["changed"]:
            print(plain(f"  {change}"), file=sys.stderr if args.json else sys.stdout)
    return DONE


def _pin(path: Path) -> None:
    from verifier import pins

    pins.write(path)
