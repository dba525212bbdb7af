"""A suspect verdict counts nowhere until a person has looked at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.analysis.leaderboard import leaderboard
from engine.events import RunCreated, SessionEnded, SessionMoved, VerdictGiven, VerdictReleased
from engine.journal import Journal
from engine.runs.orders import OrderRefusedError, Orders, Release
from engine.runs.selecting import NothingSelectedError
from engine.state import State, reduce
from tests.engine.state.test_state_fold import created
from verifier.verdict import Seal, Status, Verdict


def given(name: str, reward: float, status: Status) -> VerdictGiven:
    verdict = Verdict(
        id=name,
        session="a-01",
        task="t",
        task_hash="h",
        snapshot=f"s-{name}",
        stage="final" if name == "v-3" else "checkpoint",
        reward=reward,
        status=status,
        cause="implausible" if status == "suspect" else None,
        seal=Seal("full", "driver", True),
        reason="beyond the bound",
        seconds=1.0,
        at="2026-11-25T10:00:00.000Z",
    )
    return VerdictGiven(verdict=verdict, active=float(name[2:]), wall=6.0)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """One finished session with an ordinary verdict and two that are suspect."""
    journal = Journal(tmp_path / "j")
    journal.append(RunCreated(run="a", sessions=("a-01",), spec={"size": "quick"}))
    ended = SessionEnded(ended_by="agent", outcome="converged", evidence="", final_reward=0.9)
    for body in (
        created("a-01"),
        given("v-1", 0.3, "scored"),
        given("v-2", 0.8, "suspect"),
        given("v-3", 0.9, "suspect"),
        ended,
        SessionMoved(state="finished"),
    ):
        last = journal.append(body, "a-01")
    last.result(5)
    return journal


def folded(journal: Journal) -> State:
    state = State()
    for event in journal.events():
        reduce(state, event)
    return state


async def test_a_released_verdict_counts_and_the_journal_says_who_let_it(journal: Journal) -> None:
    before = folded(journal)
    assert before.sessions["a-01"].best_reward == 0.3
    board = leaderboard(before, before.sessions.values(), replicates=10)
    assert (board.tally.counted, board.tally.suspect) == (0, 1)

    orders = Orders(journal, lambda: folded(journal))
    release = Release(globs=("v-3",), by="ann", why="a better algorithm")
    assert await orders.give(release, dry_run=True) == ["v-3"]
    assert folded(journal).sessions["a-01"].best_reward == 0.3
    assert await orders.give(release, dry_run=False) == ["v-3"]
    assert await orders.give(release, dry_run=False) == []

    *_, event = journal.events()
    assert event.body == VerdictReleased(verdict="v-3", by="ann", why="a better algorithm")
    assert event.session == "a-01"
    after = folded(journal)
    session = after.sessions["a-01"]
    assert (session.best_reward, session.best_snapshot) == (0.9, "s-v-3")
    assert [p.best for p in session.points] == [0.3, 0.3, 0.9]
    assert [(p.status, p.released) for p in session.points] == [
        ("scored", ""),
        ("suspect", ""),
        ("scored", "ann"),
    ]
    board = leaderboard(after, after.sessions.values(), replicates=10)
    assert (board.tally.counted, board.tally.suspect) == (1, 0)
    journal.close()


async def test_only_what_is_held_can_be_released(journal: Journal) -> None:
    orders = Orders(journal, lambda: folded(journal))
    with pytest.raises(NothingSelectedError, match="held for a person: v-2, v-3"):
        await orders.give(Release(globs=("v-9",)), dry_run=False)
    with pytest.raises(OrderRefusedError, match="v-1 is scored, and only a suspect one"):
        await orders.give(Release(globs=("v-2", "v-1")), dry_run=False)
    assert folded(journal).sessions["a-01"].best_reward == 0.3
    journal.close()
