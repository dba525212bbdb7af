"""The feed: the last things that an operator would want to have seen."""

from __future__ import annotations

from engine.events import Event
from engine.state.facts import FeedItem, State

FEED_LENGTH = 400  # an engine that died says a line for each of its sessions, of up to 200


def feed(state: State, event: Event, kind: str, text: str) -> None:
    """Add a line to the feed."""
    state.feed.append(FeedItem(event.seq, event.at, event.session, kind, text))
    if len(state.feed) > FEED_LENGTH:
        del state.feed[: len(state.feed) - FEED_LENGTH]


def because(why: str) -> str:
    """A reason as it follows what happened."""
    return f": {why}" if why else ""
