"""`autolab pause | resume | stop | extend | message`: what an operator orders."""

from __future__ import annotations

import argparse
import re
import time
from datetime import datetime, timedelta
from typing import Any

from autolab_tui.amounts import BUDGETS, changes_of
from autolab_tui.cli.failures import CommandError, UsageError
from autolab_tui.cli.output import emit
from autolab_tui.cli.parser import Commands, Parser, command, converter
from autolab_tui.cli.values import duration
from autolab_tui.operators import operator

_GLOBS = "GLOB matches a session id, a run id, or model:..., task:..., harness:..., state:..."
_PAUSE = f"""\
{_GLOBS}

Every process of the session stands still, its clock stops, and its slot is free for others. A model
turn that is in flight may finish first; --now gives it up (the provider may charge for it). Memory
and GPUs stay taken, unless with --release: its processes are then asked to end (SIGTERM), those
that have not after ten seconds are killed, and its GPUs are free for others. On resume its sandbox
is built anew around its files and its model is told. A pause lasts until it is lifted, also when
the engine or the machine is started anew in between.

examples:
  autolab pause RUN                            every session of a run
  autolab pause 'model:openai/*' --why 'invoice'
  autolab pause '*' --for 2h                   everything, and on again in two hours
  autolab pause '*' --until 08:00
  autolab pause SESSION --release              and free its memory and its GPUs"""
_RESUME = f"""\
{_GLOBS}

A session goes on where it stood as soon as there is a slot. Where its processes are gone (the
machine was started anew), its sandbox is built anew around its files and its model is told.

examples:
  autolab resume RUN
  autolab resume 'state:paused'"""
_STOP = f"""\
{_GLOBS}

examples:
  autolab stop RUN                  every session of a run
  autolab stop 'task:median*' --dry-run
  autolab stop 'state:running'"""
_EXTEND = f"""\
{_GLOBS}

AMOUNT is a limit, or a change of it with a sign (--active=-30m takes some away). A session's wall
limit that was left at three times its active one follows it. With --run GLOB is a run's id, and its
own budget (of all its sessions together) is changed.

examples:
  autolab extend SESSION --active +30m --why 'still improving'
  autolab extend RUN --run --cost +20
  autolab extend 'state:paused' --soft cost=8"""
_ACKNOWLEDGE = f"""\
{_GLOBS}

An alert that is acknowledged no longer asks for anybody; it stays until what it warns of is over,
and is raised anew should that happen again.

examples:
  autolab acknowledge SESSION
  autolab acknowledge '*' --why 'seen, known server trouble'"""
_MESSAGE = """\
The model reads it before its next turn, as a message of the user's that begins with [operator]. The
session counts as assisted from then on. One that is over can be told nothing: exit code 1.

example:
  autolab message SESSION 'the input is sorted: use it'"""
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def add_to(commands: Commands) -> None:
    """Declare the commands."""
    pausing = _order(commands, "pause", pause, "let sessions stand still", _PAUSE)
    pausing.add_argument(
        "--now", action="store_true", help="give up model turns in flight instead of waiting"
    )
    pausing.add_argument(
        "--release",
        action="store_true",
        help="end its processes first, so that its memory and its GPUs are free",
    )
    end = pausing.add_mutually_exclusive_group()
    end.add_argument(
        "--for",
        dest="for_",
        type=converter(duration),
        metavar="TIME",
        help="go on by itself after this time (90s, 15m, 2h)",
    )
    end.add_argument(
        "--until", type=converter(_until), metavar="HH:MM", help="go on by itself at this time"
    )
    _order(commands, "resume", resume, "let paused sessions go on", _RESUME)
    _order(commands, "stop", stop, "end sessions in good order: what they have is scored", _STOP)
    extending = _order(commands, "extend", extend, "change budgets while sessions run", _EXTEND)
    for key, what in BUDGETS.items():
        extending.add_argument(f"--{key}", metavar="AMOUNT", help=what)
    extending.add_argument(
        "--soft",
        action="append",
        default=[],
        metavar="KEY=AMOUNT,...",
        help="change soft limits, which pause",
    )
    extending.add_argument("--run", action="store_true", help="change the budgets of whole runs")
    _order(
        commands, "acknowledge", acknowledge, "say that sessions' alerts are known", _ACKNOWLEDGE
    )
    telling = command(
        commands,
        "message",
        message,
        summary="say something to a session's model",
        details=_MESSAGE,
        dry_run=True,
    )
    telling.add_argument("session", metavar="SESSION", help="the session's id")
    telling.add_argument("text", nargs="+", metavar="TEXT", help="what it is told")


