"""The turn that a session's model is streaming, for whoever watches."""

from __future__ import annotations

from engine.models.types import (
    Delta,
    ReasoningDelta,
    TextDelta,
    ToolDelta,
    Turn,
)

_LIVE_CHARS = 16_384  # of each part of a turn that is being streamed


class Live:
    """The turn of one session that is being streamed, for whoever watches. Replaced, never edited.

    Written on the sessions' loop, read on the API's thread. `committed` is what the calls under way
    will probably cost, in US dollars; 0 without any or without a price.
    """

    def __init__(self) -> None:
        self.turn: dict[str, str] | None = None
        self.committed = 0.0

    def take(self, delta: Delta) -> None:
        """Add what came."""
        turn = dict(self.turn or {"text": "", "reasoning": "", "tool": ""})
        match delta:
            case TextDelta(text):
                turn["text"] += text
            case ReasoningDelta(text):
                turn["reasoning"] += text
            case ToolDelta(name, arguments):
                turn["tool"] = (turn["tool"] or f"{name} ") + arguments
            case Turn():
                return
        self.turn = {name: text[-_LIVE_CHARS:] for name, text in turn.items()}
