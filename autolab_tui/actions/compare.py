"""What an operator can do at the comparison."""

from __future__ import annotations

from autolab_tui.actions.action import Action

ACTIONS: tuple[Action, ...] = (
    Action(
        "compare.choose",
        "compare",
        ("enter", "space"),
        "choose",
        "choose",
        "Put what is under the cursor on a side, or take it away",
        1,
    ),
    Action(
        "compare.kind",
        "compare",
        ("c",),
        "kind",
        "what",
        "Compare models, harnesses, runs or single sessions",
        2,
    ),
    Action(
        "compare.pane",
        "compare",
        ("tab",),
        "pane",
        "pane",
        "Go from the sides to the tasks to the plot",
        3,
    ),
    Action("compare.swap", "compare", ("x",), "swap", "swap", "Swap the two sides", 4),
    Action(
        "compare.missing",
        "compare",
        ("z",),
        "missing",
        "missing",
        "Sessions that could not be judged: leave them out, or count them as 0",
        5,
    ),
    Action(
        "compare.back",
        "compare",
        ("escape", "q"),
        "app.go('fleet')",
        "back",
        "Go back to the fleet",
        6,
        False,
    ),
)
