"""`autolab tasks`: what can be asked of a session."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autolab_tui.cli.failures import DONE, NEGATIVE, UsageError
from autolab_tui.cli.output import emit, note, number, plain, table
from autolab_tui.cli.parser import Commands, Parser, command, group

if TYPE_CHECKING:
    from tasks import Suite, Task


def add_to(commands: Commands) -> None:
    """Declare the noun."""
    verbs = group(commands, "tasks", "the tasks of a suite: list, show, check, new, pin")
    _suite(command(verbs, "list", list_tasks, summary="the tasks of a suite"))
    show = command(verbs, "show", show_task, summary="one task: what it asks and how it is judged")
    show.add_argument("task", metavar="NAME", help="a task's name or directory")
    _suite(show)
    check = command(
        verbs,
        "check",
        check_tasks,
        summary="prove that a task judges rightly",
        details="The baseline must score 0, every stage beat the one before, the last reach the\n"
        "reference, and every cheat fail at the gate it names.\n\n"
        "examples:\n  autolab tasks check median_filter\n"
        "  autolab tasks check ./my-task --size full\n  autolab tasks check --all",
    )
    check.add_argument("task", nargs="?", metavar="NAME|DIR", help="a task's name or directory")
    check.add_argument("--all", action="store_true", help="every task of the suite")
    check.add_argument("--size", choices=("quick", "full"), default="quick", help="default: quick")
    _suite(check)
    new = command(
        verbs,
        "new",
        new_task,
        summary="a small complete task to start from",
        details="example:\n  autolab tasks new string_search && autolab tasks check string_search",
        dry_run=True,
    )
    new.add_argument("name", metavar="NAME", help="small letters, digits and _")
    new.add_argument("--kind", choices=("native", "data"), default="native")
    new.add_argument("--into", type=Path, default=Path(), metavar="DIR", help="default: here")
    pin = command(
        verbs,
        "pin",
        pin_tasks,
        summary="write pins.json: this is the task as its author means it",
        dry_run=True,
    )
    pin.add_argument("tasks", nargs="+", metavar="NAME|DIR")
    _suite(pin)


def _suite(parser: Parser) -> None:
    parser.add_argument(
        "--suite", type=Path, metavar="DIR", help="a task, or a directory of tasks (default: ours)"
    )


def suite_of(path: Path | None) -> Suite:
    """The suite in a directory, or the shipped one; keys that nobody knows are named once."""
    from tasks import load_suite

    return load_suite(path)


def find_task(suite: Path | None, name: str) -> Task:
    """The task of that name in the suite, or in the directory of that name."""
    from tasks import load_task

    if suite is None and (Path(name) / "task.toml").is_file():
        return load_task(Path(name).absolute())
    return suite_of(suite).get(name)


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
        "editable": list(task.autolab.editable) if task.autolab else [],
        "gates": list(task.autolab.gate_names) if task.autolab else [],
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


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def check_tasks(args: argparse.Namespace) -> int:
    """Check one task or all; exit code 3 when a check found something."""
    if args.all == (args.task is not None):
        raise UsageError("name one task to check, or give --all")
    import msgspec

    from verifier.check import check_task

    progress = note if sys.stderr.isatty() else _silent
    chosen = suite_of(args.suite).tasks if args.all else (find_task(args.suite, args.task),)
    results = []
    for task in chosen:
        if args.json:
            results.append(check_task(task, args.size))
        else:
            print(plain(f"{task.domain}/{task.name} ({args.size})"), flush=True)
            result = check_task(task, args.size, progress)
            results.append(result)
            _show_check(msgspec.to_builtins(result))
    if args.json:
        emit("tasks-check", {"tasks": [msgspec.to_builtins(result) for result in results]})
    return DONE if all(result.ok for result in results) else NEGATIVE


def _silent(_: str) -> None:
    """Progress that nobody watches."""


def _show_check(result: dict[str, Any]) -> None:
    if not result["available"]:
        print(f"  not available here: {plain(result['why_not'])}")
    print(f"  baseline   reward {number(result['baseline_reward'])}")
    for stage in result["stages"]:
        gain = f", {stage['gain']:.2f}x the one before" if stage["gain"] is not None else ""
        print(f"  {plain(stage['name']):<28} reward {number(stage['reward'])}{gain}")
    print(f"  reference  reward {number(result['reference_reward'])}")
    for cheat in result["cheats"]:
        gate = cheat["gate"] or "no gate"
        print(
            plain(f"  cheat {cheat['name']}: reward {number(cheat['reward'])}, stopped by {gate}")
        )
    for problem in result["problems"]:
        print(plain(f"  WRONG: {problem}"))
    print(f"  {'ok' if result['ok'] else 'NOT OK'}, {result['seconds']:.0f} s")


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
        print(f"{verb} {row['path']}: {row['hash'][:16]}, {len(row['changed'])} changes")
        for change in row["changed"]:
            print(plain(f"  {change}"), file=sys.stderr if args.json else sys.stdout)
    return DONE


def _pin(path: Path) -> None:
    from verifier import pins

    pins.write(path)
