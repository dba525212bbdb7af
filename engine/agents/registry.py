"""The agents by name."""

from __future__ import annotations

from collections.abc import Callable

from engine.agents.bench import Agent
from engine.agents.command import CommandLoop
from engine.agents.scripted import Ladder, Nop, Oracle
from engine.agents.terminal import TerminalLoop
from engine.agents.tools import ToolsLoop

SCRIPTED = ("nop", "oracle", "ladder")


def make_agent(name: str) -> Agent:
    """The agent of that name: a scripted one, or a harness's loop around a model.

    Raises `KeyError` for a name that there is not.
    """
    makers: dict[str, Callable[[], Agent]] = {
        "command": CommandLoop,
        "nop": Nop,
        "oracle": Oracle,
        "ladder": Ladder,
        "terminal": TerminalLoop,
        "tools": ToolsLoop,
    }
    return makers[name]()
