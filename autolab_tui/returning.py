"""Where the operator was when they last left the app."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textual.screen import Screen

from autolab_tui import preferences
from autolab_tui.preferences import Preferences
from autolab_tui.screens.top import TopScreen
from autolab_tui.views.fleet import Choice
from autolab_tui.views.groups import GROUPS
from autolab_tui.views.sorting import SORTS, TURNED


def choice(kept: Preferences, run: str | None) -> Choice:
    """What of the fleet the operator saw when they last left, unless they ask for one run."""
    named = kept.sort.removeprefix(TURNED)
    sort, turned = (named, named != kept.sort) if named in SORTS else (SORTS[0], False)
    group = kept.group if kept.group in GROUPS else ""
    return Choice(run=run, sort=sort, turned=turned, group=group, words="" if run else kept.words)


def remember(config: Path, stack: Sequence[Screen[object]], choice: Choice) -> None:
    """Keep what is open, for the next time. Raises `OSError`."""
    top = next((s.PLACE for s in stack if isinstance(s, TopScreen)), "")
    from autolab_tui.screens.session import SessionScreen

    session = next((s.identity for s in stack if isinstance(s, SessionScreen)), "")
    sort = TURNED * choice.turned + choice.sort
    shown = {"sort": sort, "group": choice.group, "words": choice.words}
    preferences.remember(config, screen=top, session=session, **shown)
