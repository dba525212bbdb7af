"""The grammar of the command line: what a command, a noun with verbs and an error look like."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Never, TypeVar

from tasks.nearest import hint

T = TypeVar("T")
Commands = Any  # argparse gives the subparsers action no public name

_NO_VALUE = "expected one argument"
_INVALID_CHOICE = re.compile(r"invalid choice: '(.*)' \(choose from (.*)\)")


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        settings.setdefault("allow_abbrev", False)
        super().__init__(**settings)
        self.stray = ""  # what a word too many may have been meant as, with {} for the word
        self._mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """The arguments of a command; what it does not know is an error of this command's.

        Options may stand between a command's words: argparse by itself would take the first group
        of words for all of them. (A parser with commands below it is asked in the plain way.)
        """
        if self._mixing or self._subparsers is not None:
            found, unknown = super().parse_known_args(args, namespace)
        else:
            self._mixing = True
            try:
                found, unknown = self.parse_known_intermixed_args(args, namespace)
            finally:
                self._mixing = False
        if unknown and not self._mixing:
            self.error(self._unknown(unknown))
        return found, unknown

    def _unknown(self, words: list[str]) -> str:
        first = words[0]
        if not first.startswith("-"):
            return f"{first!r} is one word too many; {self.stray.format(first) or 'leave it out'}"
        option = first.partition("=")[0]
        known = [name for name in self._option_string_actions if name.startswith("--")]
        own = [name for name in known if name not in ("--help", "--state")]
        otherwise = f"it has {', '.join(own)}" if own else "leave it out"
        return f"there is no {option}; {hint(option, known, otherwise)}"

    def error(self, message: str) -> Never:
        """Say what is wrong and where the help is; exit with code 2."""
        wrong = _INVALID_CHOICE.search(message)
        if wrong:
            given, known = wrong[1], re.findall(r"'([^']+)'", wrong[2])
            remedy = hint(given, known, f"it can be {', '.join(known)}")
            message = f"{wrong.string[: wrong.start()]}{given!r} is unknown; {remedy}"
        if message.endswith(_NO_VALUE):
            message += " (one that begins with - is written --option=-VALUE)"
        end = "" if message.endswith("?") else ";"
        self.exit(2, f"{self.prog}: {message}{end} see `{self.prog} --help`\n")


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
        "--state", type=Path, metavar="DIR", default=argparse.SUPPRESS, help="the state folder"
    )
