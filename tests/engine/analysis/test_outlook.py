"""What a run would come to before it is launched."""

from __future__ import annotations

from engine.analysis.outlook import outlook
from engine.clock import Clock
from engine.events import RunCreated
from engine.state import State
from tests.app.journal import BOOT, Journal
from tests.app.served import still_clock


def planned(journal: Journal, model: str, count: int) -> tuple[RunCreated, dict[str, object]]:
    other = Journal()
    other.engine()
    names = [f"n-{at}" for at in range(count)]
    other.run("r-new", names)
    for name in names:
        other.create(name, model=model, run="r-new", active=600.0)
    made = {e.session: e.body for e in other.events if e.session is not None}
    return RunCreated(run="r-new", sessions=tuple(names), spec={}), made  # type: ignore[return-value]


def past(sessions: int, used: float) -> Journal:
    """Sessions of an older run, each over after `used` seconds and 2 cents."""
    journal = Journal()
    journal.engine()
    for at in range(sessions):
        name = f"s-{at}"
        journal.run(f"r-{at}", [name])
        journal.create(name, model="acme/big", run=f"r-{at}")
        journal.start(name)
        journal.wait(used)
        journal.turn(name, 1, cost=0.02)
        journal.end(name, 0.1, "ended", "it said that it was done")
    return journal


def test_sessions_of_the_same_model_are_the_guide() -> None:
    journal = past(12, used=60.0)
    run, sessions = planned(journal, "acme/big", 4)
    make = outlook(journal.state(), run, sessions, still_clock(journal))  # type: ignore[arg-type]
    assert make is not None
    found = make()
    assert found.open == 4
    assert "12 of other runs as a guide" in found.basis
    assert found.active is not None
    assert found.cost is not None
    assert 200 < found.active.expected < 900  # about a minute each, not ten
    assert found.cost.low >= 0.06
    assert found.cost.high < 1.0


def test_without_a_guide_the_cost_is_not_known_and_the_budget_is_the_bound() -> None:
    journal = past(3, used=60.0)
    run, sessions = planned(journal, "other/model", 2)
    make = outlook(journal.state(), run, sessions, still_clock(journal))  # type: ignore[arg-type]
    assert make is not None
    found = make()
    assert found.cost is None
    assert found.active is not None
    assert found.active.high <= 1200.0


def test_no_session_is_no_outlook() -> None:
    clock = Clock(boot=lambda: BOOT, now=lambda: 1.0, wall=lambda: 1.0)
    assert outlook(State(), RunCreated(run="r", sessions=(), spec={}), {}, clock) is None
