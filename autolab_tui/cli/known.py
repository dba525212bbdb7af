"""What is known of runs, from the engine or, where none runs, from the journal on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from autolab_tui.cli.failures import CommandError
from autolab_tui.cli.output import note
from tasks.nearest import hint

if TYPE_CHECKING:
    from engine.clock import Clock
    from engine.state import SessionState, State


def everything(folder: Path | None) -> tuple[State, Clock]:
    """The state, and the clock to read it by: now, or as of the journal's last event."""
    from engine.client import find
    from engine.clock import Clock

    client = find(folder)
    if client is not None:
        return client.state(), Clock()
    from engine.offline import folded

    known = folded(folder, note)
    if known is None:
        raise CommandError(
            "no engine runs and there is no journal, so nothing is known; `autolab engine start`, "
            "or name the folder with --state DIR"
        )
    return known


def meant(name: str, runs: Iterable[str], sessions: Iterable[str] = ()) -> str:
    """The end of a complaint about a run (or session) that nobody knows: what there is."""
    known = list(runs)
    newest = f"the newest runs: {', '.join(known[-5:]) or 'none yet'}"
    return hint(name, [*known, *sessions], newest)


def sessions_of(state: State, globs: Sequence[str]) -> list[SessionState]:
    """The sessions of the runs that the globs name; without globs, of all runs."""
    chosen: dict[str, None] = {}
    for glob in globs or ("*",):
        found = [run for run in state.runs if fnmatchcase(run, glob)]
        if globs and not found:
            raise CommandError(f"no run is called {glob!r}; {meant(glob, state.runs)}")
        chosen.update(dict.fromkeys(found))
    return [
        state.sessions[session]
        for run in chosen
        for session in state.runs[run].sessions
        if session in state.sessions
    ]
