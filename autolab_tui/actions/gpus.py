"""What an operator can do at the GPUs."""

from __future__ import annotations

from autolab_tui.actions.action import Action

ACTIONS: tuple[Action, ...] = (
    Action(
        "gpus.figure",
        "gpus",
        ("tab", "b"),
        "figure(1)",
        "figure",
        "Plot the next figure: utilization, memory, power, temperature",
        1,
    ),
    Action("gpus.copy", "gpus", ("y",), "copy", "", "Copy the UUID of the GPU under the cursor"),
    Action(
        "gpus.back",
        "gpus",
        ("escape", "q"),
        "app.go('fleet')",
        "back",
        "Go back to the fleet",
        6,
        False,
    ),
)
