"""`autolab report`: a run as a file to keep, send or print."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from autolab_tui.cli.failures import DONE, CommandError, UsageError
from autolab_tui.cli.known import meant
from autolab_tui.cli.leaderboard import add_missing
from autolab_tui.cli.output import emit
from autolab_tui.cli.parser import Commands, command
from autolab_tui.cli.writing import write_whole

if TYPE_CHECKING:
    from engine.state import RunState, State

_DETAILS = """\
examples:
  autolab report RUN --html run.html        one self-contained page: plots, tables, verdicts
  autolab report RUN --csv -                a line for each session, on standard output
  autolab report RUN --json | jq '.sessions[] | [.id, .persistence.auc]'

A file that is there already is replaced."""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = command(
        commands, "report", run, summary="a run as a page or a table", details=_DETAILS,
        dry_run=True,
    )  # fmt: skip
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page (-: to stdout)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write a table (-: to stdout)")
    add_missing(parser)


def run(args: argparse.Namespace) -> int:
    """Write what was asked for."""
    from autolab_tui.cli.known import everything
    from autolab_tui.report.facts import content, gather

    wanted = [(kind, path) for kind, path in (("html", args.html), ("csv", args.csv)) if path]
    on_stdout = sum(str(path) == "-" for _, path in wanted) + bool(args.json)
    if not wanted and not args.json:
        raise UsageError("nothing to write; give --html FILE, --csv FILE or --json")
    if on_stdout > 1:
        raise UsageError("only one of --html -, --csv - and --json can be printed; name files")
    state, clock = everything(args.state)
    facts = gather(state, _run(state, args.run), clock, args.missing)
    written = []
    for kind, path in wanted:
        if kind == "html":
            from autolab_tui.report.page import page

            text = page(facts)
        else:
            from autolab_tui.report.table import comma_separated

            text = comma_separated(facts)
        if str(path) == "-":
            sys.stdout.write(text)
            continue
        if not args.dry_run:
            write_whole(path, text)
        written.append(str(path))
        if not args.json and on_stdout == 0:
            said = "would write" if args.dry_run else "wrote"
            print(f"{said} {path} ({len(text.encode()):,} bytes)")
    if args.json:
        emit("report", {**content(facts), "written": written, "dry_run": args.dry_run})
    return DONE


def _run(state: State, name: str) -> RunState:
    if name not in state.runs:
        raise CommandError(f"no run is called {name!r}; {meant(name, state.runs)}")
    return state.runs[name]
