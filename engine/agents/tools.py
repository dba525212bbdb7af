"""The loop around a model: ask, carry out the tool calls, ask again.

All it knows is in the conversation, so a loop that is started again after the engine was restarted
goes on where the last one stood: calls without a result are carried out, then the model is asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.agents.answering import (
    CUT_OFF,
    cut_call,
    is_cut_off,
    is_interrupted,
    never_whole,
    next_answer,
    refusal,
)
from engine.agents.bench import Bench
from engine.agents.prompting import stopping_words, system_prompt
from engine.agents.standing import left_in_words
from engine.agents.stopping import answers_without_calls, judge_wish, was_granted
from engine.agents.toolbox import Output, no_such_tool
from engine.agents.updates import updates
from engine.entries import Entry
from engine.harnesses import TIME_TOOL
from engine.models.types import ToolCall
from engine.runs.outcomes import Ending


class ToolsLoop:
    """An agent that is a model with tools."""

    async def work(self, bench: Bench) -> Ending:
        """Work until a wish to stop is granted, or the model cannot be asked any more."""
        if not bench.entries:
            await bench.say("system", text=system_prompt(bench))
        if len(bench.entries) == 1:
            await bench.say("user", text=bench.task.instruction)
        while True:
            answer = newest_answer(bench.entries)
            if answer is not None and (refused := refusal(answer)) is not None:
                return refused
            for call in unanswered(bench.entries):
                result = await bench.use(call, _of_the_loop(bench, answer, call))
                if result.submitted:
                    return Ending("agent", result.text)
            if was_granted(bench.entries):
                return Ending("agent", str(bench.entries[-1]["output"]))
            last = bench.entries[-1]
            if not is_interrupted(last):
                if last["kind"] == "assistant" and (ending := await _idle(bench)) is not None:
                    return ending
                for update in updates(bench.harness, bench.standing(), bench.entries):
                    await bench.say("user", **update)
            if (ending := await next_answer(bench)) is not None:
                return ending


def _of_the_loop(bench: Bench, answer: Entry | None, call: ToolCall) -> Output | None:
    """The result of a call of this answer that needs no sandbox, or None."""
    if answer is not None and (cut := cut_call(answer, call)) is not None:
        return cut
    if call.name not in bench.harness.offered:
        return no_such_tool(call.name, bench.harness.offered)
    if call.name == "submit":
        wish = judge_wish(bench.harness, bench.standing(), bench.entries)
        return Output(wish.text, 0 if wish.granted else 1, submitted=wish.granted)
    if call.name == TIME_TOOL:
        return Output(f"You have {left_in_words(bench.standing())} left.")
    return None


async def _idle(bench: Bench) -> Ending | None:
    """The newest answer called no tool: nudge it, or take it for a wish to stop."""
    harness, idle = bench.harness, answers_without_calls(bench.entries)
    if idle <= harness.nudges:
        said = CUT_OFF if is_cut_off(bench.entries[-1]) else harness.nudge
        await bench.say("user", text=f"{said} {stopping_words(harness)}", about="nudge")
        return None
    if (ending := never_whole(bench.entries)) is not None:
        return ending
    wish = judge_wish(harness, bench.standing(), bench.entries)
    if wish.granted:
        return Ending("agent", f"{idle} answers in a row called no tool")
    await bench.say("user", text=wish.text, about="confirm")
    return None


def newest_answer(entries: Sequence[Entry]) -> Entry | None:
    """What the model said last."""
    return next((entry for entry in reversed(entries) if entry["kind"] == "assistant"), None)


def unanswered(entries: Sequence[Entry]) -> list[ToolCall]:
    """The tool calls of the newest answer that have no result yet."""
    done = 0
    for entry in reversed(entries):
        if entry["kind"] == "tool":
            done += 1
        elif entry["kind"] == "assistant":
            calls = [ToolCall(c["id"], c["name"], c["arguments"]) for c in entry["tool_calls"]]
            return calls[done:]
        elif entry["kind"] != "note":
            return []
    return []
