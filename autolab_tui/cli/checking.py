"""`autolab tasks check`: prove that tasks judge rightly."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from autolab_tui.cli.failures import DONE, NEGATIVE, UsageError
from autolab_tui.cli.output import emit, note, number, plain, table
from autolab_tui.cli.parser import Commands, command
from autolab_tui.words import plural
from verifier.numerals import numeral

_DETAILS = """\
The baseline must score 0, every stage beat the one before, the last reach the reference, and every
cheat fail at the gate it names.

examples:
  autolab tasks check median_filter
  autolab tasks check ./my-task --size full
  autolab tasks check --all

Where a task needs a GPU that is not here, what can be compiled is compiled and planned, and the
result is "compiled": what was proven, and what was not, stands below it.

exit codes: 0 every available task is as it should be, 3 something was found, or the one task named
could not be checked whole"""


def add_to(verbs: Commands) -> None:
    """Declare the verb."""
    check = command(
        verbs, "check", check_tasks, summary="prove that a task judges rightly", details=_DETAILS
    )
    check.add_argument("task", nargs="?", metavar="NAME|DIR", help="a task's name or directory")
    check.add_argument("--all", action="store_true", help="every task of the suite")
    check.add_argument("--size", choices=("quick", "full"), default="quick", help="default: quick")
    check.add_argument(
        "--suite", type=Path, metavar="DIR", help="a task, or a directory of tasks (default: ours)"
    )


def check_tasks(args: argparse.Namespace) -> int:
    """Check one task or all; exit code 3 when a check found something.

    With --all a task that is not available here, or that the sealed verifier does not judge, is
    listed and held against nobody; a directory that is no usable task is.
    """
    if args.all == (args.task is not None):
        raise UsageError("name one task to check, or give --all")
    import msgspec

    from autolab_tui.cli.suites import find_task, suite_of
    from verifier.check import check_task

    progress = note if sys.stderr.isatty() and not args.json else _silent
    suite = suite_of(args.suite) if args.all else None
    chosen = suite.tasks if suite is not None else (find_task(args.suite, args.task),)
    broken = [] if suite is None else [
        {"path": str(one.path), "error": str(one.error)} for one in suite.broken
    ]  # fmt: skip
    results: list[dict[str, Any]] = []
    for task in chosen:
        if not args.json:
            print(plain(f"{task.domain}/{task.name} ({args.size})"), flush=True)
        results.append(msgspec.to_builtins(check_task(task, args.size, progress)))
        if not args.json:
            _show(results[-1])
    if args.json:
        emit("tasks-check", {"tasks": results, "broken": broken})
    elif args.all:
        _table(results)
        for item in broken:
            note(item["error"])
    if not args.all:
        return DONE if all(result["ok"] for result in results) else NEGATIVE
    return NEGATIVE if broken or any(result["problems"] for result in results) else DONE


def _silent(_: str) -> None:
    """Progress that nobody watches."""


def _show(result: dict[str, Any]) -> None:
    if not result["available"]:
        print(f"  not available here: {plain(result['why_not'])}")
    for holds in result["proven"]:
        print(f"  proven: {plain(holds)}")
    for open_ in result["unproven"]:
        print(f"  NOT proven: {plain(open_)}")
    if result["available"]:
        _scores(result)
    for problem in result["problems"]:
        print(plain(f"  WRONG: {problem}"))
    print(f"  {_word(result)}, {result['seconds']:.0f} s", flush=True)


def _scores(result: dict[str, Any]) -> None:
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


def _word(result: dict[str, Any]) -> str:
    if result["problems"]:
        return "NOT OK"
    if result["available"]:
        return "ok"
    return "compiled" if result["proven"] else "unavailable"


def _table(results: list[dict[str, Any]]) -> None:
    rows = []
    for result in results:
        stages, cheats = result["stages"], result["cheats"]
        last = stages[-1] if stages else {"reward": None, "speedup": None}
        stopped = sum(cheat["reward"] == 0.0 for cheat in cheats)
        speedup = last["speedup"]
        why = "; ".join(result["problems"]) or result["why_not"] or ""
        rows.append(
            (
                f"{result['domain']}/{result['name']}",
                number(result["baseline_reward"]),
                str(len(stages)),
                "-" if speedup is None else f"{numeral(speedup, 3)}x",
                number(last["reward"]),
                number(result["reference_reward"]),
                f"{stopped} of {len(cheats)}",
                result["pins"],
                f"{result['seconds']:.0f} s",
                _word(result),
                why if len(why) <= 60 else why[:59] + "…",
            )
        )
    head = ("task", "baseline", "stages", "speedup", "reward", "reference", "cheats stopped",
            "pins", "took", "result", "why")  # fmt: skip
    print()
    print(table(head, rows, right=(1, 2, 3, 4, 5, 6, 8)))
    bad = sum(bool(result["problems"]) for result in results)
    words = [_word(result) for result in results]
    counts = [
        f"{words.count('ok')} ok",
        f"{bad} not ok",
        f"{words.count('unavailable')} unavailable",
    ]
    if "compiled" in words:
        counts.append(f"{words.count('compiled')} compiled only")
    print(f"{plural(len(results), 'task')}: {', '.join(counts)}")
