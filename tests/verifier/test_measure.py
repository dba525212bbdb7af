"""Pairs, intervals and stopping, with made-up clocks."""

from __future__ import annotations

import math
import os
import random
import statistics
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.autolab import Measure
from verifier.intervals import half_width, mean_interval, median_interval
from verifier.measure import (
    Pair,
    Plan,
    Timing,
    contended,
    own_seconds,
    plan_for,
    take_pairs,
)
from verifier.outcomes import NotJudgedError
from verifier.runqueue import Delay, prompt

seconds = st.floats(1e-4, 1e3)


def nap(_: float) -> None:
    """No waiting in tests."""


def test_the_first_pair_is_only_for_warming_up() -> None:
    asked = []

    def pair(number: int) -> Pair:
        asked.append(number)
        return Pair(100.0, 1.0) if number == 0 else Pair(2.0, 1.0)

    timing = take_pairs(pair, Plan(5, 15, 0.02, 4), nap)
    assert asked == [0, 1, 2, 3, 4, 5]
    assert timing.speedup == pytest.approx(2.0)
    assert timing.discarded == 0


def test_measuring_goes_on_until_the_interval_is_narrow_or_pairs_run_out() -> None:
    noise = random.Random(1)
    plan = Plan(3, 12, 0.02, 4)
    wild = take_pairs(lambda _: Pair(2.0, noise.uniform(0.5, 1.5)), plan, nap)
    assert len(wild.pairs) == 12
    calm = take_pairs(lambda _: Pair(2.0, noise.uniform(0.999, 1.001)), plan, nap)
    assert len(calm.pairs) == 3
    assert calm.interval.low < 2.0 < calm.interval.high


def test_a_candidate_that_is_surely_slower_is_not_measured_at_length() -> None:
    noise = random.Random(1)
    timing = take_pairs(lambda _: Pair(1.0, noise.uniform(3.0, 5.0)), Plan(3, 50, 1e-6, 4), nap)
    assert len(timing.pairs) == 3


def test_contended_pairs_do_not_count() -> None:
    timing = take_pairs(
        lambda n: Pair(9.0, 1.0, True) if n % 2 else Pair(2.0, 1.0), Plan(5, 5, 0.02, 9), nap
    )
    assert timing.discarded == 5
    assert timing.speedup == pytest.approx(2.0)


def test_too_much_contention_is_no_verdict() -> None:
    waits: list[float] = []
    with pytest.raises(NotJudgedError, match="5 of 5 pairs") as given_up:
        take_pairs(lambda _: Pair(1.0, 1.0, True), Plan(5, 15, 0.02, 4), waits.append)
    assert given_up.value.cause == "contention"
    assert waits == sorted(waits)
    assert max(waits) <= 0.5


def test_all_pairs_are_kept_where_contention_does_no_harm() -> None:
    timing = take_pairs(lambda _: Pair(1.0, 1.0, True), Plan(4, 4, 0.02, None), nap)
    assert (len(timing.pairs), timing.discarded) == (4, 0)


@given(st.lists(st.tuples(seconds, seconds), min_size=2, max_size=40))
def test_the_speedup_is_the_geometric_mean_and_lies_in_its_interval(
    pairs: list[tuple[float, float]],
) -> None:
    timing = Timing(tuple(Pair(b, c) for b, c in pairs), 0)
    expected = math.exp(statistics.fmean(math.log(b / c) for b, c in pairs))
    assert timing.speedup == pytest.approx(expected)
    assert timing.interval.low <= timing.speedup * (1 + 1e-9)
    assert timing.interval.high >= timing.speedup * (1 - 1e-9)


@given(st.lists(st.tuples(seconds, seconds), min_size=2, max_size=40))
def test_swapping_the_two_inverts_the_speedup(pairs: list[tuple[float, float]]) -> None:
    one = Timing(tuple(Pair(b, c) for b, c in pairs), 0)
    other = Timing(tuple(Pair(c, b) for b, c in pairs), 0)
    assert one.speedup * other.speedup == pytest.approx(1.0)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    noise = random.Random(7)
    held = medians = 0
    for _ in range(400):
        values = [noise.gauss(3.0, 1.0) for _ in range(8)]
        interval, median = mean_interval(values), median_interval(values)
        assert median is not None
        held += interval.low <= 3.0 <= interval.high
        medians += median.low <= 3.0 <= median.high
    assert 365 <= held <= 395
    assert medians >= 370


def test_there_is_no_median_interval_for_a_handful() -> None:
    assert median_interval([1.0] * 5) is None
    interval = median_interval([5.0, 1.0, 2.0, 3.0, 4.0, 6.0])
    assert interval is not None
    assert (interval.low, interval.high) == (1.0, 6.0)


@given(seconds, st.floats(0, 10), st.floats(0, 10))
def test_own_time_is_never_longer_nor_nothing(whole: float, queue: float, steal: float) -> None:
    delay = Delay(queue, steal)
    assert 0 < own_seconds(whole, delay) <= whole
    if not contended(whole, delay) and queue <= 0.1 * whole:
        assert own_seconds(whole, delay) == pytest.approx(whole - queue)


