"""How many calls an account takes at once: learnt from its answers, and never exceeded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.models.pace import Pace, Paces
from engine.models.types import KeySource, ModelError, Provider

RATE = ModelError("rate_limit", "429 rate limit")


async def call(pace: Pace, end: asyncio.Future[None]) -> None:
    async with pace.place():
        await end


async def begin(pace: Pace, count: int) -> list[tuple[asyncio.Task[None], asyncio.Future[None]]]:
    """`count` calls that end when their future is set."""
    begun = []
    for _ in range(count):
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        begun.append((asyncio.create_task(call(pace, end)), end))
    await asyncio.sleep(0)
    return begun


async def end_all(begun: list[Any], error: Exception | None = None) -> None:
    for _, end in begun:
        if not end.done():
            end.set_result(None) if error is None else end.set_exception(error)
    await asyncio.gather(*(task for task, _ in begun), return_exceptions=True)


async def test_a_crowd_is_let_in_faster_and_faster() -> None:
    told: list[tuple[int, str]] = []
    pace = Pace(lambda limit, cause: told.append((limit, cause)), first=2)
    begun = await begin(pace, 20)
    assert (pace.busy, pace.free) == (2, False)
    await end_all(begun)
    assert pace.limit > 4
    assert [limit for limit, _ in told] == list(range(3, pace.limit + 1))
    assert pace.busy == 0


async def test_one_episode_halves_once_however_many_are_refused() -> None:
    pace = Pace(first=8)
    begun = await begin(pace, 8)
    await end_all(begun, RATE)
    assert pace.limit == 4
    await end_all(await begin(pace, 1), RATE)
    assert pace.limit == 2


async def test_after_a_refusal_it_grows_by_one_in_a_round() -> None:
    pace = Pace(first=8)
    await end_all(await begin(pace, 1), RATE)
    assert pace.limit == 4
    for expected in (4, 4, 4, 5):
        begun = await begin(pace, 4)
        await end_all(begun)
        assert pace.limit == expected


async def test_without_a_crowd_nothing_is_learnt_from_success() -> None:
    pace = Pace(first=4)
    for _ in range(10):
        await end_all(await begin(pace, 1))
    assert pace.limit == 4


@pytest.mark.parametrize("failure", ["network", "auth", "context", "broken_stream"])
async def test_other_failures_say_nothing_of_load(failure: Any) -> None:
    pace = Pace(first=4)
    await end_all(await begin(pace, 4), ModelError(failure, "x"))
    assert (pace.limit, pace.busy) == (4, 0)


async def test_there_is_always_one_place() -> None:
    pace = Pace(first=1)
    for _ in range(3):
        await end_all(await begin(pace, 1), RATE)
    assert (pace.limit, pace.free) == (1, True)


async def test_who_leaves_the_queue_leaves_no_hole() -> None:
    pace = Pace(first=1)
    begun = await begin(pace, 4)
    begun[1][0].cancel()
    begun[0][1].set_result(None)  # the place goes free in the same moment
    await asyncio.sleep(0)
    begun[2][0].cancel()
    begun[3][1].set_result(None)
    await asyncio.gather(*(task for task, _ in begun), return_exceptions=True)
    assert (pace.busy, pace.free) == (0, True)
    assert begun[3][0].exception() is None


@given(
    st.lists(
        st.tuples(st.sampled_from(["begin", "good", "refused", "cancel"]), st.integers(0, 9)),
        max_size=40,
    )
)
def test_no_place_is_lost_and_the_limit_holds(steps: list[tuple[str, int]]) -> None:
    async def play() -> None:
        pace = Pace(first=2)
        begun: list[Any] = []
        for what, which in steps:
            before = max(pace.limit, pace.busy)  # calls under way may be more than a lowered limit
            if what == "begin":
                begun += await begin(pace, 1)
            elif begun:
                task, end = begun[which % len(begun)]
                if what == "cancel":
                    task.cancel()
                elif not end.done():
                    end.set_result(None) if what == "good" else end.set_exception(RATE)
            for _ in range(3):
                await asyncio.sleep(0)
            assert pace.busy <= max(before, pace.limit)
        await end_all(begun)
        assert pace.busy == 0
        assert pace.free

    asyncio.run(play())


def test_an_account_is_an_address_and_the_place_of_its_key() -> None:
    paces = Paces(lambda *_: None)
    one = Provider("lab", "http://a/v1", KeySource(env="A"))
    other = Provider("lab", "http://a/v1", KeySource(env="B"))
    assert paces.of(one) is paces.of(Provider("lab", "http://a/v1", KeySource(env="A")))
    assert paces.of(one) is not paces.of(other)
