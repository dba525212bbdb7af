"""Prices and sums of money: tiers, hours of the day, and totals that know what they lack."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import SessionCreated, TurnFinished, Usage, decode
from engine.money import Hours, Price, Tier

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC).timestamp()
LONG = Price(
    input=2.0,
    output=10.0,
    cached=0.5,
    cache_write=3.0,
    tiers=(Tier(above=1000, input=4.0, output=20.0), Tier(above=5000, input=8.0, output=40.0)),
)


def at(hour: int, minute: int = 0) -> float:
    return datetime(2026, 1, 1, hour, minute, tzinfo=UTC).timestamp()


def test_each_kind_of_token_has_its_rate() -> None:
    usage = Usage(input=100, cached=200, cache_write=300, output=50, reasoning=20, turns=1)
    spent = (100 * 2.0 + 200 * 0.5 + 300 * 3.0 + 50 * 10.0) / 1e6
    assert LONG.of(usage, NOON) == pytest.approx(spent)


def test_cached_input_costs_as_other_input_unless_it_is_said() -> None:
    price = Price(input=3.0, output=5.0)
    assert price.of(Usage(input=1, cached=2, cache_write=4), 0.0) == pytest.approx(7 * 3.0 / 1e6)


@pytest.mark.parametrize(
    ("sent", "rate"), [(1000, 2.0), (1001, 4.0), (5000, 4.0), (5001, 8.0), (0, 2.0)]
)
def test_a_long_call_costs_the_rates_of_its_tier_throughout(sent: int, rate: float) -> None:
    cached = sent // 2
    rates = LONG.rates(sent, NOON)
    assert rates.input == rate
    usage = Usage(input=sent - cached, cached=cached, output=10)
    cheap = 0.5 if rate == 2.0 else rate
    spent = (usage.input * rate + cached * cheap + 10 * rate * 5) / 1e6
    assert LONG.of(usage, NOON) == pytest.approx(spent)


@pytest.mark.parametrize(
    ("moment", "rate"),
    [
        (at(0, 59), 1.0),
        (at(1), 2.0),
        (at(3, 59), 2.0),
        (at(4), 1.0),
        (at(22), 3.0),
        (at(0, 29), 3.0),
        (at(0, 30), 1.0),
    ],
)
def test_hours_of_the_day_go_before_the_usual_price(moment: float, rate: float) -> None:
    price = Price(
        input=1.0,
        output=1.0,
        hours=(
            Hours(since=60, until=240, input=2.0, output=2.0),
            Hours(since=22 * 60, until=30, input=3.0, output=3.0),
        ),
    )
    assert price.rates(10, moment).input == rate


def test_of_hours_that_overlap_the_last_counts() -> None:
    whole = Hours(since=0, until=1440, input=2.0, output=2.0)
    noon = Hours(
        since=720,
        until=780,
        input=5.0,
        output=5.0,
        tiers=(Tier(above=10, input=9.0, output=9.0),),
    )
    price = Price(input=1.0, output=1.0, hours=(whole, noon))
    assert price.rates(10, NOON).input == 5.0
    assert price.rates(11, NOON).input == 9.0
    assert price.rates(11, at(14)).input == 2.0


# --- totals ---------------------------------------------------------------------------------------

counts = st.integers(0, 10**6)
calls = st.builds(
    Usage,
    input=counts,
    cached=counts,
    output=counts,
    turns=st.integers(0, 1),
    cost=st.none() | st.integers(0, 1000).map(float),
    unpriced=st.integers(0, 1),
)


def nothing_known(call: Usage) -> bool:
    return call.cost is None and (call.turns > 0 or call.tokens > 0)


@given(st.lists(calls, max_size=8), st.integers(0, 8))
def test_a_total_knows_how_many_calls_it_does_not_wholly_know(
    found: list[Usage], middle: int
) -> None:
    total = sum(found, Usage())
    assert total.unpriced == sum(c.unpriced == 1 or nothing_known(c) for c in found)
    known = [c.cost for c in found if c.cost is not None]
    assert total.cost == (sum(known) if known else None)
    halves = sum(found[:middle], Usage()) + sum(found[middle:], Usage())
    assert halves == total


def test_a_call_without_a_price_is_missed_in_the_total() -> None:
    priced = Usage(input=10, turns=1, cost=1.0)
    total = priced + Usage(input=10, turns=1) + priced
    assert (total.cost, total.unpriced, total.turns) == (2.0, 1, 3)
    assert (priced + Usage()).unpriced == 0  # a call that was refused cost nothing


# --- the journal ----------------------------------------------------------------------------------

OLD = '{"engine":"e","seq":1,"at":"2026-01-01T00:00:00.000Z","boot":"b","stamp":1.0,"session":"s",'


def test_journals_from_before_prices_were_kept_still_load() -> None:
    body = decode(
        OLD + '"type":"session.created","run":"r","task":"t","task_path":"/t","task_hash":"",'
        '"domain":"d","model":"l/x","agent":"tools","harness":"minimal","harness_hash":"",'
        '"attempt":1,"budget":{}}'
    ).body
    assert isinstance(body, SessionCreated)
    assert body.price is None
    body = decode(
        OLD + '"type":"turn.finished","turn":1,"seconds":1.0,"usage":{"input":5,"cached":0,'
        '"output":2,"reasoning":0,"turns":1,"cost":null,"cache_write":0}}'
    ).body
    assert isinstance(body, TurnFinished)
    assert (Usage() + body.usage).unpriced == 1


def test_a_price_comes_back_from_the_journal_as_it_was() -> None:
    price = Price(
        input=0.1,
        output=0.2,
        tiers=LONG.tiers,
        hours=(Hours(since=1, until=2, input=1.0, output=1.0, tiers=LONG.tiers),),
        source="list 1.0",
        model="p/m",
    )
    assert msgspec.json.decode(msgspec.json.encode(price), type=Price) == price
