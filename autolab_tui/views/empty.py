"""What to say when there is nothing to show, and what to do about it."""

from __future__ import annotations

from autolab_tui.plain import cut, plain
from autolab_tui.roles import Line
from autolab_tui.store import Health, Store
from autolab_tui.views.fleet import Choice, in_scope


def hint(store: Store, choice: Choice, health: Health) -> list[Line]:
    """The lines for an empty fleet."""
    if not store.loaded:
        if health.standing == "down":
            return [
                (("No engine answers.", "strong"),),
                ((cut(plain(health.reason), 76), "warn"),),
                ((" ", "text"),),
                (
                    ("autolab engine start   ", "key"),
                    ("starts it; this screen goes on trying", "dim"),
                ),
            ]
        if health.standing == "foreign":
            return [
                (("The engine is of another version.", "strong"),),
                ((cut(plain(health.reason), 76), "warn"),),
                ((" ", "text"),),
                (
                    ("autolab engine restart   ", "key"),
                    ("puts this one in its place; its sessions go on", "dim"),
                ),
            ]
        if health.reason:
            return [
                (("The engine does not answer.", "strong"),),
                ((" ", "text"),),
                (
                    ("autolab engine anomalies   ", "key"),
                    ("says why, and what helps; this screen goes on trying", "dim"),
                ),
            ]
        return [(("Waiting for the engine's first answer.", "dim"),)]
    if choice.words and in_scope(store.state, choice):
        return [
            (("No session matches ", "strong"), (cut(plain(choice.words), 40), "text")),
            (("esc   ", "key"), ("clears the filter", "dim")),
        ]
    return [
        (("No session yet.", "strong"),),
        ((" ", "text"),),
        (("D", "key"), ("   starts the demo: three sessions, no key needed", "text")),
        (("6", "key"), ("   launches a run: tasks, models, budget", "text")),
        (("2", "key"), ("   shows the tasks there are", "text")),
        (("?", "key"), ("   explains this screen", "text")),
    ]
