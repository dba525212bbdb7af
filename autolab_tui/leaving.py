"""What the app says when it is left: what goes on without it, and how to come back."""

from __future__ import annotations

from autolab_tui import words
from autolab_tui.store import Standing
from engine.state import State


def farewell(state: State, standing: Standing) -> str:
    """One line for the terminal that the app gives back."""
    going = sum(not session.over for session in state.sessions.values())
    if not going:
        return "Come back with `autolab`."
    sessions = words.plural(going, "session")
    if standing == "down":
        stand = "stands" if going == 1 else "stand"
        return f"No engine runs: {sessions} {stand} still until `autolab engine start`."
    go = "goes" if going == 1 else "go"
    return f"{sessions} {go} on without this screen. Come back with `autolab`."
