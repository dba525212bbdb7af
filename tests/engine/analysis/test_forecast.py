"""A run's forecast: what bounds it, what it learns from, and what it admits not to know."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.analysis.forecast import AmountForecast, Forecast, forecast
from engine.api.picture import StatusPicture
from engine.clock import Clock
from engine.events import Limit, Usage, rfc3339
from engine.state import Pause, SessionState
from tests.engine.analysis.making import BOOT, over, session, state
from verifier.gpus.device import Want

CLOCK = Clock(lambda: BOOT, lambda: 0.0, lambda: 1e9)


def seen(*sessions: SessionState, concurrency: int | None = None, **budget: float) -> Any:
    made = state(*sessions)
    run = made.runs["r"]
    run.spec["concurrency"] = concurrency
    run.budget = {key: Limit(amount) for key, amount in budget.items()}
    return forecast(made, run, CLOCK)


def test_with_nothing_to_go_by_anything_up_to_the_budget_is_possible() -> None:
    found = seen(session("r-1", used=20.0, usage=Usage(cost=1.0)))
    assert isinstance(found, Forecast)
    assert found.active is not None
    # half of the time all of the 100 s, else anything above 20 s: a tenth lies below 36 s
    assert found.active.low == pytest.approx(36.0, abs=6.0)
    assert 85.0 < found.active.expected <= found.active.high == 100.0
    assert found.finish is not None
    assert rfc3339(1e9) < found.finish.low < found.finish.expected <= found.finish.high
    assert found.cost is not None
    assert found.cost.expected == pytest.approx(found.active.expected / 20, abs=0.01)
    assert "0 ended, 1 open" in found.basis


def test_it_learns_from_sessions_that_ended() -> None:
    ended = [over(f"r-{n:02}", 0.5, used=90.0) for n in range(50)]
    found = seen(*ended, session("r-99", used=20.0))
    assert found.active is not None
    assert found.active.expected == pytest.approx(50 * 90.0 + 90.0)
    assert found.active.low == pytest.approx(found.active.expected, abs=1.0)
    late = seen(*ended, session("r-99", used=95.0))
    assert late.active is not None
    assert 50 * 90 + 95 < late.active.low <= late.active.high == 50 * 90 + 100


def test_sessions_that_go_on_count_for_what_lies_beyond_them() -> None:
    early = [over(f"r-{n:02}", 0.5, used=10.0) for n in range(30)]
    going = [session(f"r-{n}", used=90.0) for n in range(40, 70)]
    waiting = session("r-99", used=0.0, begun=False, state="queued")
    found = seen(*early, *going, waiting)
    assert found.active is not None
    so_far = 30 * 10 + 30 * 90
    # the 30 have at most 10 s more each; the one that waits ends at 10 s, or beyond 90 s as often
    assert found.active.high > so_far + 30 * 5 + 50
    alone = seen(*early, waiting)
    assert alone.active is not None
    assert alone.active.expected == pytest.approx(30 * 10 + 10)


def test_cost_follows_the_model() -> None:
    ended = [over("r-01", 0.5, used=100.0, usage=Usage(cost=2.0))]
    found = seen(*ended, session("r-02", used=0.0, begun=False, state="queued"))
    assert found.cost is not None and found.active is not None
    assert found.cost.expected == pytest.approx(found.active.expected * 0.02, abs=0.01)
    other = seen(*ended, session("r-02", used=0.0, model="n", begun=False, state="queued"))
    assert other.cost is None
    holed = [over("r-01", 0.5, used=100.0, usage=Usage(cost=2.0, unpriced=3))]
    said = seen(*holed, session("r-02", used=0.0, begun=False, state="queued")).basis
    assert "the cost lacks 3 calls" in said
    scripted = seen(session("r-02", model=None, agent="nop"))
    assert scripted.cost == AmountForecast(0.0, 0.0, 0.0)


def test_slots_make_a_queue() -> None:
    waiting = [session(f"r-{n}", used=0.0, begun=False, state="queued") for n in range(8)]
    running = session("r-9", used=0.0)
    one, four = seen(*waiting, running), seen(*waiting, concurrency=4)
    assert one.finish is not None and four.finish is not None
    assert one.finish.expected > four.finish.expected
    assert "1 at a time" in one.basis
    assert "4 at a time" in four.basis


def test_limits_of_the_run_cap_it() -> None:
    found = seen(session("r-1", used=20.0, usage=Usage(cost=1.0)), active=25.0, wall=0.001)
    assert found.active is not None and found.finish is not None
    assert found.active.high == 25.0
    assert found.finish.high <= rfc3339(1e9 + 0.001)


def test_what_is_paused_or_unlimited_is_said() -> None:
    held = session("r-1", state="paused", pause=Pause("operator", "", "me", 0.0))
    assert "1 of them paused, taken to go on at once" in seen(held).basis
    later = session("r-1", state="paused", pause=Pause("operator", "", "me", 0.0, until=1e9 + 500))
    found = seen(later)
    assert found.finish is not None and found.finish.low > rfc3339(1e9 + 500)
    free = seen(session("r-1", budget=None))
    assert (free.finish, free.active, free.cost) == (None, None, None)
    assert "time limit" in free.basis
    stopping = seen(session("r-1", used=20.0, stopping="stopped by me"))
    assert stopping.active == AmountForecast(20.0, 20.0, 20.0)
    assert seen(over("r-1", 0.5)) is None


sessions = st.lists(
    st.builds(
        lambda used, state, ended: (used, state, ended),
        st.floats(0, 120),
        st.sampled_from(["queued", "running", "verifying", "paused"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(sessions)
def test_what_always_holds(drawn: list[tuple[float, str, bool]]) -> None:
    made = [
        over(f"r-{n}", 0.5, used=used, usage=Usage(cost=used))
        if ended
        else session(f"r-{n}", used=used, state=phase, usage=Usage(cost=used))
        for n, (used, phase, ended) in enumerate(drawn)
    ]
    found = seen(*made)
    assert seen(*made) == found
    if found is None:
        assert all(one.over for one in made)
        return
    assert found.active is not None and found.finish is not None
    spent = sum(used for used, _, _ in drawn)
    most = sum(max(used, 100.0) if not ended else used for used, _, ended in drawn)
    assert spent - 0.01 <= found.active.low <= found.active.expected <= found.active.high
    assert found.active.high <= most + 0.01
    assert found.finish.low <= found.finish.expected <= found.finish.high


def test_status_makes_one_now_and_then_and_none_of_what_is_over() -> None:
    made = state(session("r-1", used=20.0))
    now = [0.0]
    clock = Clock(lambda: BOOT, lambda: now[0], lambda: 1e9 + now[0])
    picture = StatusPicture(made)

    def shown() -> Any:
        return msgspec.json.decode(picture.json(None, clock))["runs"][0]["forecast"]

    first = shown()
    assert first is not None
    now[0] = 9.0
    assert shown() == first
    now[0] = 11.0
    assert shown() != first
    made.sessions["r-1"].state = "finished"
    assert shown() is None


def test_status_waits_for_no_forecast_that_a_thread_makes() -> None:
    made = state(session("r-1", used=20.0))
    now = [0.0]
    clock = Clock(lambda: BOOT, lambda: now[0], lambda: 1e9 + now[0])
    with ThreadPoolExecutor(1) as maker:
        held = Event()
        maker.submit(held.wait)
        picture = StatusPicture(made, maker=maker)

        def shown() -> Any:
            return msgspec.json.decode(picture.json(None, clock))["runs"][0]["forecast"]

        assert shown() is None  # the thread is busy
        held.set()
        maker.submit(int).result()
        first = shown()
        assert first is not None
        now[0] = 11.0
        assert shown() == first  # the next one is being made
        maker.submit(int).result()
        assert shown() != first


def test_a_limit_of_gpu_time_bounds_the_time_of_its_devices() -> None:
    one = session("r-1", used=2.0)
    one.want = Want(2)
    one.gpu_time.closed = 4.0
    one.budget = {**one.budget, "gpu": Limit(12.0)}
    found = seen(one)
    assert found.gpu is not None and found.active is not None
    assert found.gpu.low < found.gpu.high == 12.0
    assert found.active.high == 2.0 + (12.0 - 4.0) / 2
