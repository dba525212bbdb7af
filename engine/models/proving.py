"""One cheap call that proves a model: its key, streaming, tool calls; and what its limits are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from engine.events import Usage
from engine.models.choice import choose_provider
from engine.models.http import HttpClient
from engine.models.http_model import HttpModel
from engine.models.prices import Finding, price_of
from engine.models.types import Message, ModelError, Provider, ToolSchema, Turn
from engine.settings import Settings

_WORD = "ready"
_TOOL = ToolSchema(
    "report",
    "Report the word.",
    {
        "type": "object",
        "properties": {"word": {"type": "string", "description": "The word to report."}},
        "required": ["word"],
        "additionalProperties": False,
    },
)
_ASKED = (
    Message("system", "You check that a connection works. Use the tool; write no text."),
    Message("user", f"Call the tool report with the word {_WORD!r}."),
)


@dataclass(frozen=True)
class Proof:
    """What one call showed. `limits` are the provider's own rate limit headers, as sent.

    `problem` is empty when all is well: the key was taken, the answer was streamed, and the tool
    was called as asked. `seconds` is to the end of the answer, `first_seconds` to its first sign.
    """

    provider: Provider
    name: str
    found: Finding  # its price
    problem: str
    failure: str | None = None
    streamed: bool = False
    tool_call: bool = False
    reasoning: bool = False
    seconds: float = 0.0
    first_seconds: float | None = None
    usage: Usage | None = None
    limits: Mapping[str, str] = field(default_factory=dict)


async def prove(
    model: str, settings: Settings, overrides: Mapping[str, Mapping[str, Any]]
) -> Proof:
    """Ask `provider/name` once. Raises `ModelChoiceError` when there is no such provider."""
    provider, name = choose_provider(model, settings, overrides)
    found = price_of(model, settings, overrides)
    http = HttpClient()
    asked = HttpModel(http, provider, name, found.price)
    started = monotonic()
    first: float | None = None
    pieces = 0
    turn: Turn | None = None
    try:
        async for delta in asked.ask(_ASKED, (_TOOL,)):
            if isinstance(delta, Turn):
                turn = delta
            else:
                pieces += 1
                first = monotonic() - started if first is None else first
    except ModelError as error:
        spent = asked.spent if asked.spent != Usage() else None
        return Proof(provider, name, found, str(error), failure=error.failure, usage=spent)
    finally:
        await http.close()
    called = turn is not None and _called(turn)
    return Proof(
        provider,
        name,
        found,
        problem="" if called else _instead(turn),
        streamed=pieces > 0,
        tool_call=called,
        reasoning=turn is not None and bool(turn.reasoning or turn.carried),
        seconds=round(monotonic() - started, 3),
        first_seconds=None if first is None else round(first, 3),
        usage=turn.usage if turn is not None else None,
        limits={k.lower(): v for k, v in asked.headers.items() if "ratelimit" in k.lower()},
    )


def _called(turn: Turn) -> bool:
    for call in turn.tool_calls:
        try:
            arguments = json.loads(call.arguments)
        except (ValueError, RecursionError):
            continue
        if call.name == _TOOL.name and isinstance(arguments, dict) and "word" in arguments:
            return True
    return False


def _instead(turn: Turn | None) -> str:
    if turn is None:
        return "the answer had no end"
    if turn.tool_calls:
        call = turn.tool_calls[0]
        said = f"it called {call.name} with {call.arguments[:100]}"
    else:
        said = f"it said {turn.text[:100]!r} and stopped ({turn.stop})"
    return f"the model did not call the tool as asked: {said}"
