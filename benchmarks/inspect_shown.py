"""A task for Inspect's own display: `inspect eval benchmarks/inspect_shown.py` in its environment.

64 samples at once ask the mock model every other second, as half of our 64 sessions change each
second.
"""

from __future__ import annotations

import asyncio
from typing import Any

import tiktoken  # type: ignore[import-not-found]
from inspect_ai import Task, task  # type: ignore[import-not-found]
from inspect_ai.dataset import Sample  # type: ignore[import-not-found]
from inspect_ai.solver import solver  # type: ignore[import-not-found]

_SAMPLES, _TURNS, _SECONDS = 64, 300, 2.0


class _Words:
    """Stands in for a tokenizer, which Inspect would fetch from the network."""

    def encode(self, text: str, **_: Any) -> list[int]:
        """A number for each word."""
        return list(range(len(text.split())))


tiktoken.get_encoding = lambda _: _Words()
tiktoken.encoding_for_model = lambda _: _Words()


@solver  # type: ignore[untyped-decorator]
def turns() -> Any:
    """Ask again and again."""

    async def solve(state: Any, generate: Any) -> Any:
        for _ in range(_TURNS):
            await asyncio.sleep(_SECONDS)
            state = await generate(state)
        return state

    return solve


@task  # type: ignore[untyped-decorator]
def shown() -> Any:
    """64 samples that stay at work while they are watched."""
    samples = [Sample(input="Make it faster.", id=n) for n in range(_SAMPLES)]
    return Task(dataset=samples, solver=turns())
