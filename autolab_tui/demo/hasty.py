"""The persona that stops early: one modest change, one look, done, with most of its budget left."""

from __future__ import annotations

from autolab_tui.demo.turn import Call, Conversation, Turn

TASK = "build_flags"
FLAGS = "-O1\n"


def play(conversation: Conversation) -> Turn:
    """The next turn: look, set one flag, submit."""
    if conversation.turns == 0:
        return Turn(
            "Let me see which flags the program is built with.",
            (Call("bash", {"command": "ls && cat flags.txt"}),),
        )
    if conversation.turns == 1:
        return Turn(
            "There is no optimization at all here. Switching it on should do most of the work; "
            "-O1 is the safe choice.",
            (
                Call("edit", {"path": "flags.txt", "content": FLAGS}),
                Call("bash", {"command": "make check", "timeout_sec": 60}),
            ),
        )
    return Turn(
        "It builds, it runs, and it is faster than before. That looks good to me, so I'll submit.",
        (Call("submit", {}),),
    )
