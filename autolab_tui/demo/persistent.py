"""The persona that persists: it measures, changes one thing, measures again, and stops when the
last idea brought nothing more."""

from __future__ import annotations

from autolab_tui.demo.material import Stage, stages
from autolab_tui.demo.measured import best_seconds, spoken
from autolab_tui.demo.turn import Call, Conversation, Turn

TASK = "median_filter"
_MEASURE = "./bench_median time 448 448 9"
_BENCH = Call(
    "bash",
    {"command": f"make -s bench_median && ./bench_median check && {_MEASURE}", "timeout_sec": 60},
)
_LOOK = Call("bash", {"command": "ls -l && cat Makefile && cat solve.c"})
_CONFIRM = Call("bash", {"command": f"for i in 1 2 3 4 5; do {_MEASURE}; sleep 2; done"})
_REVIEW = Call("bash", {"command": "make -s check; wc -l solve.c; sleep 6"})


def play(conversation: Conversation) -> Turn:
    """The next turn: look, measure, one turn a stage, a check that it holds, submit."""
    plan = stages(TASK)
    turn = conversation.turns
    if turn == 0:
        return Turn(
            "Before I change anything I want to know what the program does and how it is "
            "measured. I'll read the source and the Makefile.",
            (_LOOK,),
        )
    if turn == 1:
        return Turn(
            "Now a measurement of the untouched program, so that every later number has something "
            "to stand against.",
            (_BENCH,),
        )
    index = turn - 2
    if index < len(plan):
        return _stage(plan[index], index, conversation)
    if index == len(plan):
        return Turn(
            f"{_heard(conversation)} What is left per pixel is a handful of loads and adds, and I "
            "see no further idea that would be worth its risk. Three more runs will show whether "
            "the figure holds or was luck.",
            (_CONFIRM,),
            think=1.2,
        )
    if index == len(plan) + 1:
        return Turn(
            f"{_heard(conversation)} The runs agree. Last, I read the file once more as a "
            "reviewer would: bounds, borders, types.",
            (_REVIEW,),
            think=2.5,
        )
    return Turn(
        f"{_summary(conversation)} The output has stayed identical to the baseline's through every "
        "step. I'm done.",
        (Call("submit", {}),),
    )


def _stage(stage: Stage, index: int, conversation: Conversation) -> Turn:
    opening = "First idea." if index == 0 else "Next idea."
    text = f"{_heard(conversation)} {opening} {stage.reason}".strip()
    edits = tuple(
        Call("edit", {"path": path, "content": content}) for path, content in stage.files.items()
    )
    return Turn(text, (*edits, _BENCH), think=1.0)


def _heard(conversation: Conversation) -> str:
    """What the newest measurement says, against the first one."""
    figures = [best_seconds(output) for output in conversation.outputs]
    known = [figure for figure in figures if figure is not None]
    if not known or figures[-1] is None:
        return ""
    if len(known) == 1:
        return f"The baseline takes {spoken(known[0])}."
    return f"{spoken(known[-1])} now, {known[0] / known[-1]:.1f} times as fast as at the start."


def _summary(conversation: Conversation) -> str:
    figures = [best_seconds(output) for output in conversation.outputs]
    known = [figure for figure in figures if figure is not None]
    if len(known) < 2:
        return "Every stage was measured before the next was tried."
    return f"From {spoken(known[0])} to {spoken(known[-1])}, one measured step at a time."
