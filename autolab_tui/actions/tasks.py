"""What an operator can do at the tasks."""

from __future__ import annotations

from autolab_tui.actions.action import Action

ACTIONS: tuple[Action, ...] = (
    Action(
        "tasks.open", "tasks", ("enter",), "open", "read", "Read the task under the cursor whole", 1
    ),
    Action(
        "tasks.launch",
        "tasks",
        ("l",),
        "launch",
        "launch",
        "Launch a run of this task",
        2,
        order=True,
    ),
    Action(
        "tasks.sessions",
        "tasks",
        ("s",),
        "sessions",
        "sessions",
        "Show this task's sessions in the fleet",
        3,
    ),
    Action(
        "tasks.again",
        "tasks",
        ("r",),
        "again",
        "look again",
        "Read the suite again, and look again for what its tasks need",
        4,
    ),
    Action("tasks.copy", "tasks", ("y",), "copy", "", "Copy the path of the task's directory"),
    Action(
        "tasks.back",
        "tasks",
        ("escape", "q"),
        "app.go('fleet')",
        "back",
        "Go back to the fleet",
        6,
        False,
    ),
)