def _order(commands: Commands, name: str, run: Any, summary: str, details: str) -> Parser:
    parser = command(commands, name, run, summary=summary, details=details, dry_run=True)
    parser.add_argument("globs", nargs="+", metavar="GLOB", help="which sessions")
    parser.add_argument("--why", default="", metavar="TEXT", help="the reason, for the journal")
    return parser


def pause(args: argparse.Namespace) -> int:
    """Order a pause."""
    until = args.until if args.for_ is None else time.time() + args.for_
    order = {"now": args.now, "until": until, "release": args.release}
    return give(args, "pause", order, "pausing", "pause")


def resume(args: argparse.Namespace) -> int:
    """Lift pauses."""
    return give(args, "resume", {}, "resuming", "resume")


def stop(args: argparse.Namespace) -> int:
    """Ask sessions to end."""
    return give(args, "stop", {}, "stopping", "stop")


def extend(args: argparse.Namespace) -> int:
    """Change budgets."""
    try:
        changes = changes_of({key: getattr(args, key) for key in BUDGETS}, args.soft)
    except ValueError as error:
        raise UsageError(f"--{error}") from None
    if not changes:
        limits = ", ".join(f"--{key}" for key in BUDGETS)
        raise UsageError(f"no limit is changed; give at least one of {limits}, --soft")
    return give(args, "extend", {"changes": changes, "run": args.run}, "changed", "change")


def acknowledge(args: argparse.Namespace) -> int:
    """Say that alerts are known."""
    return give(args, "acknowledge", {}, "acknowledged", "acknowledge")


def message(args: argparse.Namespace) -> int:
    """Leave a message for a model."""
    args.globs, args.why = [args.session], ""
    told = {"text": " ".join(args.text)}
    return give(
        args, "message", told, "left for", "tell", nobody="is over, and can be told no more"
    )


def give(
    args: argparse.Namespace,
    name: str,
    order: dict[str, Any],
    doing: str,
    do: str,
    *,
    schema: str = "",
    nobody: str = "",
) -> int:
    """Give the order `name` to the engine and print whom it was for: "pausing: ID", "would pause:
    ID". Where it is for nobody that is said, or is a failure in the words of `nobody`.
    """
    from engine.client import connect

    whole = {"globs": args.globs, "by": operator(), "why": args.why, **order}
    whole = {key: value for key, value in whole.items() if value is not None}
    chosen = connect(args.state, start=False).order(name, whole, dry_run=args.dry_run)
    if nobody and not chosen:
        raise CommandError(f"{', '.join(args.globs)} {nobody}")
    if args.json:
        whom = "runs" if order.get("run") else "sessions"
        emit(schema or name, {whom: chosen, "dry_run": args.dry_run})
    elif not chosen:
        print(f"Nothing that matches is left to {do}.")
    else:
        print(f"{f'would {do}' if args.dry_run else doing}: {', '.join(chosen)}")
    return 0


def _until(text: str) -> float:
    """The Unix time at which the clock next shows HH:MM. Raises `ValueError`."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time of day; write 08:00")
    now = datetime.now().astimezone()
    at = now.replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
    return (at if at > now else at + timedelta(days=1)).timestamp()
