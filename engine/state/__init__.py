"""State as a fold of events.

`reduce(state, event)` is the one reducer: the engine, the app, the reports and the replay all use
it. It reads no clock and does no input or output, so the same events give the same state. For speed
it changes the state it is given and returns it; whoever wants to share a state shares its JSON.
"""

from __future__ import annotations

from engine.state.facts import (
    Alert,
    EngineState,
    FeedItem,
    Gap,
    Message,
    Pause,
    Point,
    RunState,
    SessionState,
    State,
    run_over,
)
from engine.state.feed import FEED_LENGTH
from engine.state.providers import ProviderState
from engine.state.reducer import reduce

__all__ = [
    "FEED_LENGTH",
    "Alert",
    "EngineState",
    "FeedItem",
    "Gap",
    "Message",
    "Pause",
    "Point",
    "ProviderState",
    "RunState",
    "SessionState",
    "State",
    "reduce",
    "run_over",
]
