"""Which snapshot a name means, and what is known of each."""

from __future__ import annotations

from typing import Any

import pytest

from engine.events import BaselineKept, Event, SessionMoved, SnapshotTaken, VerdictGiven
from engine.state import State, reduce
from engine.storage.history import History, SnapshotNameError
from tests.engine.state.test_state_fold import created
from verifier.verdict import Seal, Verdict

A, B, C, BASE = "aa11" + "0" * 60, "aa12" + "0" * 60, "c3" + "1" * 62, "ba5e" + "0" * 60


def verdict(snapshot: str, reward: float | None, stage: str = "checkpoint") -> VerdictGiven:
    given: Any = Verdict(
        id=f"v{reward}",
        task="t",
        task_hash="h",
        snapshot=snapshot,
        stage=stage,  # type: ignore[arg-type]
        status="not_judged" if reward is None else "scored",
        reward=reward,
        seal=Seal("full", "driver", True),
        reason="",
        seconds=1.0,
        at="",
    )
    return VerdictGiven(verdict=given, active=1.0, wall=1.0)


def taken(snapshot: str) -> SnapshotTaken:
    return SnapshotTaken(snapshot=snapshot, files=("x",), size=3, active=2.0)


def history(*bodies: Any) -> History:
    state, events = State(), []
    for seq, body in enumerate([created("a-01"), *bodies], 1):
        events.append(Event("e", seq, 1e9 + seq, "b", 1.0, "a-01", body))
        reduce(state, events[-1])
    return History.of(state.sessions["a-01"], events)


WHOLE = history(
    BaselineKept(snapshot=BASE, files=("x",), size=3),
    *(taken(A), verdict(A, 0.2), taken(B), verdict(B, 0.4), taken(A), taken(C)),
    SessionMoved(state="verifying"),
    verdict(C, 0.3, "final"),
)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *(("baseline", BASE), ("first", A), ("last", C), ("best", B), ("final", C)),
        *(("aa11", A), ("AA12", B), ("c311", C), ("ba5e", BASE), (A, A)),
    ],
)
def test_words_and_beginnings_name_snapshots(name: str, meant: str) -> None:
    assert WHOLE.find(name) == meant


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("aa1", "at least 4 digits"),
        ("worst", "one of baseline, first, last, best, final"),
        ("../x", "names no snapshot"),
        ("dddd", "begins with 'dddd'"),
    ],
)
def test_other_names_are_refused_with_a_remedy(name: str, said: str) -> None:
    with pytest.raises(SnapshotNameError, match=said):
        WHOLE.find(name)


def test_a_beginning_of_several_names_them() -> None:
    several = history(taken("abcd1" + "0" * 59), taken("abcd2" + "0" * 59))
    with pytest.raises(SnapshotNameError, match=r"2 snapshots .* abcd10+, abcd20+"):
        several.find("abcd")


@pytest.mark.parametrize("word", ["baseline", "first", "last", "best", "final"])
def test_what_there_is_not_yet_is_said(word: str) -> None:
    with pytest.raises(SnapshotNameError, match=f"has no {word} snapshot"):
        history().find(word)


def test_what_was_before_and_what_came_of_it() -> None:
    assert WHOLE.before(A) == BASE
    assert WHOLE.before(B) == A
    assert WHOLE.before(C) == A
    with pytest.raises(SnapshotNameError, match="nothing before"):
        WHOLE.before(BASE)
    assert [WHOLE.marks(s) for s in (BASE, A, B, C)] == [
        *(("baseline",), (), ("best",), ("last", "final")),
    ]
    assert WHOLE.verdict(A).reward == 0.2  # type: ignore[union-attr]
    assert WHOLE.verdict(BASE) is None
    with pytest.raises(SnapshotNameError, match="none has a reward above 0"):
        history(taken(A), verdict(A, 0.0)).find("best")
    failed = history(taken(A), verdict(A, 0.2), verdict(A, None))
    assert failed.verdict(A).reward == 0.2  # type: ignore[union-attr]
