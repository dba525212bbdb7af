"""The persona that burns its budget: one small gain, then waiting and reading the same files again
until a limit ends it."""

from __future__ import annotations

from autolab_tui.demo.material import stages
from autolab_tui.demo.turn import Call, Conversation, Turn

TASK = "rack_placement"
_SCORE = "python3 score.py placement.txt"

# Said and done over and over; none of it can change the placement.
_ROUNDS: tuple[tuple[str, str], ...] = (
    (
        "Let me give this some thought before I touch the placement again. Maybe the score settles "
        "if I wait a little.",
        f"sleep 7; {_SCORE}",
    ),
    (
        "The score is the same. I should re-read the instructions of the scorer in case I missed "
        "something.",
        "cat score.py; sleep 3",
    ),
    (
        "Nothing new there. I'll look at the traffic matrix once more and count its lines.",
        "ls -l; wc -l *; sleep 4",
    ),
    (
        "Perhaps the scorer is not deterministic. Running it again will tell.",
        f"{_SCORE}; sleep 5; {_SCORE}",
    ),
    (
        "It is deterministic. Still, a longer pause could help me see the structure.",
        "sleep 9; head -c 200 placement.txt",
    ),
)


def play(conversation: Conversation) -> Turn:
    """The next turn: look, take the first easy gain, then go round in circles for ever."""
    turn = conversation.turns
    if turn == 0:
        return Turn(
            "I'll start with the files and the score of the placement as it is.",
            (Call("bash", {"command": f"ls -l; {_SCORE}"}),),
        )
    if turn == 1:
        first = stages(TASK)[0]
        edits = (
            Call("edit", {"path": path, "content": content})
            for path, content in first.files.items()
        )
        return Turn(
            f"There is an easy gain to be had. {first.reason}".strip(),
            (*edits, Call("bash", {"command": _SCORE})),
        )
    text, command = _ROUNDS[(turn - 2) % len(_ROUNDS)]
    return Turn(text, (Call("bash", {"command": command, "timeout_sec": 30}),), think=1.5)
