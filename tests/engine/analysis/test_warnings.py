"""Warnings of sessions that go on: what sets each off, and what its evidence says."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.analysis.warnings import live_warnings
from engine.events import Limit, SnapshotTaken, Usage
from engine.runs.outcomes import Thresholds
from engine.state import SessionState
from tests.engine.analysis.making import BOOT, over, point, session


def kinds(one: SessionState, **limits: Any) -> list[str]:
    """What warns of sessions of 100 s, whose seconds stand for shares."""
    return [
        w.kind for w in live_warnings(one, BOOT, 0.0, Thresholds(**{"patience": 0.0, **limits}))
    ]


def test_a_plateau_says_since_when_and_how_long() -> None:
    one = session(points=[point(200.0, 0.6)], used=600.0, budget=1000.0)
    [warning] = live_warnings(one, BOOT, 0.0)
    assert (warning.kind, warning.since) == ("plateau", 200.0)
    assert "67%" in warning.evidence
    assert "6 min 40 s" in warning.evidence
    assert "0.600" in warning.evidence
    assert "60% of the budget" in warning.evidence


@pytest.mark.parametrize(
    ("expected", "one"),
    [
        ([], session(points=[point(50.0, 0.6)], used=60.0)),  # improved a while ago
        ([], session(used=5.0)),  # has hardly begun
        ([], session(points=[point(10.0, 1.0)], used=60.0)),  # nothing is left to gain
        ([], over("r-01", 0.1)),
        ([], session(used=60.0, begun=False)),
        ([], session(used=30.0)),  # without any verdict yet it is early
        (["plateau"], session(used=45.0)),
        (["plateau", "at_risk"], session(used=80.0)),
        (["at_risk"], session(points=[point(50.0, 0.3), point(70.0, 0.1)], used=80.0)),
        ([], session(points=[point(75.0, 0.3)], used=80.0)),
        (["plateau"], session(points=[point(10.0, 0.5)], used=90.0)),  # reached the reference
    ],
)
def test_examples(expected: list[str], one: SessionState) -> None:
    assert kinds(one) == expected


def test_what_waits_for_its_verdict_may_be_better_yet() -> None:
    one = session(points=[point(10.0, 0.3)], used=60.0)
    assert kinds(one) == ["plateau"]
    taken = SnapshotTaken(snapshot="a" * 64, files=("solve.c",), size=1, active=58.0)
    for waiting in ({"unjudged": taken}, {"judging": taken}):
        assert kinds(msgspec.structs.replace(one, **waiting)) == []


def test_a_limit_that_is_no_time_puts_at_risk_too() -> None:
    one = session(points=[point(2.0, 0.3)], used=8.0, usage=Usage(input=90))
    one.budget["tokens"] = Limit(100.0)
    [warning] = live_warnings(one, BOOT, 0.0)
    assert warning.kind == "at_risk"
    assert "90% of the tokens limit" in warning.evidence
    assert "budget_exhausted" in warning.evidence


def test_a_failing_gate_is_told_with_its_beginning() -> None:
    points = [point(10.0, 0.4), point(20.0, 0.0, gate="correct"), point(30.0, 0.0, gate="built")]
    [warning] = live_warnings(session(points=points, used=32.0, budget=1000.0), BOOT, 0.0)
    assert (warning.kind, warning.since) == ("gate_failing", 20.0)
    assert "gate built fails: 2 verdicts" in warning.evidence
    assert "0.400" in warning.evidence
    assert kinds(session(points=points[:2], used=32.0, budget=1000.0)) == []
    mended = [*points, point(31.0, 0.2)]
    assert kinds(session(points=mended, used=32.0, budget=1000.0)) == []


def test_stopping_early_is_known_while_the_final_verdict_is_awaited() -> None:
    one = session(points=[point(8.0, 0.2)], used=9.0, state="verifying", state_reason="agent: done")
    [warning] = live_warnings(one, BOOT, 0.0)
    assert warning.kind == "stopping_early"
    assert "9% of the active budget" in warning.evidence
    one.state_reason = "budget: turns limit reached"
    assert kinds(one) == []


def test_the_thresholds_are_settings() -> None:
    one = session(points=[point(20.0, 0.6)], used=60.0)
    assert kinds(one, exhausted=0.9) == []


@pytest.mark.parametrize(
    ("improved", "used", "budget", "warned"),
    [
        (10.0, 60.0, 150.0, False),  # a quick task: 50 s are one turn of a model
        (10.0, 129.0, 150.0, False),
        (10.0, 131.0, 150.0, True),
        (1000.0, 1800.0, 7200.0, True),
        (1000.0, 1700.0, 7200.0, False),  # 700 s of 7200 are less than a tenth
        (100.0, 230.0, None, False),  # without a limit nothing is known of shares
    ],
)
def test_what_is_short_is_no_plateau(
    improved: float, used: float, budget: float | None, warned: bool
) -> None:
    one = session(points=[point(improved, 0.3)], used=used, budget=budget)
    found = [w.kind for w in live_warnings(one, BOOT, 0.0)]
    assert ("plateau" in found) is warned
