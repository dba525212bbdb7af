"""The ordered list of outcome classes."""

from __future__ import annotations

import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import EndedBy, Outcome
from engine.runs.outcomes import Ending, Finished, Judged, Thresholds, classify

rewards = st.none() | st.floats(0, 1)
judged = st.builds(
    Judged,
    status=st.sampled_from(["scored", "zero", "rejected", "not_judged", "suspect"]),
    reward=rewards,
    active=st.floats(0, 1e4),
    failed_gate=st.none() | st.just("correct"),
    cause=st.none() | st.sampled_from(["gate", "tampered", "contention"]),
    reason=st.text(max_size=10),
)
finished = st.builds(
    Finished,
    ending=st.builds(Ending, st.sampled_from(typing.get_args(EndedBy)), st.text(max_size=10)),
    used=st.floats(0, 1e4),
    budget=st.none() | st.floats(0.001, 1e4),
    reference=st.floats(0, 1),
    verdicts=st.lists(judged, max_size=5).map(tuple),
    final=st.none() | judged,
    unjudged=st.just("") | st.just("contention"),
)


@given(finished)
def test_every_session_gets_exactly_one_class_with_evidence(session: Finished) -> None:
    outcome, evidence = classify(session)
    assert outcome in typing.get_args(Outcome)
    assert evidence.strip()
    assert classify(session) == (outcome, evidence)


@given(finished)
def test_infrastructure_and_the_operator_come_first(session: Finished) -> None:
    outcome, _ = classify(session)
    if session.ending.by == "infrastructure":
        assert outcome == "infrastructure"
    elif session.ending.by == "operator":
        assert outcome == "stopped_by_operator"
    if outcome in ("budget_exhausted", "ran_to_end"):
        assert session.ending.by == "budget"
    if outcome in ("premature_stop", "converged"):
        assert session.ending.by == "agent"


def case(by: EndedBy, *rewards: float, used: float = 50.0, at: float = 10.0, **more: Any) -> str:
    verdicts = tuple(Judged("scored", r, at * (n + 1)) for n, r in enumerate(rewards))
    final = more.pop("final", verdicts[-1] if verdicts else None)
    session = Finished(Ending(by, "said so"), used, 100.0, 0.5, verdicts, final, **more)
    return classify(session)[0]


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ("no_valid_result", case("agent", 0.0)),
        ("no_valid_result", case("budget", used=100.0)),
        ("tampered", case("agent", 0.6, final=Judged("zero", 0.0, 50.0, cause="tampered"))),
        ("infrastructure", case("budget", 0.6, unjudged="contention")),
        ("stopped_by_operator", case("operator", 0.6, unjudged="contention")),
        ("context_exhausted", case("context", 0.6)),
        ("refused", case("refusal", 0.6)),
        ("gate_failed", case("agent", 0.6, final=Judged("zero", 0.0, 50.0, "correct"))),
        ("regressed", case("agent", 0.6, 0.5)),
        ("premature_stop", case("agent", 0.3)),
        ("premature_stop", case("agent", 0.6, used=80.0, at=78.0)),
        ("converged", case("agent", 0.6)),
        ("converged", case("agent", 0.49)),
        ("converged", case("agent", 0.3, used=60.0)),
        ("budget_exhausted", case("budget", 0.3, used=100.0)),
        ("ran_to_end", case("budget", 0.3, used=100.0, at=90.0)),
        ("ended", case("agent", 0.3, used=95.0, at=90.0)),
    ],
)
def test_examples(expected: str, found: str) -> None:
    assert found == expected


def test_the_evidence_has_the_numbers() -> None:
    verdicts = (Judged("scored", 0.31, 10.0),)
    _, said = classify(Finished(Ending("agent"), 25.0, 100.0, 0.5, verdicts, verdicts[0]))
    assert "25%" in said
    assert "0.310" in said
    assert "0.500" in said
    limits = Thresholds(early=0.1, late=0.1, stalled=0.9)
    session = Finished(Ending("agent"), 25.0, 100.0, 0.5, verdicts, verdicts[0])
    assert classify(session, limits)[0] == "ended"


def test_the_same_files_measured_twice_did_not_regress() -> None:
    before = Judged("scored", 0.4, 10.0, snapshot="s1")
    again = Judged("scored", 0.3, 95.0, snapshot="s1")
    other = Judged("scored", 0.3, 95.0, snapshot="s2")
    for final, expected in ((again, "ended"), (other, "regressed")):
        session = Finished(Ending("agent"), 95.0, 100.0, 0.5, (before, final), final)
        limits = Thresholds(stalled=1.0)
        assert classify(session, limits)[0] == expected
