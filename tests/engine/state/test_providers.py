"""How a provider's API fared, from the calls of all sessions."""

from __future__ import annotations

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.events import EngineStarted, Event, ModelPaced, TurnFinished, Usage
from engine.state import ProviderState, State, reduce
from engine.state.providers import MOST_CAUSES, OTHERS, WINDOW, came_back

START = 1_700_000_040.0  # a whole minute
CALLS = st.lists(st.tuples(st.integers(0, 1200), st.sampled_from(["", "429", "529"])), max_size=60)


def event(at: float) -> Event:
    return Event("e", 1, at, "b", at, "s", TurnFinished(turn=1, usage=Usage(), seconds=1.0))


@given(CALLS)
def test_the_window_counts_what_came_back_in_its_minutes(calls: list[tuple[int, str]]) -> None:
    providers: dict[str, ProviderState] = {}
    calls = sorted(calls, key=lambda call: call[0])
    for second, cause in calls:
        came_back(providers, "acme", event(START + second), cause)
    now = START + (calls[-1][0] if calls else 0)
    seen = providers.get("acme", ProviderState())
    first = int(now // 60) - WINDOW + 1
    lately = Counter(cause for second, cause in calls if (START + second) // 60 >= first)
    assert seen.rate(now) * WINDOW == lately.pop("", 0)
    assert seen.failures(now) == lately
    assert len(seen.minutes) <= WINDOW
    assert seen.rate(now + 60 * WINDOW) == 0
    assert msgspec.json.decode(msgspec.json.encode(seen), type=ProviderState) == seen


def test_a_new_engine_finds_the_places_out_anew() -> None:
    state = State()
    bodies = (
        ModelPaced(provider="acme", limit=9, cause="all went well"),
        EngineStarted(version="1", pid=1),
    )
    found = []
    for seq, body in enumerate(bodies, 1):
        reduce(state, Event("e", seq, START, "b", 1.0, None, body))
        found.append(state.providers["acme"].places)
    assert found == [9, None]


def test_a_wall_clock_that_goes_back_loses_no_call() -> None:
    providers: dict[str, ProviderState] = {}
    for at in (START + 600, START, START + 600):
        came_back(providers, "acme", event(at))
    assert providers["acme"].rate(START + 600) * WINDOW == 3


def test_causes_without_end_are_counted_together() -> None:
    providers: dict[str, ProviderState] = {}
    for n in range(MOST_CAUSES + 20):
        came_back(providers, "acme", event(START), f"cause {n}")
    came_back(providers, "acme", event(START))
    assert len(providers["acme"].failed) == MOST_CAUSES + 1
    assert providers["acme"].failed[OTHERS] == 20
    assert providers["acme"].answered == 1
