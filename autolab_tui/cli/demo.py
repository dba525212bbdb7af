"""`autolab demo`: three scripted models at work on three real tasks."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autolab_tui.cli.demo_run import (
    CAST,
    DEFAULT_MINUTES,
    PROVIDER,
    model_server,
    require_sandbox,
    spec,
)
from autolab_tui.cli.failures import DONE, FAILED, INTERRUPTED, UsageError
from autolab_tui.cli.output import as_json, emit, note, number, plain, table
from autolab_tui.cli.parser import Commands, command, converter
from autolab_tui.cli.values import short_duration

if TYPE_CHECKING:
    from engine.client import EngineClient

_DETAILS = """\
Nothing is faked but the models: a server on the loopback interface speaks the real wire format and
plays three personas (one persists, one stops early, one burns its budget on nothing). Their edits
and commands go through the real engine, sandbox, compiler and verifier. No key is needed.

examples:
  autolab demo                          in the app; quit and come back with `autolab`
  autolab demo --headless               lines and a table of results instead
  autolab demo --minutes 5              a slower demo: a budget of five minutes for each model"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "demo",
        run,
        summary="three scripted models at work, no key needed",
        details=_DETAILS,
        dry_run=True,
    )
    parser.add_argument("--headless", action="store_true", help="no app: lines, then a table")
    parser.add_argument(
        "--minutes",
        type=converter(_minutes),
        default=DEFAULT_MINUTES,
        metavar="N",
        help=f"the active budget of each session (default: {DEFAULT_MINUTES:g})",
    )


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0.5 <= minutes <= 600:
        raise ValueError(f"{text!r} is not a number of minutes from 0.5 to 600")
    return minutes


def run(args: argparse.Namespace) -> int:
    """Launch the run; then the app, or with --headless its events and a table of results."""
    if args.json and not (args.headless or args.dry_run):
        raise UsageError("--json needs --headless: the app prints nothing")
    if args.dry_run:
        return _dry_run(args)
    from engine.client import connect

    require_sandbox()
    began = time.monotonic()
    client = connect(args.state)
    before = client.state()
    created = client.create_run(spec(model_server(args.state, args.minutes), args.minutes))
    if args.headless:
        return _headless(args, client, before, created["run"], began)
    from autolab_tui.cli.app import open_app

    return open_app(args.state, run=created["run"])


def _dry_run(args: argparse.Namespace) -> int:
    wanted = spec("http://127.0.0.1:PORT/v1", args.minutes)
    if args.json:
        emit("demo-plan", {"spec": wanted})
    else:
        for persona, task in CAST.items():
            print(f"would run {PROVIDER}/{persona} on {task}, {args.minutes:g} minutes active")
    return DONE


def _headless(
    args: argparse.Namespace, client: EngineClient, before: Any, run_id: str, began: float
) -> int:
    from autolab_tui.cli.watch import follower_for, printer, watch_own
    from engine.client import connect

    follower = follower_for(args.state, run_id, before, printer(args.json))
    code = watch_own(client, follower)
    if code == INTERRUPTED:
        return code
    # The engine may have been another one since; ask whoever runs now.
    client = connect(args.state)
    sessions = [s for s in client.status()["sessions"] if s["run"] == run_id]
    shortfalls = {s["id"]: _shortfall(client, follower.state, s) for s in sessions}
    seconds = round(time.monotonic() - began, 1)
    if args.json:
        final = {"schema": "autolab/demo/1", "run": run_id, "seconds": seconds}
        print(as_json({**final, "sessions": sessions}), flush=True)
    else:
        _show(sessions, shortfalls, seconds)
    for session, why in shortfalls.items():
        if why is not None:
            note(f"{session}: not as its persona should: {why}")
    return FAILED if any(shortfalls.values()) or len(sessions) != len(CAST) else DONE


def _shortfall(client: EngineClient, state: Any, session: Mapping[str, Any]) -> str | None:
    from autolab_tui.demo.expectation import shortfall

    verdicts = client.verdicts(session["id"])
    rewards = [v["reward"] for v in verdicts if v["reward"] is not None]
    reference = state.sessions[session["id"]].reference_reward
    return shortfall(_persona(session), session, rewards, reference)


def _persona(session: Mapping[str, Any]) -> str:
    return str(session["model"]).rpartition("/")[2]


def _show(
    sessions: Sequence[Mapping[str, Any]], shortfalls: Mapping[str, str | None], seconds: float
) -> None:
    rows = [
        (
            _persona(s),
            s["task"],
            number(s["final_reward"]),
            number(s["best_reward"]),
            str(s["verdict_count"]),
            short_duration(s["clocks"]["active"]),
            str(s["usage"]["turns"]),
            s["outcome"] or s["state"],
            "as it should" if shortfalls[s["id"]] is None else "NOT as it should",
        )
        for s in sessions
    ]
    head = ("persona", "task", "final", "best", "verdicts", "active", "turns", "outcome", "")
    print()
    print(table(head, rows, right=(2, 3, 4, 5, 6)))
    for session in sessions:
        print(plain(f"{_persona(session)}: {session['outcome_evidence']}", 200))
    print()
    print(f"{len(sessions)} sessions in {short_duration(seconds)}. The engine goes on:")
    print("  autolab status          what it knows        autolab engine stop     end it")
    print("  autolab                 the same in the app  autolab logs SESSION    what was said")
