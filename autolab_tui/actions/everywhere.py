"""What an operator can do in every list and on every screen."""

from __future__ import annotations

from autolab_tui.actions.action import Action

ACTIONS: tuple[Action, ...] = (
    # Lists, wherever they are
    Action("list.down", "list", ("j", "down"), "cursor(1)", "", "Down", 0, False),
    Action("list.up", "list", ("k", "up"), "cursor(-1)", "", "Up", 0, False),
    Action(
        "list.page_down", "list", ("pagedown", "ctrl+d"), "page(1)", "", "A page down", 0, False
    ),
    Action("list.page_up", "list", ("pageup", "ctrl+u"), "page(-1)", "", "A page up", 0, False),
    Action("list.first", "list", ("g", "home"), "edge(-1)", "", "To the first", 0, False),
    Action("list.last", "list", ("G", "end"), "edge(1)", "", "To the last", 0, False),
    # Every screen that is not about one session
    Action(
        "top.fleet",
        "top",
        ("1",),
        "app.go('fleet')",
        "screens",
        "The fleet: every session in a row",
        9,
        word="1-6",
    ),
    Action("top.tasks", "top", ("2",), "app.go('tasks')", "", "The tasks and what they need"),
    Action(
        "top.leaderboard",
        "top",
        ("3",),
        "app.go('leaderboard')",
        "",
        "The leaderboard: models against domains, with intervals",
    ),
    Action(
        "top.compare",
        "top",
        ("4",),
        "app.go('compare')",
        "",
        "Compare models, harnesses, runs or sessions on the same tasks",
    ),
    Action("top.gpus", "top", ("5",), "app.go('gpus')", "", "The GPUs and who uses them"),
    Action("top.launch", "top", ("6", "L"), "app.go('launch')", "", "Launch a run", order=True),
    Action(
        "top.demo",
        "top",
        ("D",),
        "app.demo",
        "",
        "Start the demo: three scripted models on real tasks, no key needed",
        order=True,
    ),
    # Everywhere
    Action(
        "app.help",
        "app",
        ("question_mark",),
        "help",
        "help",
        "What this screen shows, and its keys",
        10,
    ),
    Action(
        "app.palette", "app", ("ctrl+p",), "command_palette", "", "All commands, by name", 0, False
    ),
    Action(
        "app.repaint",
        "app",
        ("ctrl+l",),
        "repaint",
        "",
        "Draw the screen anew: the terminal may have lost some of it",
        0,
    ),
    Action("app.theme", "app", ("T",), "change_theme", "", "Choose another theme", 0),
    Action(
        "app.quit",
        "app",
        ("ctrl+q", "ctrl+c"),
        "leave",
        "",
        "Leave the app; everything goes on without it",
        0,
    ),
)
