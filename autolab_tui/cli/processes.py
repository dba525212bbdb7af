"""`autolab processes`: what runs in a session's sandbox now."""

from __future__ import annotations

import argparse
import sys
import time

from autolab_tui.cli.output import emit
from autolab_tui.cli.parser import Commands, command

_SECONDS = 1.0  # between the two looks that a share of the CPUs needs
_PIPED = 200
_DETAILS = """\
One line for each process, children below their parents; pids are the host's. CPU is what a process
kept busy within one second. `u` shows the same in the app, and looks again by itself.

examples:
  autolab processes SESSION
  autolab processes SESSION --json | jq '.processes[] | select(.cpu > 60).command'"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "processes",
        processes,
        summary="what runs in a session's sandbox now",
        details=_DETAILS,
    )
    parser.add_argument("session", metavar="SESSION", help="the session's id")


def processes(args: argparse.Namespace) -> int:
    """Look twice, or with --json once, and print what was seen."""
    from shutil import get_terminal_size

    from autolab_tui.views.processes import lines
    from engine.client import connect

    client = connect(args.state, start=False)
    answer = client.processes(args.session)
    if args.json:
        emit("processes", {"session": args.session, **answer})
        return 0
    before = answer
    if answer["sandbox"]:
        time.sleep(_SECONDS)
        answer = client.processes(args.session)
    cells = get_terminal_size().columns if sys.stdout.isatty() else _PIPED
    for line in lines(answer, before, cells):
        print("".join(text for text, _ in line).strip("\n").rstrip())
    return 0
