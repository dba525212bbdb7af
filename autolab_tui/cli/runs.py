"""`autolab runs`: the runs that the journal knows, and making room."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from autolab_tui.cli.failures import CommandError, UsageError
from autolab_tui.cli.output import emit, number, table
from autolab_tui.cli.parser import Commands, Parser, command, group
from autolab_tui.cli.status import known
from autolab_tui.operators import operator
from autolab_tui.words import plural

_RM_DETAILS = """\
Deletes transcripts, best files and the snapshots that no other run has. The run's record stays in
the journal and its verdicts in the ledger, but no list, table or screen shows it any more. A run
that goes on is refused.

examples:
  autolab runs rm RUN --dry-run
  autolab runs rm RUN RUN --yes"""


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

    remove = command(
        verbs,
        "rm",
        remove_runs,
        summary="forget runs that are over, and delete their files",
        details=_RM_DETAILS,
        dry_run=True,
    )
    remove.add_argument("runs", nargs="+", metavar="RUN")
    _sure(remove)
    collect = command(
        verbs,
        "gc",
        collect_files,
        summary="delete files that no run needs any more",
        details="Sessions' folders and snapshots that an unfinished removal left behind.\n\n"
        "example:\n  autolab runs gc --dry-run",
        dry_run=True,
    )
    _sure(collect)


def _sure(parser: Parser) -> None:
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def remove_runs(args: argparse.Namespace) -> int:
    """Say what would be freed, ask, and remove."""
    from engine.client import connect

    client, by = connect(args.state), operator()
    names = list(dict.fromkeys(args.runs))
    planned = [client.remove_run(run, by=by, dry_run=True) for run in names]
    if not args.dry_run:
        _ask(args, f"remove {', '.join(names)} ({_freed(planned)})")
        done = [client.remove_run(run, by=by) for run in names]
    else:
        done = planned
    if args.json:
        emit("runs-rm", {"runs": done, "dry_run": args.dry_run})
    else:
        said = "would remove" if args.dry_run else "removed"
        print(f"{said} {', '.join(names)}: {_freed(done)}; their verdicts stay in the ledger")
    return 0


def collect_files(args: argparse.Namespace) -> int:
    """Say what would be freed, ask, and delete."""
    from engine.client import connect

    client = connect(args.state)
    done = client.collect(dry_run=True)
    if not args.dry_run and done["freed"]["files"]:
        _ask(args, f"delete {_freed([done])} that no run needs")
        done = client.collect()
    if args.json:
        emit("runs-gc", {**done, "dry_run": args.dry_run})
    else:
        print(f"{'would free' if args.dry_run else 'freed'} {_freed([done])}")
    return 0


def _ask(args: argparse.Namespace, what: str) -> None:
    """Go on only with a yes. Raises `UsageError` where nobody can give one, and `CommandError`."""
    if args.yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"nobody is here to be asked whether to {what}; give --yes")
    print(f"{what}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("nothing was removed")


def _freed(done: list[dict[str, Any]]) -> str:
    files = sum(one["freed"]["files"] for one in done)
    size = sum(one["freed"]["bytes"] for one in done)
    return f"{plural(files, 'file')}, {size:,} bytes"


def list_runs(args: argparse.Namespace) -> int:
    """Print each run with its sessions' progress and mean final reward."""
    answer, _ = known(args.state)
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
