"""The outlook in the header strip."""

from __future__ import annotations

from typing import Any

import pytest

from autolab_tui import words
from autolab_tui.views import ahead, overview
from autolab_tui.views.ahead import Ahead
from autolab_tui.views.fleet import Choice
from autolab_tui.views.layout import remarks
from engine.events import ClockMoved, ModelPaced, ModelRetried, TurnFailed, TurnFinished, Usage
from tests.app.journal import START, Journal, three_sessions
from tests.app.test_views import frame, texts


def said(found: Ahead, journal: Journal) -> str:
    spans = remarks(ahead.remarks(found, frame(journal).moment), 200, (", ", "dim"))
    return "".join(text for text, _ in spans)


def test_each_figure_has_its_interval_and_another_day_its_name() -> None:
    journal = three_sessions()
    soon = START + 3600
    found = Ahead((soon, soon - 600, soon + 86400), (1.0, 0.5, 2.25))
    assert said(found, journal) == "done 17:00 (16:50 to Tue 17:00), for $1.00 ($0.50 to $2.25)"
    assert said(Ahead(None, None), journal) == ""


def test_runs_side_by_side_end_with_the_last_and_cost_their_sum() -> None:
    journal = three_sessions()
    state = journal.state()
    moment = frame(journal).moment
    one = ahead.reckon(state, list(state.runs), moment)()
    assert one is not None
    assert one.finish is not None
    assert one.finish[1] <= one.finish[0] <= one.finish[2]
    twice = ahead.reckon(state, list(state.runs) * 2, moment)()
    assert twice is not None
    assert one.cost is not None
    assert twice.cost is not None
    assert twice.cost[0] == 2 * one.cost[0]
    assert twice.finish == one.finish


async def test_the_fleet_says_when_and_for_how_much(desk: Any) -> None:
    async with desk((200, 50)) as at:
        await at.until(lambda: "done 16:" in at.text() and "for $" in at.text(), "the outlook")


def test_how_a_providers_api_fares() -> None:
    journal = three_sessions()

    def strip(cells: int = 200) -> str:
        return texts(overview.lines(journal.state(), Choice(), frame(journal), cells))

    assert "local 1/min" in strip()
    moved = ClockMoved(to="waiting", reason="429", moment=journal.now, cause="rate limit")
    journal.write(moved, "s-rising")
    assert "local 1/min, 1 backs off" in strip()
    journal.write(ModelRetried(attempt=1, cause="429 rate limit", wait=12.4), "s-rising")
    assert "local 1/min, 1 backs off for 12s " in strip(80)
    journal.wait(10)
    assert "local 1/min, 1 backs off for 2s" in strip()
    journal.wait(10)
    for cause in ("429 rate limit", "529 overloaded", "429 rate limit"):
        journal.write(TurnFailed(turn=5, cause=cause), "s-rising")
    assert "local 1/min, 1 backs off, 2x 429 rate limit +1" in strip()
    journal.write(ModelPaced(provider="local", limit=2, cause="429 rate limit"))
    moved = ClockMoved(to="waiting", reason="busy", moment=journal.now, cause="connection")
    journal.write(moved, "s-rising")
    assert "local 1/min, 2 at once, 1 in line, 2x 429 rate limit +1" in strip()
    assert "local 1/min, 1 in line, 2x 429 rate limit " in strip(80)
    journal.wait(3600)
    journal.write(TurnFinished(turn=5, usage=Usage(), seconds=1.0), "s-rising")
    assert "local under 1/min, 2 at once, 1 in line " in strip()


@pytest.mark.parametrize("active", [1e9, 1e13, 1e300])
def test_a_budget_of_ages_has_a_forecast_all_the_same(active: float) -> None:
    journal = Journal()
    journal.engine()
    journal.run("r-1", ["s-1"])
    journal.create("s-1", run="r-1", active=active)
    journal.start("s-1")
    journal.wait(60)
    journal.turn("s-1", 1)
    journal.verdict("s-1", 50, 0.2, speedup=2.0)
    state, moment = journal.state(), frame(journal).moment
    found = ahead.reckon(state, ["r-1"], moment)()
    assert found is not None
    assert found.finish is not None
    assert said(found, journal).startswith("done ")


def test_what_is_weeks_away_has_its_date() -> None:
    journal = three_sessions()
    days = [START + n * 86400 for n in (3, 10, 400, 1e12)]
    moment = frame(journal).moment
    assert [ahead._clock(at, moment) for at in days] == [
        "Thu 16:00", "4 Dec 16:00", "29 Dec 2026", words.UNKNOWN
    ]  # fmt: skip
