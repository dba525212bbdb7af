"""What model calls used: tokens, turns and money."""

from __future__ import annotations

import msgspec


class Usage(msgspec.Struct, frozen=True):
    """Tokens, turns and money; unknown cost is null, never 0.

    `input`, `cached` (read from a cache) and `cache_write` (written to one) add up to what was
    sent; `reasoning` is a part of `output`. `cost` is what is known to have been spent: the whole
    only while `unpriced`, the calls whose cost is unknown or known in part, is 0. `stated` are the
    calls whose cost the server itself told.
    """

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    turns: int = 0
    cost: float | None = None
    cache_write: int = 0
    unpriced: int = 0
    stated: int = 0

    def __add__(self, other: Usage) -> Usage:
        costs = [c for c in (self.cost, other.cost) if c is not None]
        return Usage(
            self.input + other.input,
            self.cached + other.cached,
            self.output + other.output,
            self.reasoning + other.reasoning,
            self.turns + other.turns,
            sum(costs) if costs else None,
            self.cache_write + other.cache_write,
            self._unpriced() + other._unpriced(),
            self.stated + other.stated,
        )

    def _unpriced(self) -> int:
        """Journals before this field say of a call without a price no more than `cost` null."""
        silent = self.cost is None and (self.turns > 0 or self.tokens > 0)
        return 1 if silent and not self.unpriced else self.unpriced

    @property
    def sent(self) -> int:
        """All tokens of the requests."""
        return self.input + self.cached + self.cache_write

    @property
    def tokens(self) -> int:
        """All tokens that count against a token budget."""
        return self.sent + self.output
