"""Who can be asked: three ways of working that real models show."""

from __future__ import annotations

from collections.abc import Callable

from autolab_tui.demo import hasty, persistent, spinner
from autolab_tui.demo.turn import Conversation, Turn

Persona = Callable[[Conversation], Turn]

_PERSONAS: dict[str, Persona] = {
    "persistent": persistent.play,
    "hasty": hasty.play,
    "spinner": spinner.play,
}
NAMES = tuple(_PERSONAS)


def find(model: str) -> Persona | None:
    """The persona of a model name, or None when nobody here goes by it."""
    return _PERSONAS.get(model)
