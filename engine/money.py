"""What tokens cost, in US dollars: a price as it was when a session was created. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from engine.usage import Usage

STATED = "settings"  # the source of a price that the operator gave


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars for a million tokens.

    Input that was read from or written to a cache costs `input` unless `cached` or `cache_write`
    is given.
    """

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None

    def cost(self, usage: Usage) -> float:
        """What these tokens cost at these rates."""
        cached = self.input if self.cached is None else self.cached
        written = self.input if self.cache_write is None else self.cache_write
        spent = usage.input * self.input + usage.output * self.output
        return (spent + usage.cached * cached + usage.cache_write * written) / 1e6


class Tier(Rates, frozen=True, kw_only=True):
    """The rates of a whole call, output too, that sends more than `above` tokens."""

    above: int


class Hours(Rates, frozen=True, kw_only=True):
    """Rates of a part of the day: from minute `since` (UTC) to before `until`, maybe past midnight.

    They go before the price's own.
    """

    since: int
    until: int
    tiers: tuple[Tier, ...] = ()

    def hold(self, at: float) -> bool:
        """Whether they hold at a Unix time."""
        moment = datetime.fromtimestamp(at, UTC)
        minute = moment.hour * 60 + moment.minute
        if self.until < self.since:
            return minute >= self.since or minute < self.until
        return self.since <= minute < self.until


class Price(Rates, frozen=True, kw_only=True):
    """What a model's tokens cost, and who says so.

    `source` is "settings" or the package and version of a price list; `model` is what that list
    calls the model. Where several `hours` hold the last one counts.
    """

    tiers: tuple[Tier, ...] = ()
    hours: tuple[Hours, ...] = ()
    source: str = STATED
    model: str = ""

    def rates(self, sent: int, at: float) -> Rates:
        """The rates of a call that sends so many tokens at a Unix time."""
        now = next((h for h in reversed(self.hours) if h.hold(at)), self)
        reached = [tier for tier in now.tiers if sent > tier.above]
        return max(reached, key=lambda tier: tier.above) if reached else now

    def of(self, usage: Usage, at: float) -> float:
        """What one call costs that was made at a Unix time."""
        return self.rates(usage.sent, at).cost(usage)
