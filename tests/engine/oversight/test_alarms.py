"""What looks stuck, what does not, and who is told."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import Clock, Clocks
from engine.events import (
    AlertRaised,
    AlertsAcknowledged,
    AnyBody,
    Limit,
    SessionPaused,
    SessionResumed,
    ToolFinished,
    Usage,
)
from engine.oversight.alarms import AlarmLimits, alarms
from engine.oversight.supervision import Supervision
from engine.runs.outcomes import Ending
from engine.state import Pause, RunState, SessionState, State
from tests.app.journal import three_sessions
from tests.engine.runs.test_budgets import session

LIMITS = AlarmLimits()
PAUSE = Pause("operator", "", "ann", 0.0)


def busy(**facts: Any) -> SessionState:
    made = session({}, Clocks(state="working", boot="b"))
    heard = {"heard_boot": "b", "heard_stamp": 100.0, "state": "running"}
    return msgspec.structs.replace(made, **{**heard, **facts})


def names(facts: SessionState, now: float) -> set[str]:
    return set(alarms(facts, "b", now, LIMITS))


def test_silence_counts_only_when_nothing_is_in_flight() -> None:
    assert names(busy(), 699.0) == set()
    assert alarms(busy(), "b", 701.0, LIMITS) == {
        "silent": "nothing has happened for 10 min 1 s and nothing is in flight"
    }
    assert names(busy(turn_open=True), 5000.0) == set()
    assert names(busy(tool_open=True, last_tool="bash make"), 3000.0) == set()
    assert names(busy(tool_open=True, last_tool="bash make"), 3800.0) == {"long"}
    assert names(busy(clocks=Clocks(state="waiting", boot="b")), 5000.0) == set()
    assert names(busy(clocks=Clocks(state="paused", boot="b")), 5000.0) == set()
    assert names(busy(heard_boot="before"), 5000.0) == set()


def test_an_alarm_of_silence_does_not_end_it() -> None:
    journal = three_sessions()
    before = journal.state().sessions["s-rising"].heard_stamp
    journal.now += 700
    journal.write(AlertRaised(alert="silent", text="nothing has happened"), "s-rising")
    journal.write(AlertsAcknowledged(alerts=("silent",), by="ann"), "s-rising")
    assert journal.state().sessions["s-rising"].heard_stamp == before
    journal.write(ToolFinished(call="1", tool="bash", code=0, seconds=1.0), "s-rising")
    assert journal.state().sessions["s-rising"].heard_stamp == journal.now


def test_repeats_and_lost_sandboxes_are_said_with_their_numbers() -> None:
    found = alarms(busy(repeats=9, last_tool="bash ls", rebuilds=2), "b", 100.0, LIMITS)
    assert found == {
        "repeating": "the same command 9 times in a row: bash ls",
        "sandbox": "its sandbox was built anew 2 times",
    }


@given(
    st.sampled_from(["queued", "paused", "finished", "failed", "running"]),
    st.floats(0, 1e6),
    st.integers(0, 100),
)
def test_who_waits_for_a_person_or_is_over_raises_none(
    state: str, now: float, repeats: int
) -> None:
    pause = PAUSE if state in ("running", "paused") else None
    assert names(busy(state=state, pause=pause, repeats=repeats), now) == set()


class Watched:
    """A supervision over made-up sessions, and what it did."""

    def __init__(self, *sessions: SessionState, budget: dict[str, Limit] | None = None) -> None:
        self.wall = 0.0
        self.noted: list[tuple[str, AnyBody]] = []
        self.ended: list[tuple[str, Ending]] = []
        self.state = State(sessions={s.id: s for s in sessions})
        ids = [s.id for s in sessions]
        self.run = self.state.runs["r"] = RunState("r", 0.0, {}, ids, budget or {})
        self.supervision = Supervision(
            self.state,
            Clock(lambda: "b", lambda: 100.0, lambda: self.wall),
            note=lambda body, who: self.noted.append((who, body)),
            end=lambda who, ending: self.ended.append((who, ending)),
            committed=lambda _: 0.5,
            limits=LIMITS,
        )


def test_a_pause_with_an_end_is_lifted_when_its_time_has_come() -> None:
    until = Pause("schedule", "", "ann", 0.0, until=50.0)
    watched = Watched(busy(pause=until), busy(id="t", pause=PAUSE))
    every = list(watched.state.sessions.values())
    watched.wall = 49.9
    watched.supervision.lift(every)
    assert watched.noted == []
    watched.wall = 50.0
    watched.supervision.lift(every)
    assert watched.noted == [("s", SessionResumed(by="schedule", why="the pause is over"))]


def test_a_run_s_money_counts_what_is_in_flight() -> None:
    spent = busy(usage=Usage(cost=1.6))
    over = busy(id="t", usage=Usage(cost=1.0), state="finished")
    watched = Watched(spent, over, budget={"cost": Limit(hard=4.0, soft=3.0)})
    watched.supervision.hold_to_budget(watched.run)
    assert watched.ended == []
    [(who, paused)] = watched.noted
    assert who == "s"
    assert isinstance(paused, SessionPaused)
    assert (paused.scope, paused.limit, paused.cause) == ("run", "cost", "soft limit")
    assert "the run's soft cost limit reached: 3.1 USD of 3 USD" in paused.why
    spent.usage = Usage(cost=2.5)
    watched.supervision.turned(spent)
    assert watched.ended == [
        ("s", Ending("budget", "the run's cost limit reached: 4 USD of 4 USD"))
    ]


def test_an_alarm_is_raised_once_and_cleared_when_it_holds_no_more() -> None:
    facts = busy(repeats=9, last_tool="bash ls")
    watched = Watched(facts)
    watched.supervision.alarm(facts)
    [(_, raised)] = watched.noted
    assert raised.alert == "repeating"
    facts.alerts = [msgspec.convert({"id": "repeating", "text": "", "at": 0.0}, alert_type())]
    watched.supervision.alarm(facts)
    assert len(watched.noted) == 1
    facts.repeats = 1
    watched.supervision.alarm(facts)
    assert watched.noted[1][1].alert == "repeating"


def alert_type() -> Any:
    from engine.state import Alert

    return Alert
