"""`autolab` alone: the terminal app."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from autolab_tui.cli.failures import UsageError
from autolab_tui.cli.parser import Parser


def add_to(parser: Parser) -> None:
    """The app is what the top-level parser does when no command is named."""
    parser.add_argument("--theme", metavar="NAME", help="the app's theme, remembered")
    parser.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")
    parser.add_argument(
        "--install-completion",
        nargs="?",
        const="",
        metavar="SHELL",
        help="let Tab complete commands and options (bash or zsh; default: $SHELL)",
    )
    parser.set_defaults(handler=partial(run, parser))


def run(parser: Parser, args: argparse.Namespace) -> int:
    """Open the app on the engine of the state folder, starting the engine when none runs."""
    if args.install_completion is not None:
        from autolab_tui.cli.completion import install

        return install(args.install_completion, parser)
    return open_app(args.state, args.theme, mouse=not args.no_mouse)


def open_app(
    state: Path | None, theme: str | None = None, run: str | None = None, mouse: bool = True
) -> int:
    """Open the app, at one run when `run` names it. Returns when the operator quits."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "the app needs a terminal and this is none; use `autolab watch` or `autolab status`"
        )
    from engine.client import connect

    client = connect(state)
    from autolab_tui.cli.demo_run import begin
    from autolab_tui.local import Local
    from autolab_tui.opening import run as run_app
    from engine.paths import state_dir

    return run_app(
        client.socket_path,
        theme=theme,
        run=run,
        mouse=mouse,
        start_demo=lambda: begin(state),
        local=Local(state_dir(state)),
    )
