"""The persona that persists: it measures, changes one thing, measures again, and stops when the
last idea brought nothing more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from autolab_tui.demo.material import Stage, stages
from autolab_tui.demo.measured import best_seconds, spoken
from autolab_tui.demo.turn import Call, Conversation, Turn

TASK = "median_filter"
_MEASURE = "./bench_median time 448 448 9"
_BENCH = f"make -s bench_median && ./bench_median check && {_MEASURE}"
_VECTORS = "gcc -O2 -std=c11 -march=native -S -o - solve.c | grep -c '[xyz]mm'"
_WHERE = f"{_VECTORS}; grep -m1 'cache size' /proc/cpuinfo"
_STUDY_SECONDS, _CONFIRM_PAUSE, _REVIEW_SECONDS = 7, 2, 5

_Scene = Callable[[Conversation], Turn]


def play(conversation: Conversation) -> Turn:
    """The next turn: look, measure, each stage and its measurement, a check, submit."""
    scenes = list(_scenes())
    return scenes[min(conversation.turns, len(scenes) - 1)](conversation)


def _scenes() -> Iterator[_Scene]:
    plan = stages(TASK)
    yield _look
    yield _first_measurement
    for index, stage in enumerate(plan):
        if index == len(plan) - 1:
            yield _study
        yield partial(_change, stage)
        yield _measure
    yield _confirm
    yield _review
    yield _submit


def _look(_: Conversation) -> Turn:
    return Turn(
        "Before I change anything I want to know what the program does and how it is measured. "
        "I'll read the source and the Makefile.",
        (Call("bash", {"command": "ls -l && cat Makefile && cat solve.c"}),),
    )


def _first_measurement(_: Conversation) -> Turn:
    return Turn(
        "Now a measurement of the untouched program, so that every later number has something to "
        "stand against.",
        (_bash(_BENCH),),
    )


def _change(stage: Stage, conversation: Conversation) -> Turn:
    edits = tuple(
        Call("edit", {"path": path, "content": content}) for path, content in stage.files.items()
    )
    return Turn(f"{_heard(conversation)} {stage.reason}".strip(), edits, think=1.5)


def _measure(_: Conversation) -> Turn:
    return Turn("Is it still right, and is it faster?", (_bash(_BENCH),), think=1.0)


def _study(conversation: Conversation) -> Turn:
    return Turn(
        f"{_heard(conversation)} The next step is a larger one. Before I take it I want to see "
        "what the compiler makes of the inner loop, and how much of the counts fits in the caches.",
        (_bash(f"{_WHERE}; sleep {_STUDY_SECONDS}"),),
        think=1.5,
    )


def _confirm(conversation: Conversation) -> Turn:
    return Turn(
        f"{_heard(conversation)} What is left per pixel is a handful of loads and adds, and I see "
        "no further idea that would be worth its risk. A few more runs will show whether the "
        "figure holds or was luck.",
        (_bash(f"for i in 1 2 3; do {_MEASURE}; sleep {_CONFIRM_PAUSE}; done"),),
        think=1.5,
    )


def _review(conversation: Conversation) -> Turn:
    return Turn(
        f"{_heard(conversation)} The runs agree. Last, I look at the file once more as a reviewer "
        "would: bounds, borders, types.",
        (_bash(f"make -s check; wc -l solve.c; sleep {_REVIEW_SECONDS}"),),
        think=2.0,
    )


def _submit(conversation: Conversation) -> Turn:
    return Turn(
        f"{_summary(conversation)} The output has stayed identical to the definition's through "
        "every step. I'm done.",
        (Call("submit", {}),),
    )


def _bash(command: str) -> Call:
    return Call("bash", {"command": command, "timeout_sec": 60})


def _heard(conversation: Conversation) -> str:
    """What the newest turn's measurement says, against the first one; empty without one."""
    known = _figures(conversation)
    if not any(best_seconds(output) for output in conversation.last_outputs):
        return ""
    if len(known) == 1:
        return f"The baseline takes {spoken(known[0])}."
    return f"{spoken(known[-1])} now, {known[0] / known[-1]:.1f} times as fast as at the start."


def _summary(conversation: Conversation) -> str:
    known = _figures(conversation)
    if len(known) < 2:
        return "Every stage was measured before the next was tried."
    return f"From {spoken(known[0])} to {spoken(known[-1])}, one measured step at a time."


def _figures(conversation: Conversation) -> list[float]:
    found = (best_seconds(output) for output in conversation.outputs)
    return [figure for figure in found if figure is not None]
