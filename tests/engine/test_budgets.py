"""Budgets: what was asked, what is used, what is reached."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import budgets
from engine.clock import Clocks
from engine.events import Limit, Usage
from engine.state import SessionState


def session(
    budget: dict[str, Limit], clocks: Clocks | None = None, **usage: object
) -> SessionState:
    return SessionState(
        id="s",
        run="r",
        task="t",
        task_path="/t",
        task_hash="",
        domain="d",
        model=None,
        agent="nop",
        harness="none",
        harness_hash="",
        attempt=1,
        budget=budget,
        metric_name="",
        metric_unit="",
        metric_direction="lower",
        reference_reward=0.5,
        created=0.0,
        clocks=clocks or Clocks(),
        usage=Usage(**usage),
    )


def test_defaults_are_the_tasks_time_and_three_times_as_much_wall() -> None:
    assert budgets.effective(100.0, {}) == {"active": Limit(100.0), "wall": Limit(300.0)}
    asked = {"active": Limit(10.0), "turns": Limit(5.0)}
    found = budgets.effective(100.0, asked)
    assert found == {"active": Limit(10.0), "wall": Limit(30.0), "turns": Limit(5.0)}
    assert list(found) == ["active", "wall", "turns"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"time": Limit(1.0)}, "no limit 'time'; use active, wall, turns"),
        ({"active": Limit(0.0)}, r"active=0.0 must be a number above 0"),
        ({"cost": Limit(math.nan)}, "cost=nan must be"),
        ({"turns": Limit(soft=5.0)}, "soft limit"),
    ],
)
def test_a_budget_that_does_not_fit_is_named(asked: dict[str, Limit], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        budgets.effective(60.0, asked)


def test_the_first_limit_that_is_used_up_is_named_with_its_numbers() -> None:
    clocks = Clocks(working=5.0, waiting=20.0, state="working", boot="b", since=100.0)
    budget = budgets.effective(10.0, {"turns": Limit(3.0), "cost": Limit(1.0)})
    facts = session(budget, clocks, turns=2, cost=None)
    assert budgets.reached(facts, "b", 104.0) is None
    assert budgets.seconds_left(facts, "b", 104.0) == pytest.approx(1.0)
    found = budgets.reached(facts, "b", 105.0)
    assert str(found) == "active limit reached: 10 s of 10 s"
    assert budgets.reached(session(budget, turns=3), "b", 0.0).key == "turns"
    assert budgets.reached(session(budget, cost=1.5), "b", 0.0).key == "cost"


@given(st.floats(0.1, 1e5), st.floats(0, 1e5), st.floats(0, 1e5))
def test_a_time_limit_is_reached_exactly_when_nothing_is_left(
    limit: float, worked: float, waited: float
) -> None:
    facts = session(
        budgets.effective(limit, {}), Clocks(working=worked, waiting=waited, state="stopped")
    )
    left = budgets.seconds_left(facts, "b", 0.0)
    assert (left == 0.0) == (budgets.reached(facts, "b", 0.0) is not None)


def test_an_agent_is_told_its_budget_in_words() -> None:
    budget = budgets.effective(5400.0, {"turns": Limit(50.0), "cost": Limit(2.5)})
    said = budgets.in_words(budget)
    assert said == "1 h 30 min of working time and 50 turns and 2.50 US dollars"
