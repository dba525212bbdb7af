"""`autolab attach SESSION`: the agent's terminal, to look at or to type into."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from autolab_tui.cli.failures import UsageError
from autolab_tui.cli.output import emit, plain
from autolab_tui.cli.parser import Commands, command
from autolab_tui.cli.snapshot import stored
from autolab_tui.operators import operator

if TYPE_CHECKING:
    from engine.client import EngineClient

_DETAILS = """\
Shows the tmux pane in the session's sandbox: what its commands print, or the terminal that its
model works at. Read-only: q (or Ctrl-\\, Ctrl-C, Ctrl-b d) detaches, the arrows move the view where
the agent's window (200 x 50) is larger than yours, c follows the cursor again. Only text, colours
and moves of the cursor pass; the last row is always autolab's own.

With --write every key goes in, Ctrl-\\ detaches, and it is an intervention: the journal has who and
why, and the session counts as assisted.

examples:
  autolab attach SESSION
  autolab attach SESSION --write --why 'its debugger hangs'
  autolab attach SESSION --json | jq -r '.text // empty'"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "attach",
        run,
        summary="a session's terminal, read-only unless --write",
        details=_DETAILS,
        dry_run=True,
    )
    parser.add_argument("session", metavar="SESSION", help="an id, or a glob that matches one")
    parser.add_argument("--write", action="store_true", help="type into it: an intervention")
    parser.add_argument("--why", default="", metavar="TEXT", help="the reason, for the journal")


def run(args: argparse.Namespace) -> int:
    """Show the terminal until the operator leaves or it ends."""
    from engine.client import connect

    if args.why and not args.write:
        raise UsageError("--why is for the journal, and only --write is written there")
    if args.json and args.write and not args.dry_run:
        raise UsageError("--json only looks; type with --write in a terminal")
    client = connect(args.state, start=False)
    session = stored(args).history(args.session).facts.id
    if args.dry_run:
        return _plan(client, session, args)
    if args.json:
        return _lines(client, session)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "attach needs a terminal and this is none; `autolab attach SESSION --json` prints "
            "lines, `autolab logs SESSION -f` what was said and done"
        )
    from autolab_tui.attached import Attached, size_of

    keys, screen = sys.stdin.fileno(), sys.stdout.fileno()
    columns, rows = size_of(screen)
    stream = client.terminal(session, columns, rows, write=args.write, by=operator(), why=args.why)
    attached = Attached(stream, session, write=args.write, keys=keys, screen=screen)
    why = attached.run()
    print(f"{session}: {plain(why)}")
    return 0


def _plan(client: EngineClient, session: str, args: argparse.Namespace) -> int:
    found = client.can_attach(session)
    if args.json:
        emit("attach", {**found, "write": args.write, "dry_run": True})
        return 0
    marked = " and mark it as assisted" if args.write else ""
    print(f"would attach to {found['session']}{marked}")
    if found["still"]:
        print(f"it stands still ({plain(found['still'])}); its screen comes when it goes on")
    return 0


def _lines(client: EngineClient, session: str) -> int:
    from autolab_tui.sieve import Sieve
    from engine.client.terminal import Over, Shown, Still

    columns, rows = 200, 50
    sieve = Sieve(rows)
    with client.terminal(session, columns, rows, write=False, by=operator()) as stream:
        for told in stream:
            line: dict[str, str | None] = {"text": None, "still": None, "over": None}
            match told:
                case Shown(data):
                    line["text"] = sieve.take(data)
                case Still(why):
                    line["still"] = why
                case Over(why):
                    line["over"] = why
            print(
                json.dumps({"schema": "autolab/terminal/1", "session": session, **line}), flush=True
            )
    return 0