def test_what_others_took_decides_and_the_unknown_does_not() -> None:
    assert not contended(1.0, None)
    assert own_seconds(1.0, None) == 1.0
    assert not contended(1.0, Delay(0.05, 0.0))
    assert contended(1.0, Delay(0.2, 0.0))
    assert contended(1.0, Delay(0.0, 0.2))


def test_a_checkpoint_is_measured_cheaply_and_a_final_verdict_as_the_task_asks() -> None:
    measure = Measure(pairs_min=5, pairs_max=15, precision=0.02)
    assert plan_for(measure, "final", same=False) == Plan(5, 15, 0.02, 30, 0.02)
    assert plan_for(measure, "manual", same=False) == Plan(5, 15, 0.02, 30, 0.02)
    assert plan_for(measure, "checkpoint", same=False) == Plan(5, 8, 0.05, 30)
    assert plan_for(measure, "final", same=True) == Plan(5, 5, 0.02, None)


def test_a_late_look_at_the_clock_is_contention_and_not_subtracted() -> None:
    late = Delay(0.0, 0.0, clock=0.2)
    assert contended(1.0, late)
    assert own_seconds(1.0, late) == 1.0


def test_the_class_of_the_timing_thread_is_given_back() -> None:
    before = os.sched_getscheduler(0), os.sched_getparam(0).sched_priority
    with prompt():
        real_time = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
        assert real_time in (os.SCHED_FIFO, before[0])  # the latter where it is not ours to take
    assert (os.sched_getscheduler(0), os.sched_getparam(0).sched_priority) == before


def pairs_around(gain: float, spread: float, seed: int = 3) -> Callable[[int], Pair]:
    noise = random.Random(seed)
    return lambda _: Pair(math.exp(noise.gauss(gain, spread)), 1.0)


def test_a_small_gain_is_measured_longer_than_a_large_one() -> None:
    plan = Plan(5, 60, 0.04, 4, of_gain=0.02)
    small = take_pairs(pairs_around(0.5, 0.03), plan, nap)
    large = take_pairs(pairs_around(4.0, 0.03), plan, nap)
    assert len(large.pairs) < len(small.pairs) < 60
    assert half_width(small.log_interval) <= 0.02 * math.log(small.speedup)
    checkpoint = take_pairs(pairs_around(0.5, 0.03), Plan(5, 60, 0.04, 4), nap)
    assert len(checkpoint.pairs) < len(small.pairs)


def test_no_gain_is_not_measured_to_the_last_pair() -> None:
    timing = take_pairs(pairs_around(0.0, 0.02), Plan(5, 60, 0.04, 4, of_gain=0.02), nap)
    assert len(timing.pairs) < 10


def test_an_edit_that_changes_nothing_hardly_ever_earns() -> None:
    earned = 0
    for seed in range(1000):
        plan = Plan(5, 12, 0.04, 4, of_gain=0.02)
        earned += take_pairs(pairs_around(0.0, 0.04, seed), plan, nap).faster
    assert earned <= 15


def test_stopping_early_costs_the_interval_little() -> None:
    held = 0
    for seed in range(300):
        plan = Plan(5, 24, 0.04, 4, of_gain=0.02)
        interval = take_pairs(pairs_around(1.1, 0.04, seed), plan, nap).log_interval
        held += interval.low <= 1.1 <= interval.high
    assert held >= 265


@given(
    st.lists(st.tuples(seconds, seconds), min_size=2, max_size=40),
    st.floats(1e-4, 1.0),
)
def test_a_wide_interval_is_never_called_tight(
    pairs: list[tuple[float, float]], precision: float
) -> None:
    timing = Timing(tuple(Pair(b, c) for b, c in pairs), 0)
    half, width = half_width(timing.log_interval), timing.width(precision)
    assert (width == "tight") == (half <= precision or timing.log_interval.high < 0)
    assert (width in ("loose", "unsteady")) == (half > 2 * precision and width != "tight")


def test_whose_noise_it_is_decides_what_a_wide_interval_means() -> None:
    steady = [Pair(1.0, c) for c in (0.2, 0.5, 0.3, 0.6, 0.25)]
    assert Timing(tuple(steady), 0).width(0.05) == "loose"
    shaken = [Pair(b, 0.2) for b in (1.0, 2.5, 1.5, 3.0, 1.2)]
    assert Timing(tuple(shaken), 0).width(0.05) == "unsteady"
    assert Timing(tuple(Pair(1.0, 5.0 + n) for n in range(5)), 0).width(0.001) == "tight"


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=60))
def test_more_certainty_makes_a_wider_interval(values: list[float]) -> None:
    ordinary, sure = mean_interval(values), mean_interval(values, 0.99)
    assert sure.low <= ordinary.low
    assert ordinary.high <= sure.high
