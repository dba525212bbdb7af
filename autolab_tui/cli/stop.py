"""`autolab stop`: ask sessions to end and be scored."""

from __future__ import annotations

import argparse

from autolab_tui.cli.output import emit
from autolab_tui.cli.parser import Commands, command

_DETAILS = """\
GLOB matches a session id, a run id, or model:..., task:..., harness:..., state:...

examples:
  autolab stop RUN                  every session of a run
  autolab stop 'task:median*' --dry-run
  autolab stop 'state:running'"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "stop",
        run,
        summary="end sessions in good order: what they have is scored",
        details=_DETAILS,
        dry_run=True,
    )
    parser.add_argument("globs", nargs="+", metavar="GLOB", help="which sessions")


def run(args: argparse.Namespace) -> int:
    """Ask the engine; print which sessions will stop."""
    from engine.client import connect

    sessions = connect(args.state, start=False).stop(args.globs, dry_run=args.dry_run)
    if args.json:
        emit("stop", {"sessions": sessions, "dry_run": args.dry_run})
    elif not sessions:
        print("No session that still runs matches: nothing to stop.")
    else:
        verb = "would stop" if args.dry_run else "stopping"
        print(f"{verb}: {', '.join(sessions)}")
    return 0
