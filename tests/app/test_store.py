"""The store folds what comes, in whatever pieces it comes, and says how fresh it is."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from autolab_tui.link import Batch
from autolab_tui.store import SILENCE, Store
from engine.client import Heartbeat
from engine.clock import Clock
from engine.state import State, reduce
from tests.app.journal import BOOT, Journal, three_sessions

EVENTS = three_sessions().events
WHOLE = three_sessions().state()


class Hands:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.clock = Clock(boot=lambda: "local", now=lambda: self.now, wall=lambda: self.now + 1e9)


def beat(stamp: float, trouble: str = "", lag: float = 0.0) -> Heartbeat:
    return Heartbeat("2025-11-24T16:00:00Z", BOOT, stamp, lag, 1, trouble)


def state_at(seq: int) -> State:
    state = State()
    for event in EVENTS[:seq]:
        reduce(state, event)
    return state


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(EVENTS)), st.lists(st.integers(0, len(EVENTS)), max_size=6))
def test_any_overlap_gives_the_same_state(start: int, ends: list[int]) -> None:
    """A state at any number, then batches that overlap it and one another."""
    store = Store(Hands().clock)
    store.absorb(Batch(state=state_at(start), connected=True))
    reached = start
    for end in [*sorted(ends), len(EVENTS)]:
        if end < reached:
            continue
        store.absorb(Batch(events=list(EVENTS[max(0, reached - 3) : end])))
        reached = end
    assert msgspec.json.encode(store.state) == msgspec.json.encode(WHOLE)


def test_a_new_connection_replaces_the_state() -> None:
    store = Store(Hands().clock)
    store.absorb(Batch(state=state_at(len(EVENTS)), connected=True))
    fresh = Journal()
    fresh.engine()
    store.absorb(Batch(state=fresh.state(), connected=True))
    assert store.state.sessions == {}


def test_version_grows_only_with_the_state() -> None:
    store = Store(Hands().clock)
    store.absorb(Batch(state=state_at(5), connected=True))
    before = store.version
    store.absorb(Batch(heartbeat=beat(1)))
    store.absorb(Batch(events=list(EVENTS[:5])))
    assert store.version == before
    store.absorb(Batch(events=list(EVENTS[5:6])))
    assert store.version == before + 1


def test_health_goes_from_connecting_to_live_to_stale_to_down_and_back() -> None:
    hands = Hands()
    store = Store(hands.clock)
    assert store.health().standing == "connecting"
    store.absorb(Batch(state=State(), connected=True))
    store.absorb(Batch(heartbeat=beat(7.0)))
    assert store.health().standing == "live"
    hands.now += SILENCE + 1
    assert (store.health().standing, store.health().age) == ("stale", SILENCE + 1)
    store.absorb(Batch(lost="the engine closed the stream"))
    assert store.health().standing == "down"
    assert store.health().reason == "the engine closed the stream"
    store.absorb(Batch(lost="the engine does not answer", silent=True))
    assert store.health().standing == "stale"
    hands.now += 60
    assert store.health().age == SILENCE + 61
    store.absorb(Batch(state=State(), connected=True))
    assert store.health().standing == "live"


def test_time_is_the_engines_and_stands_still_when_it_is_silent() -> None:
    hands = Hands()
    store = Store(hands.clock)
    store.absorb(Batch(state=State(), connected=True, heartbeat=beat(5000.0)))
    hands.now += 1.5
    assert (store.moment().boot, store.moment().stamp) == (BOOT, 5001.5)
    hands.now += 3600
    assert store.moment().stamp == 5000.0 + SILENCE
    store.absorb(Batch(lost="gone"))
    assert store.moment().stamp == 5000.0 + SILENCE


def test_trouble_and_lag_are_passed_on() -> None:
    store = Store(Hands().clock)
    store.absorb(Batch(connected=True, heartbeat=beat(1.0, "the disk is full", 2.5)))
    assert store.health().trouble == "the disk is full"
    assert store.health().loop_lag == 2.5
