"""What a model's tokens cost now: as the settings say, else as the price list says, else unknown.

The list is the package `genai-prices` as it was installed; it is never brought up to date over the
network. It is imported only when a price is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.metadata import version
from math import isclose
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.events import Usage
from engine.models.choice import choose_provider, chosen_settings
from engine.money import Hours, Price, Tier
from engine.settings import ProviderSettings, Settings

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, TieredPrices, TimeOfDateConstraint
    from genai_prices.types import Provider as Listed

# Words in a request that choose another price; with the values on the right it is the usual one.
_CHOOSING: Mapping[str, tuple[str, ...]] = {
    "service_tier": ("auto", "default", "standard", "standard_only"),
    "speed": ("standard",),
}


class Finding(NamedTuple):
    """A price, or why there is none in words."""

    price: Price | None
    why_not: str = ""


def price_of(model: str, settings: Settings, overrides: Mapping[str, Mapping[str, Any]]) -> Finding:
    """The price of `provider/name` at this moment. Raises `ModelChoiceError`.

    A provider is found in the list by its address, since a name proves nothing: what stands behind
    another address has the price that the settings state, or that of the listed provider which they
    name as `list_prices`, or none.
    """
    provider, _ = choose_provider(model, settings, overrides)
    _, chosen, name = chosen_settings(model, settings, overrides)
    if name in chosen.prices:
        stated = chosen.prices[name].model_dump()
        tiers = tuple(Tier(**tier) for tier in stated.pop("tiers"))
        return Finding(Price(**stated, tiers=tiers))
    listed, why_not = _listed_provider(chosen)
    if listed is None:
        return Finding(None, why_not)
    from genai_prices.data_snapshot import get_snapshot

    everyone = get_snapshot().providers
    info = listed.find_model(name.removeprefix("models/"), all_providers=everyone)
    if info is None:
        return Finding(None, f"{_source()} lists no {name} of {listed.name}")
    return _price(listed, info, provider.body, datetime.now(UTC))


def listed_prices(chosen: ProviderSettings) -> dict[str, Price]:
    """The list's prices of a provider's models by name; empty for an address that it lacks."""
    listed, _ = _listed_provider(chosen)
    now = datetime.now(UTC)
    found = {} if listed is None else {m.id: _price(listed, m, {}, now) for m in listed.models}
    return {name: finding.price for name, finding in found.items() if finding.price is not None}


def _source() -> str:
    return f"genai-prices {version('genai-prices')}"


def _listed_provider(chosen: ProviderSettings) -> tuple[Listed | None, str]:
    from genai_prices.data_snapshot import get_snapshot

    snapshot, wanted = get_snapshot(), chosen.list_prices
    if wanted:
        named = next((p for p in snapshot.providers if p.id == wanted), None)
        return named, f"{_source()} has no provider {wanted!r}, which list_prices names"
    try:
        return snapshot.find_provider(None, None, chosen.base_url), ""
    except LookupError:
        return None, f"{_source()} does not know the address {chosen.base_url}"


def _price(listed: Listed, info: ModelInfo, body: Mapping[str, Any], now: datetime) -> Finding:
    chosen = {k: body[k] for k, usual in _CHOOSING.items() if k in body and body[k] not in usual}
    if chosen and not _offers(info, chosen, now):
        words = ", ".join(f"{key} = {value!r}" for key, value in chosen.items())
        return Finding(None, f"{_source()} has no price of {info.id} with {words}")
    standard, by_hours = _conditions(info, now)
    if chosen:
        standard, by_hours = info.get_prices(now, chosen), []
    rates = _rates(standard)
    if rates is None:
        return Finding(None, f"{_source()} states no price for input and output of {info.id}")
    hours = [_hours(constraint, prices) for constraint, prices in by_hours]
    price = Price(
        **rates,
        hours=tuple(h for h in hours if h is not None),
        source=_source(),
        model=f"{listed.id}/{info.id}",
    )
    if None in hours or not _agrees(price, listed, info, chosen, now):
        return Finding(None, f"{_source()} has a price of {info.id} that is not by tokens alone")
    return Finding(price)


def _offers(info: ModelInfo, chosen: Mapping[str, Any], now: datetime) -> bool:
    """Whether the list has a price for exactly this way of asking."""
    met = [
        variant.when
        for variant in info.price_variants or ()
        if (variant.constraint is None or variant.constraint.active(now))
        and all(chosen.get(key) == value for key, value in variant.when.items())
    ]
    return set(chosen) == {key for when in met for key in when}


def _conditions(
    info: ModelInfo, now: datetime
) -> tuple[ModelPrice, list[tuple[TimeOfDateConstraint, ModelPrice]]]:
    """The price of this date, and those of parts of the day that go before it."""
    from genai_prices.types import TimeOfDateConstraint

    if not isinstance(info.prices, list):
        return info.prices, []
    start = 0
    for number, found in enumerate(info.prices):
        limit = found.constraint
        if limit is None or (not isinstance(limit, TimeOfDateConstraint) and limit.active(now)):
            start = number
    later = [(found.constraint, found.prices) for found in info.prices[start + 1 :]]
    return info.prices[start].prices, [
        (limit, prices) for limit, prices in later if isinstance(limit, TimeOfDateConstraint)
    ]


def _rates(found: ModelPrice) -> dict[str, Any] | None:
    """The fields of rates with their tiers; None when input or output has no price."""
    from genai_prices.types import TieredPrices

    parts: dict[str, Decimal | TieredPrices | None] = {
        "input": found.input_mtok,
        "output": found.output_mtok,
        "cached": found.cache_read_mtok,
        "cache_write": found.cache_write_mtok,
    }
    if parts["input"] is None or parts["output"] is None:
        return None
    starts = {t.start for p in parts.values() if isinstance(p, TieredPrices) for t in p.tiers}
    tiers = [
        Tier(**{key: _at(part, start + 1) for key, part in parts.items()}, above=start)
        for start in sorted(starts)
    ]
    return {**{key: _at(part, 0) for key, part in parts.items()}, "tiers": tuple(tiers)}


def _at(part: Decimal | TieredPrices | None, sent: int) -> Any:
    """One rate of a call that sends so many tokens."""
    if part is None or isinstance(part, Decimal):
        return None if part is None else float(part)
    reached = [tier for tier in part.tiers if sent > tier.start]
    return float(reached[-1].price if reached else part.base)


def _hours(limit: TimeOfDateConstraint, prices: ModelPrice) -> Hours | None:
    rates = _rates(prices)
    if rates is None:
        return None
    return Hours(**rates, since=_minute(limit.start_time), until=_minute(limit.end_time))


def _minute(moment: time) -> int:
    """The minute of the day in UTC; a time without a zone is in UTC."""
    aware = datetime.combine(date(2000, 1, 1), moment, moment.tzinfo or UTC).astimezone(UTC)
    return aware.hour * 60 + aware.minute


def _agrees(
    price: Price, listed: Listed, info: ModelInfo, chosen: Mapping[str, Any], now: datetime
) -> bool:
    """Whether what is kept gives what the list itself calculates, below and above every tier."""
    from genai_prices import Usage as Counted

    tiers = [*price.tiers, *(tier for hours in price.hours for tier in hours.tiers)]
    for sent in (1000, *(tier.above + 1000 for tier in tiers)):
        usage = Usage(input=sent - 700, cached=400, cache_write=300, output=200, reasoning=50)
        counted = Counted(
            input_tokens=sent,
            cache_read_tokens=usage.cached,
            cache_write_tokens=usage.cache_write,
            output_tokens=usage.output,
            output_reasoning_tokens=usage.reasoning,
        )
        theirs = info.calc_price(
            counted, listed, genai_request_timestamp=now, price_context=chosen or None
        )
        if not isclose(float(theirs.total_price), price.of(usage, now.timestamp()), abs_tol=1e-12):
            return False
    return True
