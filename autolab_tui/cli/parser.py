"""The grammar of the command line: one parser, filled by the noun modules.

Only `argparse` and the nouns' own declarations are loaded here; what a command needs it imports
when it runs.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Never, TypeVar

import autolab_tui

T = TypeVar("T")
Commands = Any  # argparse gives the subparsers action no public name

_INVALID_CHOICE = re.compile(r"invalid choice: '(.*)' \(choose from (.*)\)")

_DESCRIPTION = """\
Run, watch and trust long-horizon optimization agents.

Without a command, `autolab` opens the terminal app (and starts the engine if none runs)."""
_EPILOG = """\
examples:
  autolab demo                              three scripted models at work, no key needed
  autolab run --task 'median*' --agent ladder --size quick --watch
  autolab run --task '*' --model local/qwen --provider local=http://127.0.0.1:8000/v1
  autolab status                            what runs and how well
  autolab verify median_filter ./my-copy    judge a directory yourself, no engine needed

exit codes: 0 done, 1 it failed, 2 wrong usage, 3 the result was negative, 130 interrupted
Every command takes --state DIR (default: $AUTOLAB_STATE, else the XDG state folder)."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        settings.setdefault("allow_abbrev", False)
        super().__init__(**settings)

    def error(self, message: str) -> Never:
        """Say what is wrong and where the help is; exit with code 2."""
        wrong = _INVALID_CHOICE.search(message)
        if wrong:
            given, known = wrong[1], re.findall(r"'([^']+)'", wrong[2])
            near = difflib.get_close_matches(given, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it can be {', '.join(known)}"
            message = f"{wrong.string[: wrong.start()]}{given!r} is unknown; {hint}"
        self.exit(2, f"{self.prog}: {message}; see `{self.prog} --help`\n")


def converter(convert: Callable[[str], T]) -> Callable[[str], T]:
    """`convert` for argparse: the text of its `ValueError` becomes the complaint."""

    def converted(text: str) -> T:
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return converted


def command(  # one call declares one command
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    summary: str,
    details: str = "",
    json: bool = True,
    dry_run: bool = False,
) -> Parser:
    """Add the command `name` that is carried out by `run(args)` and return its parser.

    `summary` is its line in the list of commands; `details` (examples) follow it in its own help.
    """
    parser: Parser = commands.add_parser(name, help=summary, description=summary, epilog=details)
    parser.set_defaults(handler=run)
    add_state(parser)
    if json:
        parser.add_argument("--json", action="store_true", help="print JSON with a schema key")
    if dry_run:
        parser.add_argument("--dry-run", action="store_true", help="check and say, change nothing")
    return parser


def group(commands: Commands, name: str, summary: str) -> Commands:
    """Add a noun with verbs of its own and return what they are added to."""
    parser: Parser = commands.add_parser(name, help=summary, description=summary)
    add_state(parser)
    verbs = parser.add_subparsers(metavar="VERB", required=True, parser_class=Parser)
    verbs.dest = "verb"
    return verbs


def add_state(parser: Parser) -> None:
    """The option that every command takes; given anywhere on the line, it counts once."""
    parser.add_argument(
        "--state", type=Path, metavar="DIR", default=argparse.SUPPRESS, help=argparse.SUPPRESS
    )


def build() -> Parser:
    """The whole parser."""
    from autolab_tui.cli import (
        app,
        demo,
        doctor,
        engine,
        harness,
        logs,
        models,
        run,
        runs,
        status,
        stop,
        tasks,
        themes,
        verify,
        watch,
    )

    parser = Parser(prog="autolab", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"autolab {autolab_tui.__version__}")
    parser.add_argument("--state", type=Path, metavar="DIR", default=None, help="the state folder")
    app.add_to(parser)
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=Parser)
    for noun in (
        demo,
        run,
        status,
        watch,
        stop,
        logs,
        runs,
        verify,
        tasks,
        models,
        harness,
        engine,
        doctor,
        themes,
    ):
        noun.add_to(commands)
    return parser


def parse(argv: Sequence[str] | None = None) -> Callable[[], int]:
    """The command that a line asks for, ready to be called; exits with code 2 for a wrong line."""
    args = build().parse_args(sys.argv[1:] if argv is None else list(argv))
    return partial(args.handler, args)
