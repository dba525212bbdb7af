from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autolab_tui.cli.values import budgets, duration, short_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("2h", 7200), ("1h30m", 5400), ("15m", 900), ("45", 45), ("0.5h", 1800)],
)
def test_durations_as_people_write_them(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "2x", "-5", "0", "nan", "inf", "h", "1h 30", "0s"])
def test_what_is_no_duration_is_named_with_a_remedy(text: str) -> None:
    with pytest.raises(ValueError, match="write 90s") as caught:
        duration(text)
    assert repr(text) in str(caught.value)


@given(st.text())
def test_any_text_is_a_duration_above_zero_or_a_value_error(text: str) -> None:
    try:
        seconds = duration(text)
    except ValueError:
        return
    assert math.isfinite(seconds)
    assert seconds > 0


@given(st.integers(1, 23), st.integers(1, 59), st.integers(1, 59))
def test_parts_add_up(hours: int, minutes: int, seconds: int) -> None:
    assert duration(f"{hours}h{minutes}m{seconds}s") == hours * 3600 + minutes * 60 + seconds


def test_budgets_from_one_or_several_options() -> None:
    expected = {"active": 7200.0, "turns": 50.0, "cost": 2.5}
    assert budgets(["active=2h,turns=50", "cost=2.5"]) == expected
    assert budgets([]) == {}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("time=2h", "time=2h"),
        ("active", "active"),
        ("active=", "active="),
        ("turns=1.5", "turns=1.5"),
        ("turns=-1", "turns=-1"),
        ("cost=free", "cost=free"),
        ("active=1h,active=2h", "twice"),
    ],
)
def test_a_wrong_budget_is_named(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=r"write|once") as caught:
        budgets([text])
    assert named in str(caught.value)


@given(st.floats(0, 1e7))
def test_short_durations_are_short(seconds: float) -> None:
    assert 2 <= len(short_duration(seconds)) <= 7


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.6, "1m00s"), (200, "3m20s"), (7500, "2h05m"), (90000, "1d01h")],
)
def test_short_durations(seconds: float, text: str) -> None:
    assert short_duration(seconds) == text
