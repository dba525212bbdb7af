"""What an operator can do at the launch screen."""

from __future__ import annotations

from autolab_tui.actions.action import Action

ACTIONS: tuple[Action, ...] = (
    Action(
        "launch.choose",
        "launch",
        ("enter", "space"),
        "choose",
        "choose",
        "Choose what is under the cursor, or change its value",
        1,
    ),
    Action(
        "launch.start", "launch", ("ctrl+s", "S"), "start", "start", "Start the run", 2, order=True
    ),
    Action("launch.model", "launch", ("m",), "model", "add a model", "Add a model by name", 3),
    Action(
        "launch.all",
        "launch",
        ("a",),
        "all",
        "all tasks",
        "Choose every task that can run here, or none",
        4,
    ),
    Action("launch.size", "launch", ("z",), "size", "", "Quick size, for trying out, or full size"),
    Action(
        "launch.demo",
        "launch",
        ("d",),
        "app.demo",
        "demo",
        "Start the demo: three scripted models on real tasks, no key needed",
        5,
        order=True,
    ),
    Action(
        "launch.back",
        "launch",
        ("escape", "q"),
        "app.go('fleet')",
        "back",
        "Go back to the fleet; the choices are kept",
        6,
        False,
    ),
)
