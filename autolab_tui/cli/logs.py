"""`autolab logs SESSION`: what was said and done, from the transcript."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autolab_tui.cli.failures import CommandError
from autolab_tui.cli.output import as_json, note, plain
from autolab_tui.cli.parser import Commands, command
from tasks.nearest import hint

if TYPE_CHECKING:
    from engine.client import EngineClient
    from engine.offline.transcripts import Transcripts

_PAGE = 200
_POLL = 1.0
_MOST = 1_000_000  # characters of one field that are shown; `--json` has all of it
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
    """Print the transcript; without an engine, as far as the last one journalled it."""
    from engine.client import running

    client = running(args.state)
    if client is not None:
        found = entries(client, args.session, args.follow)
    else:
        found = _pages(_from_disk(args.state, args.session), args.session, [0])
    for entry in found:
        if args.json:
            print(as_json(entry), flush=True)
        else:
            print("\n".join(lines_of(entry)), flush=True)
    return 0


def _from_disk(state: Path | None, session: str) -> Transcripts:
    from engine.offline.transcripts import Transcripts

    left = Transcripts(state, note)
    if session not in left.sessions:
        remedy = hint(session, left.sessions, "`autolab status` lists them")
        raise CommandError(f"there is no session {session!r}, and no engine runs; {remedy}")
    return left


def entries(client: EngineClient, session: str, follow: bool) -> Iterator[dict[str, Any]]:
    """Every entry from the first on; with `follow`, new ones until the session is over."""
    seen = [0]
    while True:
        over = not follow or _over(client, session)
        yield from _pages(client, session, seen)
        if over:
            return
        time.sleep(_POLL)


def _pages(
    source: EngineClient | Transcripts, session: str, seen: list[int]
) -> Iterator[dict[str, Any]]:
    """What there is after the first `seen` entries; counts on."""
    while True:
        answer = source.transcript(session, seen[0], _PAGE)
        yield from answer["entries"]
        if answer["next"] == seen[0] or not answer["entries"]:
            return
        seen[0] = answer["next"]


def _over(client: EngineClient, session: str) -> bool:
    found = [s for s in client.status()["sessions"] if s["id"] == session]
    return not found or found[0]["state"] in ("finished", "failed")


def lines_of(entry: Mapping[str, Any]) -> Iterator[str]:
    """A transcript's entry as lines for eyes."""
    from engine.entries import arguments_of, calls_of

    number, kind = entry.get("n"), str(entry.get("kind"))
    if kind == "assistant":
        yield f"--- {number} assistant"
        if entry.get("reasoning"):
            yield from ("  " + line for line in _lines(str(entry["reasoning"])))
        yield from _lines(str(entry.get("text") or ""))
        for call in calls_of(entry):
            yield plain(f"-> {call.get('name')}")
            yield from ("   " + line for line in _arguments(arguments_of(call)))
    elif kind == "tool":
        seconds = entry.get("seconds")
        took = f", {seconds:.1f} s" if isinstance(seconds, int | float) else ""
        yield plain(f"--- {number} {entry.get('name')}: exit code {entry.get('code')}{took}")
        yield from _lines(str(entry.get("output") or ""))
    else:
        yield plain(f"--- {number} {_replaced(entry) if kind == 'summary' else kind}")
        yield from _lines(str(entry.get("text") or ""))


def _replaced(entry: Mapping[str, Any]) -> str:
    first, last = entry["replaces"]
    return (
        f"{entry['how']} in place of entries {first} to {last}: "
        f"{entry['before']} characters became {entry['after']}"
    )


def _arguments(arguments: object) -> Iterator[str]:
    if not isinstance(arguments, dict):
        yield from _lines(str(arguments))
        return
    for name, value in arguments.items():
        key, shown = plain(name), list(_lines(str(value)))
        if len(shown) == 1:
            yield f"{key}: {shown[0]}"
        else:
            yield f"{key}:"
            yield from ("  " + line for line in shown)


def _lines(text: str) -> Iterator[str]:
    """The text's lines, harmless; of a text beyond all measure the first of them."""
    from autolab_tui.plain import lines

    yield from lines(text[:_MOST])
    if len(text) > _MOST:
        yield f"... {len(text) - _MOST} more characters; --json shows them"
