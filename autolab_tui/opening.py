"""The app on an engine, from the terminal that it is given until the operator leaves."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path

from autolab_tui import themes
from autolab_tui.app import AutolabApp
from autolab_tui.glyphs import terminal_is_unicode
from autolab_tui.local import Local
from autolab_tui.terminal import refusal
from engine.paths import config_dir


def run(
    socket_path: Path,
    *,
    start_demo: Callable[[], str] = lambda: "",
    theme: str | None = None,
    run: str | None = None,
    mouse: bool = True,
    local: Local | None = None,
) -> int:
    """Show the engine at a socket until the operator leaves; the exit code.

    `run` narrows the fleet to one run; `start_demo` begins the demo and says what was begun.
    A terminal that cannot show the app gets 1 and a remedy.
    """
    from engine.client import EngineClient

    problem = refusal(os.environ, sys.stdin.isatty() and sys.stdout.isatty())
    if problem:
        print(f"autolab: {problem}", file=sys.stderr)
        return 1
    if theme is not None:
        known, _ = themes.everything(config_dir())
        if theme not in known:
            names = themes.names(known.values())
            print(f"autolab: there is no theme {theme!r}; there are {names}", file=sys.stderr)
            return 2
    unicode = terminal_is_unicode(os.environ)
    app = AutolabApp(
        EngineClient(socket_path),
        theme=theme,
        run=run,
        unicode=unicode,
        start_demo=start_demo,
        local=local,
    )
    gc.freeze()  # what was loaded is there for good; to look through it all takes 25 ms
    app.run(mouse=mouse)
    if app.return_code == 0:
        print(app.farewell())
    return app.return_code or 0
