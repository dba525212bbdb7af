"""`autolab watch`: a run's events as they happen, as lines."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from autolab_tui.cli.failures import DONE, FAILED, INTERRUPTED, CommandError
from autolab_tui.cli.known import meant
from autolab_tui.cli.output import note, plain, quiet
from autolab_tui.cli.parser import Commands, command

if TYPE_CHECKING:
    from autolab_tui.cli.following import Follower
    from engine.client import EngineClient
    from engine.events import Event
    from engine.state import State

_DETAILS = """\
Ends when the run ends. Ctrl-C ends the watching and nothing else.

examples:
  autolab watch                     the newest run
  autolab watch RUN --all           from its first event
  autolab watch RUN --json          one flat JSON object a line, every event"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = command(
        commands, "watch", run, summary="a run's events as they happen", details=_DETAILS
    )
    parser.add_argument("run", nargs="?", metavar="RUN", help="default: the newest")
    parser.add_argument("--all", action="store_true", help="begin with the run's first event")


def run(args: argparse.Namespace) -> int:
    """Print events until the run ends."""
    from engine.client import connect

    client = connect(args.state, start=False)
    state = client.state()
    follower = follower_for(args.state, chosen(state, args.run), state, printer(args.json))
    if args.all:
        rewind(client, follower)
    elif not args.json:
        _introduce(follower)
    follower.follow()
    return DONE


def chosen(state: State, run: str | None) -> str:
    """The run that was named, or the newest one."""
    if run is None:
        if not state.runs:
            raise CommandError("there is no run to watch yet; launch one with `autolab run`")
        return max(state.runs.values(), key=lambda each: each.created).id
    if run not in state.runs:
        raise CommandError(f"no run is called {run!r}; {meant(run, state.runs)}")
    return run


def follower_for(
    folder: Path | None, run: str, state: State, show: Callable[[Event], None]
) -> Follower:
    """A follower of one run whose remarks go to stderr."""
    from autolab_tui.cli.following import Follower
    from engine.paths import state_dir

    return Follower(state_dir(folder), run, state, show, note)


def rewind(client: EngineClient, follower: Follower) -> None:
    """Show what the run has already had; the follower then goes on from there."""
    from engine.client import Heartbeat

    until = follower.state.seq
    sessions = set(follower.state.runs[follower.run].sessions)
    begun = False
    with client.events(0) as events:
        for event in events:
            if isinstance(event, Heartbeat):
                continue
            if event.seq > until:
                return
            begun = begun or getattr(event.body, "run", None) == follower.run
            if begun and (event.session is None or event.session in sessions):
                follower.show(event)
            if event.seq == until:
                return


def watch_own(client: EngineClient, follower: Follower) -> int:
    """Follow a run that this command launched.

    The first Ctrl-C asks its sessions to stop and be scored, the second leaves them alone.
    """
    asked = False
    while True:
        try:
            follower.follow()
            break
        except KeyboardInterrupt:
            if asked:
                note(f"detached; `autolab watch {follower.run}` comes back to it")
                return INTERRUPTED
            asked = True
            client.stop([follower.run])
            note("asked the sessions to stop and be scored; Ctrl-C again detaches")
    if asked:
        return INTERRUPTED
    states = [follower.state.sessions[s] for s in follower.state.runs[follower.run].sessions]
    failed = [session.id for session in states if session.state == "failed"]
    if failed:
        note(f"failed: {', '.join(failed)}; `autolab logs {failed[0]}` shows why")
    return FAILED if failed else DONE


def printer(json: bool) -> Callable[[Event], None]:
    """What prints one event: a flat JSON line, or a line for eyes."""
    from engine.events import encode

    def as_json(event: Event) -> None:
        print(quiet(encode(event).decode()), flush=True)

    def as_line(event: Event) -> None:
        from autolab_tui.cli.lines import line

        text = line(event)
        if text is not None:
            print(text, flush=True)

    return as_json if json else as_line


def _introduce(follower: Follower) -> None:
    run = follower.state.runs[follower.run]
    for session in (follower.state.sessions[s] for s in run.sessions):
        best = "no reward yet" if session.best_reward is None else f"best {session.best_reward:.3f}"
        said = session.outcome or session.state
        who = session.model or session.agent
        print(f"{plain(session.id)}  {plain(f'{who} on {session.task}')}: {said}, {best}")
    if follower.over:
        note(f"run {run.id} is over; --all shows its events")
    sys.stdout.flush()
