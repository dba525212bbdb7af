"""What an operator can do with the time of a replay, on every screen."""

from __future__ import annotations

from autolab_tui.actions.action import Action

ACTIONS: tuple[Action, ...] = (
    Action("replay.play", "replay", ("P",), "app.play", "play", "Let time pass, or stop it", 1),
    Action(
        "replay.back",
        "replay",
        ("left_parenthesis",),
        "app.step(-0.01)",
        "move",
        "Back by 1 %",
        2,
        word="( )",
    ),
    Action("replay.on", "replay", ("right_parenthesis",), "app.step(0.01)", "", "On by 1 %"),
    Action(
        "replay.before",
        "replay",
        ("less_than_sign",),
        "app.verdict(-1)",
        "verdicts",
        "To the verdict before",
        3,
        word="< >",
    ),
    Action(
        "replay.after",
        "replay",
        ("greater_than_sign",),
        "app.verdict(1)",
        "",
        "To the next verdict",
    ),
    Action("replay.start", "replay", ("left_curly_bracket",), "app.step(-1.0)", "", "To its start"),
    Action("replay.end", "replay", ("right_curly_bracket",), "app.step(1.0)", "", "To its end"),
    Action("replay.faster", "replay", ("F2",), "app.speed(1)", "", "Faster"),
    Action("replay.slower", "replay", ("F1",), "app.speed(-1)", "", "Slower"),
)
