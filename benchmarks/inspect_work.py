"""The same scripted work in Inspect AI: run by its own interpreter, which has no AutoLab.

`PYTHON benchmarks/inspect_work.py SAMPLES TURNS FOLDER` prints one JSON object. Its mock model
calls a trivial tool in every turn; logs go to FOLDER. Inspect wants a tokenizer that it would fetch
from the network: it gets one that counts words.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import tiktoken  # type: ignore[import-not-found]
from inspect_ai import Task, eval_async  # type: ignore[import-not-found]
from inspect_ai.dataset import Sample  # type: ignore[import-not-found]
from inspect_ai.model import ModelOutput, get_model  # type: ignore[import-not-found]
from inspect_ai.solver import generate, use_tools  # type: ignore[import-not-found]
from inspect_ai.tool import tool  # type: ignore[import-not-found]

from benchmarks.measuring import memory, spent

_TEXT = "I look at the loop that takes most of the time and change one thing in it. "


class _Words:
    """Stands in for a tokenizer."""

    def encode(self, text: str, **_: Any) -> list[int]:
        """A number for each word."""
        return list(range(len(text.split())))


@tool  # type: ignore[untyped-decorator]
def bash() -> Any:
    """The trivial tool."""

    async def execute(command: str) -> str:
        """Run a command.

        Args:
            command: The command.
        """
        await asyncio.sleep(0)
        return "measured\n"

    return execute


async def main(samples: int, turns: int, folder: str) -> dict[str, float]:
    """Run one task; what it cost."""
    made = 0

    def answer(messages: Any, *_: Any) -> Any:
        nonlocal made
        asked = sum(message.role == "assistant" for message in messages)
        if asked >= turns:
            return ModelOutput.from_content("mockllm/model", "done")
        made += 1
        return ModelOutput.for_tool_call(
            "mockllm/model", "bash", {"command": "echo measured"}, content=_TEXT
        )

    task = Task(
        dataset=[Sample(input="Make it faster.", id=n) for n in range(samples)],
        solver=[use_tools(bash()), generate(tool_calls="loop")],
    )
    model = get_model("mockllm/model", custom_outputs=answer)
    floor, before = memory(), spent()
    logs = await eval_async(
        task, model=model, max_samples=samples, max_connections=samples, log_dir=folder
    )
    used = spent() - before
    if logs[0].status != "success":
        raise RuntimeError(f"the evaluation ended as {logs[0].status}: {logs[0].error}")
    return {
        "turns": made,
        "cpu_ms_a_turn": 1000 * used.cpu / made,
        "turns_a_second": made / used.wall,
        "floor_bytes": floor,
        "bytes": memory(),
    }


if __name__ == "__main__":
    tiktoken.get_encoding = lambda _: _Words()
    tiktoken.encoding_for_model = lambda _: _Words()
    began = time.monotonic()
    found = asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
    print(json.dumps(found), flush=True)
