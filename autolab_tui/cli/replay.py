"""`autolab replay`: a run in the app as it was at any moment of it."""

from __future__ import annotations

import argparse
import sys

from autolab_tui.cli.failures import DONE, CommandError, UsageError
from autolab_tui.cli.output import emit, note
from autolab_tui.cli.parser import Commands, command

_DETAILS = """\
Needs no engine. Every screen works as it does live; keys move the moment: P lets time pass, ( and )
go back and on by 1 %, < and > go from verdict to verdict, { and } to start and end.

examples:
  autolab replay RUN
  autolab replay '*'                    the newest run
  autolab replay RUN --json             what there is to see: times, sessions, verdicts"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = command(
        commands, "replay", run, summary="a run as it was at any moment of it", details=_DETAILS
    )
    parser.add_argument("run", metavar="RUN", help="a run's id, or a glob")
    parser.add_argument("--theme", metavar="NAME", help="the app's theme")


def run(args: argparse.Namespace) -> int:
    """Open the recording."""
    if not args.json and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("replay needs a terminal and this is none; --json says what there is")
    from engine.events import rfc3339
    from engine.offline.recordings import Recording
    from engine.offline.snapshots import OfflineError
    from engine.paths import state_dir

    state = state_dir(args.state)
    if not args.json:
        note(f"reading {args.run}")  # of a long run that takes seconds
    try:
        said: list[str] = []
        recording = Recording.open(state, args.run, said.append)
    except OfflineError as error:
        raise CommandError(str(error)) from error
    for remark in said:
        note(remark)
    if args.json:
        final = recording.at(recording.end)
        emit(
            "replay",
            {
                "run": recording.run,
                "start": rfc3339(recording.start),
                "end": rfc3339(recording.end),
                "sessions": list(final.sessions),
                "verdicts": [rfc3339(at) for at in recording.verdicts],
            },
        )
        return DONE
    from autolab_tui.replay.app import run as run_app

    return run_app(recording, state, args.theme, said)
