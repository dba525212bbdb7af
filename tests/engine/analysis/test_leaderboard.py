"""The leaderboard: its figures by hand, its denominators, and what always holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.analysis.leaderboard import Leaderboard, Row, leaderboard
from engine.state import SessionState
from tests.engine.analysis.making import over, point, session, state


def board(*sessions: SessionState, **more: Any) -> Leaderboard:
    return leaderboard(state(*sessions), sessions, **{"replicates": 200, **more})


def grid(rewards: dict[str, dict[str, list[float | None]]], **more: Any) -> list[SessionState]:
    made: list[SessionState] = []
    for model, tasks in rewards.items():
        for task, attempts in tasks.items():
            for reward in attempts:
                made.append(over(f"r-{len(made):03}", reward, model=model, task=task, **more))
    return made


def test_by_hand() -> None:
    found = board(
        *grid(
            {
                "a": {"t1": [0.2, 0.4], "t2": [0.9, 0.7]},
                "b": {"t1": [0.3, 0.3], "t2": [0.1, 0.5]},
                "c": {"t1": [0.0, 0.0], "t2": [0.8, 0.8]},
            }
        )
    )
    assert [row.model for row in found.rows] == ["a", "c", "b"]
    a, c, b = (row.overall for row in found.rows)
    assert a.avg and b.avg and c.avg and a.best and a.dominance and b.dominance and c.dominance
    assert (a.avg.value, b.avg.value, c.avg.value) == pytest.approx((0.55, 0.3, 0.4))
    assert a.best.value == pytest.approx((0.4 + 0.9) / 2)
    # t1: a and b tie at 0.3, c below; t2: a and c tie at 0.8, b below
    assert a.dominance.value == pytest.approx((1.5 + 1.5) / 4)
    assert b.dominance.value == pytest.approx(1.5 / 4)
    assert c.dominance.value == pytest.approx(1.5 / 4)
    assert (a.tasks, a.duels, found.tasks) == (2, 4, 2)
    assert a.error == pytest.approx((0.25**2 + 0.25**2) ** 0.5 / 2)
    assert found.rows[0].attempts == (2, 2)
    assert found.rows[-1].above_next is None
    assert found.rows[0].cells[0].rewards == (0.2, 0.4)
    assert found.remarks == ("an interval over 2 tasks says little",)


def test_what_cannot_be_judged_is_apart_and_counted_as_asked() -> None:
    suspect = over(
        "r-9", 0.9, points=[point(5.0, 0.9, stage="final", status="suspect", reason="too good")]
    )
    sessions = (
        over("r-1", 0.6),
        over("r-2", None),
        over("r-3", 0.5, outcome="infrastructure"),
        over("r-4", 0.2, outcome="stopped_by_operator", assisted=True, official=False),
        suspect,
        session("r-6", [point(1.0, 1.0)]),
    )
    excluded, zero = board(*sessions), board(*sessions, missing="zero")
    [row], [counted] = excluded.rows, zero.rows
    assert row.overall.avg and counted.overall.avg
    assert row.overall.avg.value == pytest.approx(0.4)
    assert counted.overall.avg.value == pytest.approx(0.8 / 4)
    tally = row.tally
    assert (tally.sessions, tally.counted, tally.not_judged, tally.suspect) == (6, 2, 2, 1)
    assert (tally.unfinished, tally.stopped, tally.assisted, tally.unofficial) == (1, 1, 1, 1)
    assert [(one.session, one.standing) for one in excluded.left_out] == [
        ("r-2", "not_judged"),
        ("r-3", "not_judged"),
        ("r-9", "suspect"),
    ]
    assert excluded.left_out[-1].why == "too good"
    assert row.attempts == (2, 2)
    assert counted.attempts == (4, 4)


def test_sessions_that_are_not_alike_are_not_pooled_in_silence() -> None:
    found = board(
        over("r-1", 0.5),
        over("r-2", 0.4, task_hash="i" * 64),
        over("r-3", 0.5, task="u", model="n", budget=50.0),
        over("r-4", 0.5, task="u", model="n", harness_hash="b" * 64),
    )
    assert {cell.task for cell in found.rows[0].cells} == {"t hhhhhhhh", "t iiiiiiii", "u"}
    said = "\n".join(found.remarks)
    assert "t counts as 2 tasks" in said
    assert "sessions of u had different budgets: 50 s, 100 s" in said
    assert "harness minimal was changed" in said
    assert "not every row" in said


def test_one_session_has_no_interval() -> None:
    [row] = board(over("r-1", 0.5)).rows
    assert row.overall.avg and row.overall.avg.interval is None
    assert row.overall.error is None
    assert row.overall.dominance is None
    assert board().rows == ()


def test_rows_that_did_other_tasks_are_not_said_to_be_above() -> None:
    found = board(over("r-1", 0.9, model="a", task="t"), over("r-2", 0.1, model="b", task="u"))
    assert [row.above_next for row in found.rows] == [None, None]
    same = board(over("r-1", 0.9, model="a"), over("r-2", 0.1, model="b"))
    assert same.rows[0].above_next == 1.0


def test_a_row_without_a_judged_session_stands_last() -> None:
    found = board(over("r-1", 0.0, model="z"), over("r-2", None, model="a"))
    assert [row.model for row in found.rows] == ["z", "a"]
    assert found.rows[1].overall.avg is None
    assert found.rows[0].above_next is None


cells = st.dictionaries(
    st.sampled_from(["m1", "m2", "m3"]),
    st.dictionaries(
        st.sampled_from(["t1", "t2", "t3"]),
        st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=5),
        min_size=1,
    ),
    min_size=1,
)


@settings(max_examples=40, deadline=None)
@given(cells, st.sampled_from(["exclude", "zero"]), st.randoms(use_true_random=False))
def test_what_always_holds(rewards: Any, missing: Any, random: Any) -> None:
    sessions = grid(rewards)
    found = board(*sessions, missing=missing, replicates=60)
    shuffled = list(sessions)
    random.shuffle(shuffled)
    assert board(*shuffled, missing=missing, replicates=60) == found
    values = [row.overall.avg.value for row in found.rows if row.overall.avg]
    assert values == sorted(values, reverse=True)
    for row in found.rows:
        check(row)
    every = [row.overall.dominance.value * row.overall.duels
             for row in found.rows if row.overall.dominance]  # fmt: skip
    # each pair at each task gives one point in all
    assert sum(every) == pytest.approx(sum(row.overall.duels for row in found.rows) / 2)


def check(row: Row) -> None:
    for scores in (row.overall, *row.domains.values()):
        for estimate in (scores.avg, scores.best, scores.dominance):
            if estimate is None:
                continue
            assert 0.0 <= estimate.value <= 1.0
            if estimate.interval is not None:
                assert 0.0 <= estimate.interval.low <= estimate.interval.high <= 1.0 + 1e-12
        if scores.avg is not None and scores.best is not None:
            assert scores.avg.value <= scores.best.value + 1e-9  # both are rounded
    if row.above_next is not None:
        assert 0.0 <= row.above_next <= 1.0
