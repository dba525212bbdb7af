"""One turn of a persona: what it says and which tools it calls."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call. `arguments` is the object that the tool's schema asks for."""

    name: str
    arguments: Mapping[str, Any]

    @property
    def encoded(self) -> str:
        """The arguments as the JSON text that travels."""
        return json.dumps(dict(self.arguments), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """What the model answers. `think` is how many seconds pass before its first word."""

    text: str
    calls: tuple[Call, ...] = ()
    think: float = 0.6


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a persona can see: the messages of the request, and nothing else."""

    messages: Sequence[Mapping[str, Any]]

    @property
    def turns(self) -> int:
        """How many turns the model has had so far."""
        return sum(message.get("role") == "assistant" for message in self.messages)

    @property
    def last_outputs(self) -> tuple[str, ...]:
        """What the tools answered to the newest turn."""
        outputs: list[str] = []
        for message in reversed(self.messages):
            if message.get("role") != "tool":
                break
            outputs.append(_text(message.get("content")))
        return tuple(reversed(outputs))

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the tools have answered so far, oldest first."""
        return tuple(
            _text(message.get("content"))
            for message in self.messages
            if message.get("role") == "tool"
        )


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""
