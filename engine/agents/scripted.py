"""Agents without a model, which show that the machinery is honest.

`nop` changes nothing and must score 0; `oracle` applies the finished reference; `ladder` applies
its stages over time. They act through the same tools as a model does, and what they have done so
far is read from the conversation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from engine.agents.bench import Bench
from engine.agents.tools import unanswered
from engine.models.types import ToolCall
from engine.runs.outcomes import Ending
from tasks import Step

_LADDER_SHARE = 0.75  # of the active budget, over all stages
_LADDER_LONGEST = 60.0


class Nop:
    """Does nothing."""

    async def work(self, bench: Bench) -> Ending:
        """End at once."""
        await bench.say(
            "assistant", text="Leaving everything as it is.", reasoning="", tool_calls=[]
        )
        return Ending("agent", "left everything as it was")


class Oracle:
    """Applies the finished reference solution."""

    async def work(self, bench: Bench) -> Ending:
        """Write the last stage's files and end."""
        if not bench.entries:
            try:
                files = await bench.reference()
            except ValueError as error:
                return Ending("infrastructure", str(error))
            await _propose(bench, "Applying the reference solution.", files)
        await _carry_out(bench)
        return Ending("agent", "applied the reference solution")


class Ladder:
    """Applies the stages of the reference, one after another."""

    async def work(self, bench: Bench) -> Ending:
        """Apply each stage, give its verdict time to come, and go on to the next.

        A foreign task has no stages: its solution is the only one.
        """
        if not bench.task.native:
            return await Oracle().work(bench)
        steps = bench.task.steps()
        if not steps:
            return Ending("infrastructure", f"task {bench.task.name} has no solution/steps")
        patience = min(_LADDER_LONGEST, _LADDER_SHARE * bench.active_sec / len(steps))
        await _carry_out(bench)
        done = sum(entry["kind"] == "assistant" for entry in bench.entries)
        for step in steps[done:]:
            await _propose(bench, _words(step), step.files)
            await _carry_out(bench)
            await bench.judged(patience)
        return Ending("agent", f"applied all {len(steps)} stages")


def _words(step: Step) -> str:
    return f"Stage {step.name}: {', '.join(sorted(step.files))}."


async def _propose(bench: Bench, text: str, files: Mapping[str, bytes]) -> None:
    count = len(bench.entries)
    calls = [
        {
            "id": f"{count}-{number}",
            "name": "edit",
            "arguments": json.dumps({"path": path, "content": data.decode("utf-8", "replace")}),
        }
        for number, (path, data) in enumerate(sorted(files.items()))
    ]
    await bench.say("assistant", text=text, reasoning="", tool_calls=calls)


async def _carry_out(bench: Bench) -> None:
    for call in unanswered(bench.entries):
        await bench.use(ToolCall(call.id, call.name, call.arguments))
