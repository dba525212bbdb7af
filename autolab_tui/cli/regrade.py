"""`autolab verify --regrade`: what was measured, graded by the rules and anchors of today."""

from __future__ import annotations

import argparse
from typing import Any

from autolab_tui.cli.failures import DONE
from autolab_tui.cli.output import emit, note, number, plain, table
from autolab_tui.operators import operator

_SHOWN = 8


def regrade(args: argparse.Namespace) -> int:
    """Ask the engine and print what came of it."""
    from engine.client import connect

    done = connect(args.state).regrade(
        args.regrade, by=operator(), anchors=args.anchors or "", dry_run=args.dry_run
    )
    if args.json:
        emit("regrade", done)
        return DONE
    for task in done["tasks"]:
        files = task["files"]
        words = "; ".join(files[:_SHOWN]) or "what it was is not known"
        more = f"; and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
        print(plain(f"task {task['task']} is not what it was: {words}{more}"))
    for remark in done["remarks"]:
        note(remark)
    rows = [_cells(row) for row in done["verdicts"]]
    if rows:
        print(table(("session", "verdict", "was", "is", "status", "why"), rows, right=(2, 3)))
    new = sum(row["left"] == "" for row in done["verdicts"])
    verb = "would be graded anew" if args.dry_run else "graded anew"
    print(f"{new} of {len(rows)} verdicts {verb}; the others are as they were")
    return DONE


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    why = f"left: {row['left']}" if row["left"] else row["why"]
    return (
        row["session"],
        row["verdict"],
        number(row["before"]),
        number(row["after"]),
        row["status"],
        why,
    )
