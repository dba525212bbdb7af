"""What an operator can do in the small screens on top of others."""

from __future__ import annotations

from autolab_tui.actions.action import Action

ACTIONS: tuple[Action, ...] = (
    Action(
        "help.close",
        "help",
        ("escape", "q", "question_mark", "enter"),
        "dismiss",
        "close",
        "Close",
        1,
        False,
    ),
    Action(
        "verdict.close",
        "verdict",
        ("escape", "q", "enter", "space"),
        "dismiss",
        "close",
        "Close",
        1,
        False,
    ),
    Action("confirm.yes", "confirm", ("y",), "answer(True)", "yes", "Yes", 1, False),
    Action("confirm.no", "confirm", ("n", "escape", "q"), "answer(False)", "no", "No", 2, False),
    Action(
        "filter.keep",
        "filter",
        ("enter",),
        "screen.keep",
        "keep the filter",
        "Keep the filter",
        1,
        False,
    ),
    Action(
        "filter.drop",
        "filter",
        ("escape",),
        "screen.drop",
        "clear it",
        "Clear the filter",
        2,
        False,
    ),
    Action("prompt.send", "prompt", ("enter",), "screen.send", "do it", "Do it", 1, False),
    Action("prompt.drop", "prompt", ("escape",), "screen.drop", "leave it", "Leave it", 2, False),
)
