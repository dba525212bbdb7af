"""The harness effect and the persistence index, against values worked out by hand."""

from __future__ import annotations

from random import Random

import pytest

from engine.analysis.harness_effect import harness_effect
from engine.analysis.persistence_index import persistence_index
from engine.cycles import Cycles
from engine.events import Usage
from engine.state import SessionState
from tests.engine.analysis.making import BOOT, over, state


def grid(tasks: int, attempts: int, reward: object) -> list[SessionState]:
    found: list[SessionState] = []
    for m in range(2):
        for h in range(2):
            for t in range(tasks):
                for k in range(attempts):
                    value = reward(m, h, t, k)  # type: ignore[operator]
                    found.append(
                        over(
                            f"r-{len(found):03}", value, model=f"m{m}", harness=f"h{h}",
                            task=f"t{t}", usage=Usage(cost=1.0 + h),
                        )
                    )  # fmt: skip
    return found


def test_a_harness_that_adds_a_tenth() -> None:
    sessions = grid(3, 1, lambda m, h, t, k: 0.2 + 0.4 * m + 0.1 * h + 0.05 * t)
    found = harness_effect(state(*sessions), sessions)
    assert found is not None
    assert found.grid[0] == pytest.approx((0.25, 0.35))
    assert found.grid[1] == pytest.approx((0.65, 0.75))
    v = found.variances
    # two values 0.1 (0.4) apart have the variance 0.1**2 / 2 (0.4**2 / 2)
    assert (v.harness, v.model) == pytest.approx((0.005, 0.08))
    assert (v.interaction, v.rest) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert v.task == pytest.approx(0.05**2)
    assert v.attempt is None
    assert [(c.harness, c.cost, c.known) for c in found.costs] == [("h0", 1.0, 6), ("h1", 2.0, 6)]
    swing = found.swings[0]
    assert (swing.worst, swing.best) == ("h0", "h1")
    assert swing.high - swing.low == pytest.approx(0.1)


def test_an_interaction_and_noise_are_told_apart() -> None:
    random = Random(4)
    sessions = grid(30, 6, lambda m, h, t, k: 0.5 + 0.2 * (m == h) - 0.1 + random.gauss(0.0, 0.05))
    found = harness_effect(state(*sessions), sessions)
    assert found is not None
    v = found.variances
    assert v.interaction == pytest.approx(0.04, rel=0.1)  # 4 * 0.1**2, one degree of freedom
    assert v.attempt == pytest.approx(0.05**2, rel=0.2)
    assert max(v.model, v.harness) == 0.0
    assert max(v.task, v.rest) < 0.0003


def test_a_grid_with_holes_uses_the_tasks_that_are_whole() -> None:
    sessions = grid(3, 1, lambda m, h, t, k: 0.1)
    left = [s for s in sessions if (s.model, s.harness, s.task) != ("m0", "h0", "t1")]
    found = harness_effect(state(*left), left)
    assert found is not None and found.tasks == ("t0", "t2")
    alone = [s for s in sessions if s.harness == "h0"]
    assert harness_effect(state(*alone), alone) is None


def test_the_persistence_index_by_hand() -> None:
    sessions = [
        over(f"r-{n}", n / 10, task=f"t{n % 5}", used=10.0 * n, cycles=Cycles(count=9 - n))
        for n in range(1, 8)
    ]
    found = {c.figure: c for c in persistence_index([*sessions, over("r-9", None)], BOOT, 0.0)}
    assert found["used"].rho == pytest.approx(1.0)
    assert found["iterations"].rho == pytest.approx(-1.0)
    assert found["first"].rho == pytest.approx(1.0)
    assert (found["used"].sessions, found["used"].tasks) == (7, 5)
    interval = found["used"].interval
    assert interval is not None and interval.low == pytest.approx(1.0)
    assert [c.interval for c in persistence_index(sessions[:4], BOOT, 0.0)] == [None] * 3
    assert [c.rho for c in persistence_index([], BOOT, 0.0)] == [None] * 3
