"""What an operator can do at the leaderboard."""

from __future__ import annotations

from autolab_tui.actions.action import Action

ACTIONS: tuple[Action, ...] = (
    Action(
        "leaderboard.open",
        "leaderboard",
        ("enter",),
        "open",
        "tasks",
        "Every task of the row under the cursor, with its rewards",
        1,
    ),
    Action(
        "leaderboard.page",
        "leaderboard",
        ("tab", "d"),
        "page(1)",
        "figures",
        "The next figures: scores, domains, how sessions ended, persistence",
        2,
    ),
    Action(
        "leaderboard.back_page", "leaderboard", ("shift+tab",), "page(-1)", "", "The figures before"
    ),
    Action(
        "leaderboard.scope",
        "leaderboard",
        ("a",),
        "scope",
        "all runs",
        "Count every run of the journal, or only those that the fleet shows",
        3,
    ),
    Action(
        "leaderboard.missing",
        "leaderboard",
        ("z",),
        "missing",
        "missing",
        "Sessions that could not be judged: leave them out, or count them as 0",
        5,
    ),
    Action(
        "leaderboard.published",
        "leaderboard",
        ("o",),
        "published",
        "published",
        "Lay the published results over ours, dimmed: other tasks, other machines",
        4,
    ),
    Action(
        "leaderboard.copy",
        "leaderboard",
        ("y",),
        "copy",
        "",
        "Copy the table to the clipboard, columns parted by tabs",
    ),
    Action(
        "leaderboard.back",
        "leaderboard",
        ("escape", "q"),
        "app.go('fleet')",
        "back",
        "Go back to the fleet",
        6,
        False,
    ),
)
