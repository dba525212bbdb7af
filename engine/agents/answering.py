"""Asking for the next answer, and what the way in which an answer ended means for the session."""

from __future__ import annotations

from collections.abc import Sequence

from engine.agents.bench import Bench
from engine.agents.compaction import is_due, make_room
from engine.agents.toolbox import Output
from engine.entries import Entry
from engine.models.types import ModelError, ToolCall
from engine.runs.outcomes import Ending

CUT_OFF = "Your last message was cut off: it was longer than one message can be. Say it in less."


async def next_answer(bench: Bench) -> Ending | None:
    """Ask the model for its next answer; how the session ends when there is none to be had.

    A conversation that has become too long is compacted as the harness has it.
    """
    try:
        if is_due(bench):
            await _room_in_time(bench)
        while True:
            try:
                await bench.ask()
            except ModelError as error:
                if error.kind != "context" or bench.harness.context == "none":
                    raise
                if not await make_room(bench, "overflow"):
                    raise
            else:
                return None
    except ModelError as error:
        return given_up(error)


async def _room_in_time(bench: Bench) -> None:
    try:
        await make_room(bench, "limit")
    except ModelError as error:
        if error.kind != "context":  # then it fits as it is, or the provider will say so
            raise


def refusal(answer: Entry) -> Ending | None:
    """The end of a session whose model refused to go on."""
    if answer["kind"] != "assistant" or answer.get("stop") != "refusal":
        return None
    return Ending("refusal", f"the model refused to go on: {answer['text'][:200]}")


def given_up(error: ModelError) -> Ending:
    """The end of a session whose model could not be asked."""
    match error.kind:
        case "context":
            return Ending("context", str(error))
        case "refusal":
            return Ending("refusal", str(error))
        case _:
            return Ending("infrastructure", f"the model cannot be reached: {error}")


def is_interrupted(answer: Entry) -> bool:
    """Whether the provider goes on with an answer when it gets it back with nothing after it."""
    return answer["kind"] == "assistant" and answer.get("stop") == "pause"


def is_cut_off(answer: Entry) -> bool:
    """Whether an answer ended at a limit of its length."""
    return answer["kind"] == "assistant" and answer.get("stop") == "length"


def never_whole(entries: Sequence[Entry]) -> Ending | None:
    """The end of a session in which not one of the newest answers without a call was whole.

    Such a model never said that it wants to stop.
    """
    count = 0
    for entry in reversed(entries):
        if entry["kind"] == "tool" or entry.get("tool_calls"):
            break
        if entry["kind"] == "assistant":
            if not is_cut_off(entry):
                return None
            count += 1
    return Ending(
        "infrastructure",
        f"{count} answers in a row were cut off at the limit of an answer's length; raise "
        "max_output_tokens of the model in autolab.toml",
    )


def cut_call(answer: Entry, call: ToolCall) -> Output | None:
    """The result of a call in the middle of which its answer was cut off, or None.

    Only the last call can be; one without any arguments may have been about to get some.
    """
    calls = answer["tool_calls"]
    if not is_cut_off(answer) or not calls or call.id != calls[-1]["id"] or call.parsed:
        return None
    return Output(f"Not carried out. {CUT_OFF}", 2)
