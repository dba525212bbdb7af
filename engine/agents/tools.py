"""The loop around a model: ask, carry out the tool calls, ask again.

All it knows is in the conversation, so a loop that is started again after the engine was restarted
goes on where the last one stood: calls without a result are carried out, then the model is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.agents.bench import Bench
from engine.agents.prompting import stopping_words, system_prompt
from engine.agents.standing import left_in_words
from engine.agents.stopping import answers_without_calls, judge_wish, was_granted
from engine.agents.toolbox import Output, no_such_tool
from engine.agents.updates import updates
from engine.harnesses import TIME_TOOL
from engine.models.types import Carried, Message, ModelError, ToolCall
from engine.outcomes import Ending
from engine.transcripts import Entry


class ToolsLoop:
    """An agent that is a model with tools."""

    async def work(self, bench: Bench) -> Ending:
        """Work until a wish to stop is granted, or the model cannot be asked any more."""
        if not bench.entries:
            await bench.say("system", text=system_prompt(bench))
        if len(bench.entries) == 1:
            await bench.say("user", text=bench.task.instruction)
        while True:
            for call in unanswered(bench.entries):
                result = await bench.use(call, _of_the_loop(bench, call))
                if result.submitted:
                    return Ending("agent", result.text)
            if was_granted(bench.entries):
                return Ending("agent", str(bench.entries[-1]["output"]))
            last = bench.entries[-1]
            if (refused := refusal(last)) is not None:
                return refused
            if last["kind"] == "assistant" and (ending := await _idle(bench)) is not None:
                return ending
            for update in updates(bench.harness, bench.standing(), bench.entries):
                await bench.say("user", **update)
            try:
                await bench.ask()
            except ModelError as error:
                return given_up(error)


def _of_the_loop(bench: Bench, call: ToolCall) -> Output | None:
    """The result of a call that needs no sandbox, or None."""
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
        await bench.say("user", text=f"{harness.nudge} {stopping_words(harness)}", about="nudge")
        return None
    wish = judge_wish(harness, bench.standing(), bench.entries)
    if wish.granted:
        return Ending("agent", f"{idle} answers in a row called no tool")
    await bench.say("user", text=wish.text, about="confirm")
    return None


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


def conversation(entries: Sequence[Entry]) -> list[Message]:
    """The entries as messages for a model; the engine's own notes are left out."""
    messages: list[Message] = []
    asked: set[str] = set()  # a result that no call asked for (keystrokes) is no message
    for entry in entries:
        match entry["kind"]:
            case "system":
                messages.append(Message("system", entry["text"]))
            case "user" if messages and messages[-1].role == "user":
                # Some servers take no two messages in a row from the same side.
                said = f"{messages[-1].text}\n\n{entry['text']}"
                messages[-1] = Message("user", said)
            case "user":
                messages.append(Message("user", entry["text"]))
            case "assistant":
                calls = tuple(
                    ToolCall(c["id"], c["name"], c["arguments"]) for c in entry["tool_calls"]
                )
                asked = {call.id for call in calls}
                carried = entry.get("carried")
                messages.append(
                    Message(
                        "assistant",
                        entry["text"],
                        entry["reasoning"],
                        calls,
                        carried=Carried(carried["api"], tuple(carried["items"]))
                        if carried
                        else None,
                    )
                )
            case "tool" if entry["call"] in asked:
                messages.append(Message("tool", entry["output"], call=entry["call"]))
    return messages


def carried_fields(carried: Carried | None) -> dict[str, Any]:
    """The field of an `assistant` entry that `conversation` reads it from; none for nothing."""
    if carried is None:
        return {}
    return {"carried": {"api": carried.api, "items": carried.items}}


def refusal(answer: Entry) -> Ending | None:
    """The end of a session whose model refused to go on."""
    if answer.get("stop") != "refusal":
        return None
    return Ending("refusal", f"the model refused to go on: {answer.get('text', '')[:200]}")


def given_up(error: ModelError) -> Ending:
    """The end of a session whose model could not be asked."""
    match error.kind:
        case "context":
            return Ending("context", str(error))
        case "refusal":
            return Ending("refusal", str(error))
        case _:
            return Ending("infrastructure", f"the model cannot be reached: {error}")
