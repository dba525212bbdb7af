"""The loop around a model: ask, carry out the tool calls, ask again.

All it knows is in the conversation, so a loop that is started again after the engine was restarted
goes on where the last one stood: calls without a result are carried out, then the model is asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.agents.bench import Bench
from engine.models.types import Message, ModelError, ToolCall
from engine.outcomes import Ending
from engine.transcripts import Entry


class ToolsLoop:
    """An agent that is a model with tools."""

    async def work(self, bench: Bench) -> Ending:
        """Work until the model submits, stops calling tools, or cannot be asked any more."""
        if not bench.entries:
            await bench.say("system", text=system_prompt(bench))
            await bench.say("user", text=bench.task.instruction)
        while True:
            for call in unanswered(bench.entries):
                result = await bench.use(call)
                if result.submitted:
                    return Ending("agent", "submitted")
            last = bench.entries[-1]
            if last.get("stop") == "refusal":
                return Ending(
                    "refusal", f"the model refused to go on: {last.get('text', '')[:200]}"
                )
            if last["kind"] == "assistant":
                idle = answers_without_calls(bench.entries)
                if idle > bench.harness.nudges:
                    return Ending("agent", f"{idle} answers in a row called no tool")
                await bench.say("user", text=bench.harness.nudge)
            try:
                await bench.ask()
            except ModelError as error:
                return _given_up(error)


def system_prompt(bench: Bench) -> str:
    """The harness's system prompt with the session's facts filled in."""
    editable = bench.task.autolab.editable if bench.task.autolab else ()
    facts = {"workdir": "/app", "budget": bench.budget, "editable": ", ".join(editable)}
    text = bench.harness.system
    for name, value in facts.items():
        text = text.replace("{" + name + "}", value)
    return text


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


def answers_without_calls(entries: Sequence[Entry]) -> int:
    """How many answers in a row, up to the newest, called no tool."""
    count = 0
    for entry in reversed(entries):
        if entry["kind"] == "tool" or entry.get("tool_calls"):
            break
        count += entry["kind"] == "assistant"
    return count


def conversation(entries: Sequence[Entry]) -> list[Message]:
    """The entries as messages for a model; the engine's own notes are left out."""
    messages: list[Message] = []
    for entry in entries:
        match entry["kind"]:
            case "system":
                messages.append(Message("system", entry["text"]))
            case "user":
                messages.append(Message("user", entry["text"]))
            case "assistant":
                calls = tuple(
                    ToolCall(c["id"], c["name"], c["arguments"]) for c in entry["tool_calls"]
                )
                messages.append(Message("assistant", entry["text"], entry["reasoning"], calls))
            case "tool":
                messages.append(Message("tool", entry["output"], call=entry["call"]))
    return messages


def _given_up(error: ModelError) -> Ending:
    match error.kind:
        case "context":
            return Ending("context", str(error))
        case "refusal":
            return Ending("refusal", str(error))
        case _:
            return Ending("infrastructure", f"the model cannot be reached: {error}")
