"""The persona that stops early: one modest change, one look, done, with most of its budget left."""

from __future__ import annotations

from autolab_tui.demo.turn import Call, Conversation, Turn

TASK = "build_flags"
FLAGS = "-O1\n"


def play(conversation: Conversation) -> Turn:
    """The next turn: look, read, set one flag, submit."""
    if conversation.turns == 0:
        return Turn(
            "Let me see what is here and which flags the program is built with.",
            (Call("bash", {"command": "ls && cat flags.txt"}),),
        )
    if conversation.turns == 1:
        return Turn(
            "A dozen C files, built without any optimization. I'll skim the larger ones before I "
            "decide what the compiler can do for them.",
            (Call("bash", {"command": "wc -l *.c; head -n 40 machine.c matrix.c; sleep 9"}),),
            think=2.0,
        )
    if conversation.turns == 2:
        return Turn(
            "And what may stand in flags.txt? The list of allowed flags should say.",
            (Call("bash", {"command": "head -n 30 allowed.txt; sleep 9"}),),
            think=2.0,
        )
    if conversation.turns == 3:
        return Turn(
            "Plain loops, nothing special. Switching optimization on should do most of the work; "
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
