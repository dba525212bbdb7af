"""The way to call the engine: synchronous, over its Unix socket, standard library only.

`connect(state_dir)` finds the engine of a state folder and starts it when none runs. Every method
raises `EngineDownError` when nobody answers and `EngineRefusedError` when the engine said no; both
messages name the remedy. Typed records (`Event`, `State`) are decoded on demand, so that commands
that only print JSON load nothing more than this package.
"""

from __future__ import annotations

from engine.client.calls import EngineClient
from engine.client.connection import (
    EngineDownError,
    EngineError,
    EngineForeignError,
    EngineRefusedError,
    EngineSilentError,
)
from engine.client.starting import connect, find, running
from engine.client.streams import EventStream, Heartbeat, LineStream

__all__ = [
    "EngineClient",
    "EngineDownError",
    "EngineError",
    "EngineForeignError",
    "EngineRefusedError",
    "EngineSilentError",
    "EventStream",
    "Heartbeat",
    "LineStream",
    "connect",
    "find",
    "running",
]
