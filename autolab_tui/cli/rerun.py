"""`autolab rerun`: launch a run again as it was asked for, whole or where it came to no score."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autolab_tui.cli.failures import CommandError
from autolab_tui.cli.output import emit, note
from autolab_tui.cli.parser import Commands, command

if TYPE_CHECKING:
    from engine.state import State

_DETAILS = """\
A new run with the same tasks, models, harnesses, attempts and budgets; the old one stays as it is.
Tasks and harnesses are those of today: what has changed since is said.

examples:
  autolab rerun RUN --dry-run
  autolab rerun RUN --unscored --watch"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    from autolab_tui.cli.run import add_attached

    parser = command(
        commands, "rerun", run, summary="launch a run again", details=_DETAILS, dry_run=True
    )
    parser.add_argument("run", metavar="RUN")
    parser.add_argument(
        "--unscored",
        action="store_true",
        help="only the sessions that ended without a final reward",
    )
    add_attached(parser)


def run(args: argparse.Namespace) -> int:
    """Ask the engine for the old run's spec once more."""
    from autolab_tui.cli.run import launch
    from engine.client import connect

    client = connect(args.state)
    state = client.state()
    spec = spec_of(state, args.run, unscored=args.unscored)
    if spec is None:
        if args.json:
            emit("run-created", _nothing(args.dry_run))
        else:
            print(f"every session of {args.run} that is over has a final reward; nothing to do")
        return 0
    for said in changed(state, args.run):
        note(said)
    return launch(args, client, spec)


def spec_of(state: State, run: str, *, unscored: bool) -> dict[str, Any] | None:
    """What the engine is asked for; None when nothing is left to do. Raises `CommandError`."""
    if run not in state.runs:
        known = ", ".join(state.runs) or "none"
        raise CommandError(f"there is no run {run!r}; there are: {known}")
    spec = dict(state.runs[run].spec)
    if not unscored:
        return spec
    sessions = [state.sessions[s] for s in state.runs[run].sessions if s in state.sessions]
    again = [s for s in sessions if s.over and s.final_reward is None]
    if not again:
        return None
    spec["cells"] = [[s.task, s.model or s.agent, s.harness, s.attempt] for s in again]
    return spec


def changed(state: State, run: str) -> list[str]:
    """What is not what it was when the run was launched, in words."""
    from engine.harnesses import HarnessError, load
    from tasks import TaskError
    from verifier.pins import PinsError, task_hash

    said = []
    sessions = [state.sessions[s] for s in state.runs[run].sessions if s in state.sessions]
    for name, path, then in dict.fromkeys((s.task, s.task_path, s.task_hash) for s in sessions):
        try:
            same = task_hash(Path(path)) == then
        except (OSError, PinsError, TaskError):
            continue  # the engine says what is wrong with it
        if not same:
            said.append(f"task {name} was changed since {run} was launched")
    for name, then in dict.fromkeys((s.harness, s.harness_hash) for s in sessions if s.model):
        try:
            same = load(name).hash == then
        except HarnessError:
            continue
        if not same:
            said.append(f"harness {name} was changed since {run} was launched")
    return said


def _nothing(dry_run: bool) -> dict[str, Any]:
    return {"run": None, "sessions": [], "notes": [], "dry_run": dry_run, "forecast": None}
