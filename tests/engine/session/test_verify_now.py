"""A verdict on what a live session's files are now, asked for by a person."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.events import VerificationAsked, VerificationDropped
from tests.engine.session.test_restore import WAIT, Played, by_turns
from tests.engine.support import ChatServer, EngineProcess, text_turn, tool_turn, wait_for

pytestmark = pytest.mark.usefixtures("sandboxes")


def test_it_is_given_in_the_middle_of_a_command_and_not_twice(
    engine: EngineProcess, suite: Path
) -> None:
    turns = (
        tool_turn("bash", {"command": f"echo 30 > answer.txt; {WAIT}"}),
        text_turn("done"),
    )
    with ChatServer(by_turns(*turns)) as server:
        session = Played(engine, suite, server)
        session.until("bash echo 30")
        wait_for(lambda: (session.workspace / "answer.txt").read_text() == "30\n")

        def order(dry_run: bool = False) -> list[str]:
            asked = {"globs": [session.id], "by": "ann", "why": "curious"}
            return engine.client.order("verify", asked, dry_run=dry_run)

        assert order(dry_run=True) == [session.id]
        assert session.events(VerificationAsked) == []
        assert order() == [session.id]
        wait_for(lambda: engine.session(session.id).points)
        assert engine.session(session.id).points[0].reward == pytest.approx(0.7)
        assert order() == [session.id]  # the same files again: said, not judged
        wait_for(lambda: session.events(VerificationDropped))
        facts = engine.session(session.id)
        assert facts.verify_dropped.startswith("its files are as verdict")
        assert (len(facts.points), facts.verify_asked, facts.assisted) == (1, False, False)
        # A paused one is judged, too.
        (session.workspace / "answer.txt").write_text("20\n")
        engine.client.order("pause", {"globs": [session.id], "by": "ann", "now": True})
        wait_for(lambda: engine.session(session.id).state == "paused")
        order()
        wait_for(lambda: len(engine.session(session.id).points) == 2)
        assert engine.session(session.id).state == "paused"
        engine.client.order("resume", {"globs": [session.id], "by": "ann"})
        session.go()
        state = engine.until_over(session.id)
        assert order() == []  # it is over
    told = [item.text for item in state.feed if item.kind == "verify"]
    assert told[0] == "a verdict is asked for by ann: curious"
    assert told[2].startswith("no new verdict: its files are as verdict")


def test_what_runs_in_a_sandbox_is_told(engine: EngineProcess, suite: Path) -> None:
    turns = (
        tool_turn("bash", {"command": f"sleep 1000 & {WAIT}; kill %1"}),
        text_turn("done"),
    )
    with ChatServer(by_turns(*turns)) as server:
        session = Played(engine, suite, server)
        session.until("bash sleep 1000")
        found = wait_for(
            lambda: next(
                (
                    one
                    for one in engine.client.processes(session.id)["processes"]
                    if one["command"] == "sleep 1000"
                ),
                None,
            )
        )
        answer = engine.client.processes(session.id)
        assert answer["sandbox"]
        assert answer["left_out"] == 0
        pids = [one["pid"] for one in answer["processes"]]
        assert found["parent"] in pids[: pids.index(found["pid"])]  # parents come first
        assert found["depth"] > 0
        assert found["memory"] > 0
        assert 0 <= found["age"] < 600
        session.go()
        engine.until_over(session.id)
        after = engine.client.processes(session.id)
        assert (after["sandbox"], after["processes"]) == (False, [])
