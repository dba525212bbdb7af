"""Two sides on the same tasks: by hand, and what always holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.analysis.comparison import Comparison, ComparisonError, compare
from engine.state import SessionState
from tests.engine.analysis.making import over, state


def made(rewards: dict[tuple[str, str, str], list[float | None]]) -> list[SessionState]:
    """Sessions from {(model, harness, task): attempts}."""
    found: list[SessionState] = []
    for (model, harness, task), attempts in rewards.items():
        for reward in attempts:
            name = f"r-{len(found):03}"
            found.append(over(name, reward, model=model, harness=harness, task=task))
    return found


def comparison(sessions: list[SessionState], a: str, b: str, **more: Any) -> Comparison:
    return compare(state(*sessions), sessions, a, b, **{"replicates": 300, **more})


def test_two_models_by_hand() -> None:
    sessions = made(
        {
            ("lab/x", "h", "t1"): [0.2, 0.4],
            ("lab/y", "h", "t1"): [0.1],
            ("lab/x", "h", "t2"): [0.5],
            ("lab/y", "h", "t2"): [0.9, 0.9],
            ("lab/x", "h", "t3"): [0.6],
            ("lab/y", "h", "t3"): [0.6],
            ("lab/x", "h", "t4"): [0.6],
            ("lab/y", "g", "t4"): [0.6],
        }
    )
    found = comparison(sessions, "x", "model:lab/y")
    assert [pair.difference for pair in found.pairs] == pytest.approx([0.2, -0.4, 0.0])
    assert found.difference is not None and found.difference.interval is not None
    assert found.difference.value == pytest.approx(-0.2 / 3)
    assert found.a.mean is not None and found.b.mean is not None
    assert found.a.mean - found.b.mean == pytest.approx(found.difference.value)
    assert (found.sign_test.a, found.sign_test.b, found.sign_test.ties) == (1, 1, 1)
    assert found.sign_test.p == 1.0
    assert (found.tasks, found.order) == (3, None)
    assert found.unpaired == ("t4 with h: A only", "t4 with g: B only")
    assert found.probability is not None and 0.1 < found.probability < 0.6


def test_two_harnesses_show_how_the_order_of_models_changes() -> None:
    harness_a = {"m1": 0.9, "m2": 0.5, "m3": 0.1}
    harness_b = {"m1": 0.9, "m2": 0.1, "m3": 0.5}
    sessions = made(
        {
            (model, harness, task): [reward]
            for task in ("t1", "t2", "t3")
            for harness, rewards in (("plain", harness_a), ("rich", harness_b))
            for model, reward in rewards.items()
        }
    )
    found = comparison(sessions, "harness:plain", "harness:rich")
    assert found.difference is not None and found.difference.value == pytest.approx(0.0)
    assert found.order is not None and found.order.tau is not None
    assert found.order.tau.value == pytest.approx(1 / 3)
    assert [(s.name, s.rank_a, s.rank_b) for s in found.order.standings] == [
        ("m1", 1.0, 1.0),
        ("m2", 2.0, 3.0),
        ("m3", 3.0, 2.0),
    ]
    [reversal] = found.order.reversals
    assert (reversal.first, reversal.second, reversal.probability) == ("m2", "m3", 1.0)


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("nobody", "x", "no session matches 'nobody'"),
        ("x", "harness:h", "two of the same kind"),
        ("x", "model:*", "sessions in common"),
    ],
)
def test_what_makes_no_sense_is_refused(a: str, b: str, said: str) -> None:
    sessions = made({("lab/x", "h", "t"): [0.1], ("lab/y", "h", "t"): [0.1]})
    with pytest.raises(ComparisonError, match=said):
        comparison(sessions, a, b)


def test_nothing_in_common_is_no_difference() -> None:
    sessions = made({("x", "h", "t1"): [0.1], ("y", "h", "t2"): [0.1]})
    found = comparison(sessions, "x", "y")
    assert (found.tasks, found.difference, found.probability) == (0, None, None)
    assert len(found.unpaired) == 2


def test_what_could_not_be_judged_counts_as_asked() -> None:
    sessions = made({("x", "h", "t"): [0.4, None], ("y", "h", "t"): [0.3]})
    for missing, expected in (("exclude", 0.1), ("zero", -0.1)):
        found = comparison(sessions, "x", "y", missing=missing)
        assert found.difference is not None
        assert found.difference.value == pytest.approx(expected)


cells = st.dictionaries(
    st.tuples(
        st.sampled_from(["x", "y"]), st.sampled_from(["h", "g"]), st.sampled_from(["t1", "t2"])
    ),
    st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=3),
)


@settings(max_examples=40, deadline=None)
@given(cells)
def test_turned_around_it_is_the_same(rewards: Any) -> None:
    fixed = {("x", "h", "t0"): [0.5], ("y", "h", "t0"): [0.25]}
    sessions = made({**rewards, **fixed})
    there, back = comparison(sessions, "x", "y"), comparison(sessions, "y", "x")
    assert there.difference is not None and back.difference is not None
    assert there.difference.value == pytest.approx(-back.difference.value)
    assert there.difference.interval is None or (
        there.difference.interval.low <= there.difference.interval.high
    )
    assert there.sign_test.p == back.sign_test.p
    assert there.probability is not None and 0.0 <= there.probability <= 1.0
    assert comparison(sessions, "x", "y") == there
