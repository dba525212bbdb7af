"""`autolab logs SESSION`: what was said and done, from the transcript."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from autolab_tui.cli.output import as_json, plain
from autolab_tui.cli.parser import Commands, command

if TYPE_CHECKING:
    from engine.client import EngineClient

_PAGE = 200
_POLL = 1.0
_DETAILS = """\
examples:
  autolab logs SESSION
  autolab logs SESSION -f           go on until the session is over
  autolab logs SESSION --json       one transcript entry a line"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = command(commands, "logs", run, summary="a session's transcript", details=_DETAILS)
    parser.add_argument("session", metavar="SESSION")
    parser.add_argument("-f", "--follow", action="store_true", help="until the session is over")


def run(args: argparse.Namespace) -> int:
    """Print the transcript."""
    from engine.client import connect

    client = connect(args.state)
    for entry in entries(client, args.session, args.follow):
        if args.json:
            print(as_json(entry), flush=True)
        else:
            print("\n".join(lines_of(entry)), flush=True)
    return 0


def entries(client: EngineClient, session: str, follow: bool) -> Iterator[dict[str, Any]]:
    """Every entry from the first on; with `follow`, new ones until the session is over."""
    after = 0
    while True:
        over = not follow or _over(client, session)
        while True:
            answer = client.transcript(session, after, _PAGE)
            yield from answer["entries"]
            if answer["next"] == after or not answer["entries"]:
                break
            after = answer["next"]
        if over:
            return
        time.sleep(_POLL)


def _over(client: EngineClient, session: str) -> bool:
    found = [s for s in client.status()["sessions"] if s["id"] == session]
    return not found or found[0]["state"] in ("finished", "failed")


def lines_of(entry: Mapping[str, Any]) -> Iterator[str]:
    """A transcript's entry as lines for eyes."""
    from autolab_tui.plain import lines
    from engine.entries import arguments_of, calls_of

    number, kind = entry.get("n"), str(entry.get("kind"))
    if kind == "assistant":
        yield f"--- {number} assistant"
        if entry.get("reasoning"):
            yield from ("  " + line for line in lines(str(entry["reasoning"])))
        yield from lines(str(entry.get("text") or ""))
        for call in calls_of(entry):
            yield plain(f"-> {call.get('name')}")
            yield from ("   " + line for line in _arguments(arguments_of(call)))
    elif kind == "tool":
        seconds = entry.get("seconds")
        took = f", {seconds:.1f} s" if isinstance(seconds, int | float) else ""
        yield plain(f"--- {number} {entry.get('name')}: exit code {entry.get('code')}{took}")
        yield from lines(str(entry.get("output") or ""))
    else:
        yield plain(f"--- {number} {_replaced(entry) if kind == 'summary' else kind}")
        yield from lines(str(entry.get("text") or ""))


def _replaced(entry: Mapping[str, Any]) -> str:
    first, last = entry["replaces"]
    return (
        f"{entry['how']} in place of entries {first} to {last}: "
        f"{entry['before']} characters became {entry['after']}"
    )


def _arguments(arguments: object) -> Iterator[str]:
    from autolab_tui.plain import lines

    if not isinstance(arguments, dict):
        yield from lines(str(arguments))
        return
    for name, value in arguments.items():
        key, shown = plain(name), list(lines(str(value)))
        if len(shown) == 1:
            yield f"{key}: {shown[0]}"
        else:
            yield f"{key}:"
            yield from ("  " + line for line in shown)
