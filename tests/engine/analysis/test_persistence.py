"""The figures of persistence, against values worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.analysis.curve import curve
from engine.analysis.persistence import persistence
from engine.cycles import Cycles, measures
from tests.engine.analysis.making import BOOT, over, point, session


def test_a_session_by_hand() -> None:
    points = [
        point(10.0, 0.2),
        point(20.0, 0.0, gate="correct"),
        point(30.0, 0.4),
        point(50.0, 0.3),
        point(70.0, 0.8),
        point(80.0, 0.7, stage="final"),
    ]
    found = persistence(over("r-01", 0.7, points=points, used=80.0, budget=100.0), BOOT, 0.0)
    # 10..30 at 0.2, 30..70 at 0.4, 70..100 at 0.8
    assert found.auc == pytest.approx((20 * 0.2 + 40 * 0.4 + 30 * 0.8) / 100)
    assert (found.first, found.final, found.best) == (0.2, 0.7, 0.8)
    assert (found.verified, found.improving) == (6, 3)
    assert (found.half, found.ninety) == (0.3, 0.7)
    assert (found.last_improvement, found.used) == (0.7, 0.8)
    assert found.late_gain == pytest.approx(0.8 - 0.4)  # the last quarter is 60..80
    assert found.regret == pytest.approx(0.1)


def test_what_stopped_early_keeps_its_last_value() -> None:
    found = persistence(over("r-01", 0.5, points=[point(20.0, 0.5)], used=25.0), BOOT, 0.0)
    assert found.auc == pytest.approx(0.8 * 0.5)


def test_what_is_not_known_is_none() -> None:
    nothing = persistence(session(used=0.0), BOOT, 0.0)
    assert (nothing.first, nothing.best, nothing.auc, nothing.half) == (None, None, None, None)
    free = persistence(session(points=[point(5.0, 0.5)], budget=None), BOOT, 0.0)
    assert (free.first, free.auc, free.used, free.half) == (0.5, None, None, None)
    suspect = persistence(session(points=[point(5.0, 0.9, status="suspect")]), BOOT, 0.0)
    assert (suspect.verified, suspect.improving, suspect.auc) == (0, 0, None)
    zero = persistence(session(points=[point(5.0, 0.0, gate="built")]), BOOT, 0.0)
    assert (zero.first, zero.best, zero.auc, zero.half, zero.late_gain) == (None, 0, 0, None, 0)


def test_the_clock_that_counts_is_the_axis() -> None:
    one = session(points=[point(5.0, 0.5, wall=50.0)], counts="wall")
    one.budget["wall"] = one.budget.pop("active")
    assert persistence(one, BOOT, 0.0).last_improvement == 0.5


points = st.lists(
    st.builds(
        point,
        st.floats(0, 150),
        st.none() | st.floats(0, 1),
        status=st.sampled_from([None, "suspect"]),
        gate=st.none() | st.just("correct"),
    ),
    max_size=8,
)


@given(points, st.floats(0, 100))
def test_figures_stay_in_their_bounds(given_points: list, used: float) -> None:
    one = session(points=given_points, used=used)
    line = curve(one)
    found = persistence(one, BOOT, 0.0)
    for share in (found.auc, found.half, found.ninety, found.last_improvement, found.used):
        assert share is None or 0.0 <= share <= 1.0
    assert found.auc is None or found.auc <= line.best + 1e-12
    if found.half is not None and found.ninety is not None:
        assert found.half <= found.ninety <= (found.last_improvement or 0.0)
    assert list(line.times) == sorted(set(line.times))
    assert list(line.rewards) == sorted(set(line.rewards))
    assert found.improving <= found.verified
    assert line.at(1e9) == line.best


@pytest.mark.parametrize(
    ("tool", "command", "expected"),
    [
        ("bash", "make bench", True),
        ("bash", "python3 score.py placement.txt", True),
        ("keys", "./run_tests.sh Enter", True),
        ("bash", "make CHECK", True),
        ("bash", "gcc -O2 latest.c", False),
        ("bash", "cat checklist.txt", False),
        ("edit", "bench.c", False),
        ("read", "score.py", False),
    ],
)
def test_what_measures(tool: str, command: str, expected: bool) -> None:
    assert measures(tool, command) is expected


def test_an_iteration_is_an_edit_and_then_a_measurement() -> None:
    cycles = Cycles()
    cycles.called("bash", "make bench")  # nothing was changed yet
    cycles.called("edit", "solve.c")
    cycles.edited()
    cycles.called("bash", "ls")
    assert cycles.count == 0
    cycles.called("bash", "make check")
    cycles.called("bash", "make bench")  # the same change, measured again
    assert cycles.count == 1
    cycles.called("bash", "sed -i s/1/2/ solve.c && make bench")
    cycles.edited()
    assert cycles.count == 2
    cycles.called("edit", "solve.c")
    cycles.edited()
    cycles.edited()
    cycles.called("bash", "make bench")
    assert cycles.count == 3
