"""Where a price comes from: settings, then the price list, else nowhere, and then it is unknown."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage as Counted
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import TimeOfDateConstraint
from hypothesis import given
from hypothesis import strategies as st

from engine.events import Usage
from engine.models.prices import listed_prices, price_of
from engine.money import Price, Tier
from engine.settings import ProviderSettings, Settings, SettingsError, load_settings

NOW = datetime.now(UTC)
OPENROUTER = "https://openrouter.ai/api/v1"


def settings(**providers: Any) -> Settings:
    return Settings(providers={k: ProviderSettings(**v) for k, v in providers.items()})


@pytest.mark.parametrize(
    ("model", "listed"),
    [
        ("anthropic/claude-opus-5-5", "anthropic/claude-opus-5-5"),
        ("openai/gpt-5.6", "openai/gpt-5.6-sol"),
        ("google/gemini-3.8-flash", "google/gemini-3.8-flash"),
        ("google/models/gemini-3.8-flash", "google/gemini-3.8-flash"),
        ("deepseek/deepseek-v4-pro", "deepseek/deepseek-v4-pro"),
        ("openrouter/anthropic/claude-opus-5", "openrouter/anthropic/claude-opus-5"),
    ],
)
def test_known_providers_are_found_in_the_list(model: str, listed: str) -> None:
    price, why_not = price_of(model, Settings(), {})
    assert why_not == ""
    assert price is not None
    assert price.model == listed
    assert price.source.startswith("genai-prices 0.")
    assert 0.0 < price.input < price.output


def test_long_calls_have_their_own_rates() -> None:
    price = price_of("openai/gpt-5.6", Settings(), {}).price
    assert price is not None
    (tier,) = price.tiers
    assert tier.above == 272_000
    assert price.rates(272_001, 0.0).input > price.rates(272_000, 0.0).input


def test_what_the_settings_say_goes_before_the_list() -> None:
    known = settings(
        openai={
            "base_url": "https://api.openai.com/v1",
            "prices": {
                "gpt-5.6": {
                    "input": 1,
                    "output": 2,
                    "cached": 0.5,
                    "tiers": [{"above": 100, "input": 3, "output": 4}],
                }
            },
        }
    )
    assert price_of("openai/gpt-5.6", known, {}).price == Price(
        input=1.0, output=2.0, cached=0.5, tiers=(Tier(above=100, input=3.0, output=4.0),)
    )
    assert price_of("openai/gpt-5.4", known, {}).price is not None  # the others are still listed


@pytest.mark.parametrize(
    ("provider", "name", "said"),
    [
        ({"base_url": "http://10.0.0.5:8000/v1"}, "gpt-5.6", "does not know the address http://10"),
        ({"base_url": "http://127.0.0.1:1/v1"}, "x", "does not know the address"),
        ({"base_url": "https://api.openai.com/v1"}, "gpt-99", "lists no gpt-99 of OpenAI"),
        ({"base_url": "https://api.openai.com/v1"}, "text-embedding-3-large", "states no price"),
        ({"base_url": OPENROUTER}, "perplexity/sonar-deep-research", "not by tokens alone"),
        ({"base_url": "http://x/v1", "list_prices": "nobody"}, "x", "has no provider 'nobody'"),
        (
            {"base_url": "https://api.openai.com/v1", "body": {"service_tier": "golden"}},
            "gpt-5.6",
            "no price of gpt-5.6-sol with service_tier = 'golden'",
        ),
        (
            {"base_url": "https://api.openai.com/v1", "body": {"service_tier": 7}},
            "gpt-5.6",
            "service_tier = 7",
        ),
    ],
)
def test_a_price_that_cannot_be_known_is_unknown(
    provider: dict[str, Any], name: str, said: str
) -> None:
    price, why_not = price_of(f"lab/{name}", settings(lab=provider), {})
    assert price is None
    assert said in why_not


def test_an_address_counts_and_not_a_name() -> None:
    overrides = {"openai": {"base_url": "http://127.0.0.1:1/v1"}}
    assert price_of("openai/gpt-5.6", Settings(), overrides).price is None
    renamed = settings(mine={"base_url": "https://api.openai.com/v1"})
    assert price_of("mine/gpt-5.6", renamed, {}).price is not None


def test_a_gateway_may_be_said_to_cost_what_another_lists() -> None:
    known = settings(gateway={"base_url": "http://10.0.0.5/v1", "list_prices": "anthropic"})
    price = price_of("gateway/claude-opus-5-5", known, {}).price
    assert price == price_of("anthropic/claude-opus-5-5", Settings(), {}).price


def test_another_way_of_asking_has_its_own_price() -> None:
    def found(**body: str) -> Price:
        known = settings(lab={"base_url": "https://api.openai.com/v1", "body": body})
        price = price_of("lab/gpt-5.6", known, {}).price
        assert price is not None
        return price

    assert found(service_tier="flex").input < found().input < found(service_tier="priority").input
    assert found(service_tier="auto") == found(service_tier="default") == found()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("input = -1\noutput = 2", r"prices.big.input = -1"),
        ("input = 1\noutput = inf", r"prices.big.output = inf"),
        ("input = 1", r"prices.big.output"),
        ("input = 1\noutput = 2\ntiers = [{input = 1, output = 2}]", r"tiers.0.above"),
        ("input = 1\noutput = 2\nunit = 3", r"prices.big.unit = 3"),
    ],
)
def test_a_price_that_does_not_fit_is_named(tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "autolab.toml").write_text(
        f'[providers.lab]\nbase_url = "http://lab/v1"\n[providers.lab.prices.big]\n{text}\n'
    )
    with pytest.raises(SettingsError, match=said):
        load_settings()


# --- the same figures as the list's own arithmetic ------------------------------------------------

LISTED = [
    (provider, model, price)
    for provider in get_snapshot().providers
    for name, price in listed_prices(
        ProviderSettings(base_url="http://lab/v1", list_prices=provider.id)
    ).items()
    for model in provider.models
    if model.id == name
]


def test_most_models_that_write_text_have_a_price() -> None:
    known = {(provider.id, model.id) for provider, model, _ in LISTED}
    assert len(known) > 1500
    assert {p for p, _ in known} >= {"anthropic", "openai", "google", "deepseek", "openrouter"}


@given(
    listed=st.sampled_from(LISTED),
    parts=st.tuples(*[st.integers(0, 600_000)] * 3),
    output=st.integers(0, 100_000),
    moment=st.times(),
)
def test_what_is_kept_costs_what_the_list_says(
    listed: Any, parts: tuple[int, int, int], output: int, moment: time
) -> None:
    provider, model, price = listed
    new, cached, written = parts
    at = datetime.combine(NOW.date(), moment, UTC)
    counted = Counted(
        input_tokens=sum(parts),
        cache_read_tokens=cached,
        cache_write_tokens=written,
        output_tokens=output,
        output_reasoning_tokens=output // 2,
    )
    theirs = model.calc_price(counted, provider, genai_request_timestamp=at)
    usage = Usage(new, cached, output, output // 2, 1, cache_write=written)
    assert price.of(usage, at.timestamp()) == pytest.approx(float(theirs.total_price))


def test_there_are_prices_by_the_hour_among_them() -> None:
    by_hours = [
        model
        for _, model, _ in LISTED
        if isinstance(model.prices, list)
        and any(isinstance(p.constraint, TimeOfDateConstraint) for p in model.prices)
    ]
    kept = [model for _, model, price in LISTED if price.hours]
    assert kept
    assert len(kept) <= len(by_hours)


# --- what it costs to look ------------------------------------------------------------------------


def test_nothing_is_fetched_and_nobody_else_imports_the_list() -> None:
    script = """
import sys
calls = []
def watch(event, arguments):
    if event.startswith(("socket.", "urllib.", "http.", "subprocess.", "os.fork")):
        calls.append(event)
sys.addaudithook(watch)
import threading
import engine.service.engine, engine.session.session, engine.api.server, engine.runs.planning
assert "genai_prices" not in sys.modules, "the engine imports the list before it is asked"
before = list(calls)
from engine.models.prices import price_of
from engine.settings import Settings
assert price_of("anthropic/claude-opus-5-5", Settings(), {}).price is not None
assert price_of("openai/no-such-model", Settings(), {}).price is None
assert calls == before, calls
assert threading.active_count() == 1
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
