"""Budgets: what was asked, what is used, what is reached."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import Clocks, Span
from engine.events import Limit, Usage
from engine.limits import changes
from engine.runs import budgets
from engine.state import RunState, SessionState


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
        ({"turns": Limit(soft=-5.0)}, "soft budget turns=-5.0 must be"),
        ({"cost": Limit(2.0, 3.0)}, "the soft limit cost=3 is above the hard one, 2"),
        ({"active": Limit(soft=90.0)}, "the soft limit active=90 is above the hard one, 60"),
    ],
)
def test_a_budget_that_does_not_fit_is_named(asked: dict[str, Limit], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        budgets.effective(60.0, asked)


def test_the_first_limit_that_is_used_up_is_named_with_its_numbers() -> None:
    clocks = Clocks(working=5.0, waiting=20.0, state="working", boot="b", since=100.0)
    budget = budgets.effective(10.0, {"turns": Limit(3.0), "cost": Limit(1.0)})
    facts = session(budget, clocks, turns=2, cost=None)
    used = budgets.used(facts, "b", 104.0)
    assert budgets.reached(budget, used) is None
    assert budgets.seconds_left(budget, used) == pytest.approx(1.0)
    found = budgets.reached(budget, budgets.used(facts, "b", 105.0))
    assert str(found) == "active limit reached: 10 s of 10 s"
    assert hit(budget, turns=3) == "turns"
    assert hit(budget, cost=1.5) == "cost"


def hit(budget: dict[str, Limit], **usage: object) -> str | None:
    found = budgets.reached(budget, budgets.used(session(budget, **usage), "b", 0.0))
    return None if found is None else found.key


def test_the_wall_clock_counts_where_that_was_asked() -> None:
    assert budgets.effective(100.0, {}, "wall") == {"wall": Limit(100.0)}
    asked = {"active": Limit(soft=20.0), "tokens": Limit(5.0)}
    assert budgets.effective(100.0, asked, "wall") == {
        "active": Limit(soft=20.0),
        "wall": Limit(100.0),
        "tokens": Limit(5.0),
    }
    assert budgets.in_words(budgets.effective(100.0, {}, "wall")) == "1 min 40 s of time"


def test_a_soft_limit_pauses_once_and_again_when_it_is_moved() -> None:
    budget = {"turns": Limit(hard=9.0, soft=4.0)}
    used = {"turns": 5.0}
    found = budgets.soft_reached(budget, used, [])
    assert str(found) == "turns limit reached: 5 of 4"
    assert budgets.soft_reached(budget, used, ["turns"]) is None
    assert budgets.reached(budget, used) is None
    assert budgets.soft_reached(budget, {"turns": None}, []) is None


def test_limits_are_moved_by_amounts_or_to_them_and_the_default_wall_follows() -> None:
    budget = budgets.effective(100.0, {"cost": Limit(5.0)})
    more = budgets.changed(budget, {"active": {"hard": "+60"}, "cost": {"hard": "4", "soft": "3"}})
    assert more == {"active": Limit(160.0), "wall": Limit(480.0), "cost": Limit(4.0, 3.0)}
    assert budgets.changed(more, {"wall": {"hard": "-80"}})["wall"] == Limit(400.0)
    with pytest.raises(ValueError, match=r"turns has no limit that could be moved by \+5"):
        budgets.changed(budget, {"turns": {"hard": "+5"}})
    with pytest.raises(ValueError, match="active='soon' is no number"):
        budgets.changed(budget, {"active": {"hard": "soon"}})
    with pytest.raises(ValueError, match=r"active=-40\.0 must be a number above 0"):
        budgets.changed(budget, {"active": {"hard": "-140"}})


@given(
    st.lists(
        st.tuples(st.floats(0, 50), st.floats(0, 50), st.none() | st.floats(0, 5)), max_size=5
    ),
    st.floats(0, 3),
)
def test_a_run_has_used_what_its_sessions_have(
    each: list[tuple[float, float, float | None]], committed: float
) -> None:
    sessions = [
        session({}, Clocks(working=w, waiting=o), cost=c, turns=1, output=3) for w, o, c in each
    ]
    run = RunState("r", 0.0, {}, [], span=Span(closed=12.0))
    used = budgets.used_by_run(run, sessions, "b", 0.0, committed)
    assert used["active"] == pytest.approx(sum(w for w, _, _ in each))
    assert used["wall"] == 12.0
    assert used["turns"] == len(each)
    known = [c for _, _, c in each if c is not None]
    if known or committed:
        assert used["cost"] == pytest.approx(sum(known) + committed)
    else:
        assert used["cost"] is None


@given(st.floats(0.1, 1e5), st.floats(0, 1e5), st.floats(0, 1e5))
def test_a_time_limit_is_reached_exactly_when_nothing_is_left(
    limit: float, worked: float, waited: float
) -> None:
    facts = session(
        budgets.effective(limit, {}), Clocks(working=worked, waiting=waited, state="stopped")
    )
    used = budgets.used(facts, "b", 0.0)
    left = budgets.seconds_left(facts.budget, used)
    assert (left == 0.0) == (budgets.reached(facts.budget, used) is not None)


def test_an_agent_is_told_its_budget_in_words() -> None:
    budget = budgets.effective(5400.0, {"turns": Limit(50.0), "cost": Limit(2.5)})
    said = budgets.in_words(budget)
    assert said == "1 h 30 min of working time and 50 turns and 2.50 US dollars"


def test_a_changed_budget_is_told_by_what_is_another() -> None:
    before = {"active": Limit(900), "wall": Limit(2700), "gpu": Limit(3600), "tokens": Limit(9)}
    after = {"active": Limit(900), "wall": Limit(2700, 60), "gpu": Limit(7200, 5400.0)}
    after["cost"] = Limit(None, 4)
    assert changes(before, after) == (
        "wall 45 min (soft 1 min), tokens none, cost none (soft 4.00 USD), "
        "gpu 2 h (soft 1 h 30 min)"
    )
    assert changes(before, before) == ""
