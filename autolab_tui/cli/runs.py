"""`autolab runs list`: the runs that the journal knows."""

from __future__ import annotations

import argparse
from typing import Any

from autolab_tui.cli.output import emit, number, table
from autolab_tui.cli.parser import Commands, command, group


def add_to(commands: Commands) -> None:
    """Declare the noun."""
    verbs = group(commands, "runs", "the runs that the journal knows")
    command(
        verbs,
        "list",
        list_runs,
        summary="every run, the newest last",
        details="example:\n  autolab runs list --json | jq -r '.runs[].id'",
    )


def list_runs(args: argparse.Namespace) -> int:
    """Print each run with its sessions' progress and mean final reward."""
    from engine.client import connect

    answer = connect(args.state).status()
    if args.json:
        emit("runs", {"runs": answer["runs"]})
        return 0
    if not answer["runs"]:
        print("No runs yet: try `autolab demo`, or `autolab run --help`.")
        return 0
    rows = [_row(run, answer["sessions"]) for run in answer["runs"]]
    print(table(("run", "created", "state", "finished", "mean final"), rows, right=(3, 4)))
    return 0


def _row(run: dict[str, Any], sessions: list[dict[str, Any]]) -> tuple[str, ...]:
    own = [session for session in sessions if session["run"] == run["id"]]
    over = [session for session in own if session["state"] in ("finished", "failed")]
    finals = [s["final_reward"] for s in over if s["final_reward"] is not None]
    mean = sum(finals) / len(finals) if finals else None
    return (
        run["id"],
        str(run["created"]),
        run["state"],
        f"{len(over)} of {len(own)}",
        number(mean),
    )
