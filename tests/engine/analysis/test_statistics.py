"""Small statistics against values from tables, and their bounds."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.analysis.statistics import (
    clustered_error,
    interval,
    kendall_tau,
    pool,
    quantile,
    ranks,
    sign_test,
)


def test_sign_test_by_hand() -> None:
    assert sign_test([1, 2, 3, -1, 0]) == (3, 1, 1, pytest.approx(2 * (1 + 4) / 16))
    assert sign_test([1] * 6) == (6, 0, 0, pytest.approx(2 / 64))
    assert sign_test([0, 0]) == (0, 0, 2, 1.0)
    assert sign_test([1, -1]) == (1, 1, 0, 1.0)


def test_kendall_by_hand() -> None:
    assert kendall_tau([1, 2, 3], [1, 2, 3]) == 1.0
    assert kendall_tau([1, 2, 3], [3, 2, 1]) == -1.0
    assert kendall_tau([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(4 / 6)
    assert kendall_tau([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / (2 * 3) ** 0.5)
    assert kendall_tau([1, 1], [1, 2]) is None
    assert kendall_tau([1], [1]) is None


def test_ranks_share_ties() -> None:
    assert ranks([0.5, 0.1, 0.5, 0.9]) == [2.5, 1.0, 2.5, 4.0]


def test_clustered_error_by_hand() -> None:
    assert clustered_error([0.0, 1.0]) == pytest.approx(0.5**0.5 / 2)
    assert clustered_error([0.5]) is None


def test_pools_hold_every_resample() -> None:
    found = pool((0.0, 1.0), Random(1))
    assert sorted(found) == [(0.0, 0.0), (0.5, 1.0), (0.5, 1.0), (1.0, 1.0)]
    assert len(pool((0.1, 0.2, 0.3, 0.4), Random(1))) == 256
    assert len(pool(tuple(i / 10 for i in range(9)), Random(1))) == 1024


@given(st.lists(st.floats(0, 1), min_size=1), st.floats(0, 1))
def test_quantiles_lie_between(values: list[float], share: float) -> None:
    ordered = sorted(values)
    assert ordered[0] <= quantile(ordered, share) <= ordered[-1]
    found = interval(values)
    assert found is not None and found.low <= found.high


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=8))
def test_kendall_is_symmetric_and_bounded(pairs: list[tuple[float, float]]) -> None:
    first, second = zip(*pairs, strict=True)
    tau = kendall_tau(first, second)
    assert tau == kendall_tau(second, first)
    assert tau is None or -1.0 - 1e-9 <= tau <= 1.0 + 1e-9
