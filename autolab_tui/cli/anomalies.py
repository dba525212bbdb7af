"""`autolab engine anomalies`: what the engine is at, from its trace file, without asking it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from autolab_tui.cli.failures import DONE, NEGATIVE, CommandError
from autolab_tui.cli.output import plain, quiet, table
from autolab_tui.cli.parser import Commands, command
from autolab_tui.cli.values import short_duration

if TYPE_CHECKING:
    from engine.offline.trace import AnomaliesObject, EngineTrace

_DETAILS = """\
Works when the engine hangs or is gone: it reads a file, and asks the kernel whether the process
lives. Exit code 3 when something is wrong.

examples:
  autolab engine anomalies              what is in flight, what was slow, what is odd
  autolab engine anomalies --before     the engine before this one: what it was at when it ended"""


def add_to(verbs: Commands) -> None:
    """Declare the verb."""
    parser = command(
        verbs,
        "anomalies",
        run,
        summary="what it is at and what is odd, from a file, even when it hangs or is gone",
        details=_DETAILS,
    )
    parser.add_argument("--before", action="store_true", help="the engine before this one")


def run(args: argparse.Namespace) -> int:
    """Print what the trace says; exit code 3 when something is odd."""
    import msgspec

    from engine.offline.trace import read
    from engine.paths import state_dir

    folder = state_dir(args.state)
    found = read(folder, before=args.before)
    if found is None:
        which = "before the last one" if args.before else "yet"
        raise CommandError(
            f"no engine has left a trace in {folder / 'trace'} {which}; `autolab engine start` "
            "starts one"
        )
    if args.json:
        print(quiet(msgspec.json.format(msgspec.json.encode(found), indent=2).decode()))
    else:
        _show(found)
    return NEGATIVE if found.anomalies else DONE


def _show(found: AnomaliesObject) -> None:
    print(_engine(found.engine))
    print()
    for text in found.anomalies or ["nothing odd"]:
        print(plain(text))
    for title, head, rows in (
        (
            "in flight",
            ("since (UTC)", "age", "what", "session", "detail"),
            [
                (_time(f.since), short_duration(f.age), f.what, f.session, f.detail)
                for f in found.in_flight
            ],
        ),
        (
            "slowest",
            ("since (UTC)", "seconds", "what", "session", "detail"),
            [
                (
                    _time(d.since),
                    f"{d.seconds:.3f}",
                    d.what,
                    d.session,
                    f"{d.detail} {d.error or ''}",
                )
                for d in found.slowest
            ],
        ),
        (
            "the sessions' loop was late",
            ("since (UTC)", "seconds", "stood in"),
            [(_time(lag.since), f"{lag.seconds:.3f}", lag.where) for lag in found.lags],
        ),
    ):
        if rows:
            print(f"\n{title}:")
            print(table(head, ([cell or "-" for cell in row] for row in rows), right=(1,)))


def _time(at: str) -> str:
    """The time of day of a moment in UTC."""
    return at[11:19]


def _engine(engine: EngineTrace) -> str:
    words = {
        "running": "runs",
        "stopped": "is stopped",
        "ended": "ended in good order",
        "dead": "is gone",
        "rebooted": "ended with the machine",
        "unknown": "may run in another container",
    }
    ago = "before the last boot" if engine.silent is None else f"{engine.silent:.1f} s ago"
    said = f"engine {engine.version}, pid {engine.pid}, {words[engine.state]}"
    return f"{said}; last heard {engine.heard} ({ago})"
