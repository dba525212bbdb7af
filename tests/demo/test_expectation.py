from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autolab_tui.demo.expectation import records, shortfall


def session(outcome: str | None, final: float | None = 0.5) -> dict[str, Any]:
    return {"outcome": outcome, "final_reward": final}


@pytest.mark.parametrize("outcome", ["converged", "ended"])
def test_persistent_rises_and_reaches_the_reference(outcome: str) -> None:
    assert shortfall("persistent", session(outcome), [0.0, 0.2, 0.3, 0.5], 0.5) is None


@pytest.mark.parametrize(
    ("given", "rewards"),
    [
        (session("converged"), [0.5, 0.5, 0.5]),
        (session("converged", 0.3), [0.1, 0.2, 0.3]),
        (session("converged", None), [0.1, 0.2, 0.3]),
        (session("budget_exhausted"), [0.1, 0.2, 0.5]),
        (session(None), [0.1, 0.2, 0.5]),
    ],
)
def test_persistent_that_did_not(given: dict[str, Any], rewards: list[float]) -> None:
    assert shortfall("persistent", given, rewards, 0.5)


@pytest.mark.parametrize(
    ("persona", "outcome"), [("hasty", "premature_stop"), ("spinner", "budget_exhausted")]
)
def test_the_other_two_are_told_by_their_outcome(persona: str, outcome: str) -> None:
    assert shortfall(persona, session(outcome), [], 0.5) is None
    said = shortfall(persona, session("infrastructure"), [], 0.5)
    assert said is not None
    assert "infrastructure" in said


@given(st.lists(st.floats(0, 1)))
def test_records_count_new_maxima_only(rewards: list[float]) -> None:
    found = records(rewards)
    assert 0 <= found <= len({r for r in rewards if r > 0})
    assert (found > 0) is any(r > 0 for r in rewards)
    assert records(sorted(rewards, reverse=True)) <= 1
