"""Patience with a model that fails: how long, how often, and for what."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.models.retry import Retries, RetryPolicy
from engine.models.types import ModelError


def test_waits_double_and_patience_ends() -> None:
    policy = RetryPolicy(attempts=5, first=1.0, longest=3.0, patience=100.0)
    retries = Retries(policy, lambda: 0.0)
    error = ModelError("rate_limit", "x")
    assert [retries.wait(error) for _ in range(5)] == [1.0, 2.0, 3.0, 3.0, None]
    assert Retries(policy, lambda: 1.0).wait(error) == 0.75


def test_retry_after_is_obeyed_within_patience() -> None:
    policy = RetryPolicy(patience=30.0)
    retries = Retries(policy, lambda: 0.0)
    assert retries.wait(ModelError("rate_limit", "429", retry_after=20.0)) == 20.0
    assert retries.wait(ModelError("rate_limit", "429", retry_after=20.0)) is None


@pytest.mark.parametrize(
    "failure", ["auth", "quota", "bad_request", "context", "refusal", "content_filter"]
)
def test_what_no_patience_mends_is_not_tried_again(failure: Any) -> None:
    assert Retries(RetryPolicy()).wait(ModelError(failure, "x")) is None


@given(st.lists(st.none() | st.floats(0, 100), max_size=30))
def test_waits_never_exceed_the_patience(asked_for: list[float | None]) -> None:
    policy = RetryPolicy(attempts=20, patience=60.0)
    retries = Retries(policy)
    waits = [retries.wait(ModelError("rate_limit", "x", retry_after=a)) for a in asked_for]
    assert sum(w or 0.0 for w in waits) <= 60.0
    assert all(w is None for w in waits[19:])
