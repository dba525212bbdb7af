"""Quantities in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autolab_tui import words


@pytest.mark.parametrize(
    ("seconds", "long", "short"),
    [
        (None, "—", "—"),
        (0, "0:00", "0s"),
        (41.9, "0:41", "41s"),
        (192, "3:12", "3m"),
        (3847, "1:04:07", "1h04"),
        (48 * 3600 + 180, "2d 00:03", "2d0h"),
        (-5, "0:00", "0s"),
    ],
)
def test_durations(seconds: float | None, long: str, short: str) -> None:
    assert words.duration(seconds) == long
    assert words.short(seconds) == short


@pytest.mark.parametrize(
    ("number", "said"),
    [(None, "—"), (0, "0"), (9999, "9999"), (12_345, "12.3k"), (1.2e6, "1.2M"), (3e9, "3.0G")],
)
def test_counts(number: float | None, said: str) -> None:
    assert words.count(number) == said


def test_unknown_is_never_nought() -> None:
    for say in (words.reward, words.money, words.count, words.speedup, words.quantity):
        assert say(None) == words.UNKNOWN
        assert say(0.0) != words.UNKNOWN


@given(st.floats(0, 8e7))
def test_short_durations_are_short(seconds: float) -> None:
    assert len(words.short(seconds)) <= 7


def test_money_and_speedups() -> None:
    assert words.money(0.4231) == "$0.42"
    assert words.money(12_345.6) == "$12,346"
    assert [words.speedup(s) for s in (1.428, 42.44, 812.3)] == ["1.43x", "42.4x", "812x"]
    assert words.plural(1, "session") == "1 session" and words.plural(2, "session") == "2 sessions"


def test_a_cost_says_whether_it_is_all() -> None:
    assert words.cost(1.5, 0) == "$1.50"
    assert words.cost(1.5, 2) == "at least $1.50"
    assert words.cost(None, 2) == words.cost(None, 0) == "unknown"


def test_limits_are_exact() -> None:
    assert [words.limit(s) for s in (None, 45, 150, 600, 7200)] == [
        "—",
        "45s",
        "2:30",
        "10m",
        "2h00",
    ]


def test_a_time_that_no_calendar_has_is_unknown() -> None:
    for at in (-62135596800.0, 253402300799.9 + 1e6, 1e300, float("inf")):
        assert words.time_of_day(at) == words.UNKNOWN or words.time_of_day(at).count(":") == 2
    assert words.hour(1e300) == words.UNKNOWN
