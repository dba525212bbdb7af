"""What the scripted model says: in every turn a sentence in pieces and one command."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from engine.models.http import HttpClient, Response
from engine.models.types import Provider

COMMAND = "echo measured"
_WORDS = "I look at the loop that takes most of the time and change one thing in it. "
_PIECES = 8


def answer() -> list[bytes]:
    """One answer in the chat completions format, as the pieces that a server would stream."""
    step = len(_WORDS) // _PIECES
    deltas: list[dict[str, Any]] = [
        {"content": _WORDS[at : at + step]} for at in range(0, len(_WORDS), step)
    ]
    call = {"index": 0, "id": "call", "type": "function", "function": {"name": "bash"}}
    arguments = json.dumps({"command": COMMAND})
    deltas.append({"tool_calls": [call]})
    deltas.append({"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]})
    chunks: list[dict[str, Any]] = [{"choices": [{"delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})
    usage = {"prompt_tokens": 1000, "completion_tokens": 50}
    chunks.append({"choices": [], "usage": usage})
    return [*(f"data: {json.dumps(c)}\n\n".encode() for c in chunks), b"data: [DONE]\n\n"]


class ScriptedHttp(HttpClient):
    """Answers in this process what a server would stream; everything above HTTP is the real thing.

    `asked` is called with each request and returns the seconds that the model thinks, or None for a
    model that never answers again.
    """

    def __init__(self, asked: Callable[[], float | None]) -> None:
        super().__init__()
        self._asked = asked
        self._pieces = answer()

    @asynccontextmanager
    async def stream(
        self,
        provider: Provider,
        path: str,
        body: Mapping[str, Any],
        headers: Mapping[str, str],
        secret: str | None,
    ) -> AsyncIterator[Response]:
        """The next answer of the script."""
        thinks = self._asked()
        await asyncio.sleep(1e9 if thinks is None else thinks)
        yield Response(200, {}, self._streamed())

    async def _streamed(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
