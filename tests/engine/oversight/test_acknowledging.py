"""Alerts that are raised, acknowledged, cleared and raised anew; live warnings among them."""

from __future__ import annotations

from typing import Any

from engine.events import AlertCleared, AlertRaised, AlertsAcknowledged, AnyBody
from engine.oversight.alarms import AlarmLimits
from engine.oversight.supervision import Supervision
from engine.runs.orders import Acknowledge, _body
from engine.runs.outcomes import Ending
from engine.state import State
from tests.app.journal import Journal
from tests.app.served import still_clock


def asking() -> Journal:
    journal = Journal()
    journal.engine()
    journal.run("r-1", ["s-1"])
    journal.create("s-1")
    journal.start("s-1")
    journal.alert("s-1", "no better for an hour")
    return journal


def test_an_acknowledged_alert_asks_no_more_until_it_is_raised_anew() -> None:
    journal = asking()
    session = journal.state().sessions["s-1"]
    body = _body(session, Acknowledge(globs=("s-1",), by="ann"))
    assert body == AlertsAcknowledged(alerts=("plateau",), by="ann")
    journal.write(body, "s-1")
    session = journal.state().sessions["s-1"]
    assert session.asking == []
    assert session.alerts[0].acknowledged == "ann"
    assert _body(session, Acknowledge(globs=("s-1",))) is None
    journal.write(AlertCleared(alert="plateau"), "s-1")
    assert journal.state().sessions["s-1"].alerts == []
    journal.alert("s-1", "no better for an hour")
    assert len(journal.state().sessions["s-1"].asking) == 1


def supervised(state: State, journal: Journal) -> list[AnyBody]:
    noted: list[AnyBody] = []

    def end(session: str, ending: Ending) -> None:
        raise AssertionError((session, ending))

    def note(body: AnyBody, session: str) -> Any:
        assert session == "s-1"
        noted.append(body)

    looking = Supervision(
        state,
        still_clock(journal),
        note=note,
        end=end,
        committed=lambda run: 0.0,
        limits=AlarmLimits(),
    )
    looking.alarm(state.sessions["s-1"])
    return noted


def test_a_plateau_is_raised_with_its_numbers_and_cleared_by_an_improvement() -> None:
    journal = Journal()
    journal.engine()
    journal.run("r-1", ["s-1"])
    journal.create("s-1", active=1000.0)
    journal.start("s-1")
    journal.verdict("s-1", 10, 0.2, speedup=2.0)
    journal.wait(600)
    journal.turn("s-1", 1)
    (raised,) = supervised(journal.state(), journal)
    assert isinstance(raised, AlertRaised)
    assert raised.alert == "plateau"
    assert "no improvement in the last" in raised.text
    journal.write(raised, "s-1")
    assert supervised(journal.state(), journal) == []
    journal.verdict("s-1", 600, 0.4, speedup=4.0)
    assert supervised(journal.state(), journal) == [AlertCleared(alert="plateau")]
