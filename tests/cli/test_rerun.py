"""Which cells of a run are launched again."""

from __future__ import annotations

import pytest

from autolab_tui.cli.failures import CommandError
from autolab_tui.cli.rerun import spec_of
from engine.events import Event, RunCreated, SessionCreated, SessionEnded, SessionMoved
from engine.state import State, reduce

SPEC = {"tasks": ["*"], "models": ["a/b"], "attempts": 2, "harnesses": ["minimal"]}


def folded(*rewards: float | None) -> State:
    """A run with a session for each reward; the last one still goes on."""
    names = tuple(f"r-{n:02d}" for n in range(1, len(rewards) + 2))
    state, seq = State(), 0

    def happened(body: object, session: str | None = None) -> None:
        nonlocal seq
        seq += 1
        reduce(state, Event("e", seq, float(seq), "boot", float(seq), session, body))  # type: ignore[arg-type]

    happened(RunCreated(run="r", sessions=names, spec=SPEC))
    for n, name in enumerate(names, 1):
        created = SessionCreated(
            run="r",
            task="t",
            task_path="/t",
            task_hash="h",
            domain="d",
            model="a/b",
            agent="tools",
            harness="minimal",
            harness_hash="x",
            attempt=n,
            budget={},
        )
        happened(created, name)
    for name, reward in zip(names, rewards, strict=False):
        ended = SessionEnded(ended_by="agent", outcome="ended", evidence="", final_reward=reward)
        happened(ended, name)
        happened(SessionMoved(state="finished"), name)
    return state


def test_the_whole_run_is_what_was_asked_for() -> None:
    assert spec_of(folded(0.5, None), "r", unscored=False) == SPEC


def test_only_what_ended_without_a_reward_is_done_again() -> None:
    spec = spec_of(folded(0.5, None, 0.0), "r", unscored=True)
    assert spec == {**SPEC, "cells": [["t", "a/b", "minimal", 2]]}
    assert spec_of(folded(0.5, 0.0), "r", unscored=True) is None


def test_an_unknown_run_is_named() -> None:
    with pytest.raises(CommandError, match="no run 'x'; there are: r"):
        spec_of(folded(), "x", unscored=False)
