"""The whole command line: every noun and command in one parser.

Only `argparse` and the nouns' own declarations are loaded here; what a command needs it imports
when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import autolab_tui
from autolab_tui.cli import (
    app,
    attach,
    compare,
    config,
    demo,
    doctor,
    engine,
    export,
    gpus,
    harness,
    leaderboard,
    logs,
    models,
    orders,
    processes,
    replay,
    report,
    rerun,
    run,
    runs,
    snapshot,
    status,
    tasks,
    themes,
    verdicts,
    verify,
    watch,
)
from autolab_tui.cli.parser import Parser

_DESCRIPTION = """\
Run, watch and trust long-horizon optimization agents.

Without a command, `autolab` opens the terminal app (and starts the engine if none runs)."""
_EPILOG = """\
examples:
  autolab demo                              three scripted models at work, no key needed
  autolab run --task 'median*' --agent ladder --size quick --watch
  autolab run --task '*' --model local/qwen --provider local=http://127.0.0.1:8000/v1
  autolab status                            what runs and how well
  autolab pause '*' --for 2h                everything stands still, and goes on by itself
  autolab leaderboard --published           who is best, how sure that is, and AutoLab's table
  autolab verify median_filter ./my-copy    judge a directory yourself, no engine needed

exit codes: 0 done, 1 it failed, 2 wrong usage, 3 the result was negative, 130 interrupted
Every command takes --state DIR (default: $AUTOLAB_STATE, else the XDG state folder)."""


def build() -> Parser:
    """The whole parser."""
    parser = Parser(prog="autolab", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"autolab {autolab_tui.__version__}")
    parser.add_argument("--state", type=Path, metavar="DIR", default=None, help="the state folder")
    app.add_to(parser)
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=Parser)
    for noun in (
        demo,
        run,
        rerun,
        status,
        watch,
        attach,
        orders,
        logs,
        processes,
        runs,
        snapshot,
        leaderboard,
        compare,
        replay,
        report,
        export,
        verify,
        verdicts,
        tasks,
        models,
        harness,
        config,
        gpus,
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
