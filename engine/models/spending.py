"""What model calls cost: those that came back, those that broke, and those under way. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from engine.events import Usage
from engine.models.anthropic import MAX_OUTPUT_TOKENS
from engine.models.types import Message, ModelError, Provider, ToolSchema
from engine.models.wire import Answer
from engine.money import Price

BYTES_A_TOKEN = 3.5  # a guess: prose and code have about 4, tables of numbers fewer
FIRST_OUTPUT = 2000  # tokens of an answer, before any has told what is usual


def priced(usage: Usage, price: Price | None, at: float) -> Usage:
    """The usage of one whole call made at a Unix time, with its cost.

    What the server stated goes before the price. A call of which no tokens are told, or that has
    no price, is `unpriced`.
    """
    if usage.cost is not None:
        return msgspec.structs.replace(usage, stated=1)
    if price is None or not usage.tokens:
        return msgspec.structs.replace(usage, unpriced=1)
    return msgspec.structs.replace(usage, cost=price.of(usage, at))


def of_failed(told: Usage, price: Price | None, at: float, *, whole: bool, begun: bool) -> Usage:
    """The usage of one call that brought no answer, as far as its stream told.

    `whole` says that the stream came to its end, so that its figures are final; otherwise the cost
    is known in part at most. `begun` says that there was an answer to be paid. No turn is counted.
    """
    spent = msgspec.structs.replace(told, turns=0)
    if not begun and not told.tokens and told.cost is None:
        return Usage()
    cost = priced(spent, price, at)
    return cost if whole else msgspec.structs.replace(cost, unpriced=1)


@dataclass(slots=True)
class Course:
    """How far one call has come: made `at` a Unix time; a good status, a delta, the end."""

    answer: Answer
    at: float
    answered: bool = False
    heard: bool = False
    ended: bool = False

    def spent(self, error: BaseException, price: Price | None) -> Usage:
        """What it used, although it failed so or was left."""
        failed = error if isinstance(error, ModelError) else None
        broken = failed is None or failed.failure in ("network", "broken_stream")
        silent = failed is None or failed.unanswered
        begun = (self.heard or broken) if self.answered else silent
        whole = self.answer.done or (self.ended and not broken)
        return of_failed(self.answer.usage(), price, self.at, whole=whole, begun=begun)


def request_bytes(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> int:
    """About how large a request is, in bytes of what a model reads."""
    said = [m.text + m.reasoning for m in messages]
    said += [call.name + call.arguments for m in messages for call in m.tool_calls]
    carried = [m.carried.items for m in messages if m.carried is not None]
    offered = [(tool.name, tool.description, tool.parameters) for tool in tools]
    return sum(len(text.encode()) for text in said) + len(msgspec.json.encode([carried, offered]))


def most_output(provider: Provider) -> int | None:
    """The most tokens of one answer, as the provider's settings ask for them; None: no limit."""
    body = provider.body
    stated = [body.get(k) for k in ("max_tokens", "max_completion_tokens", "max_output_tokens")]
    config = body.get("generationConfig")
    stated.append(config.get("maxOutputTokens") if isinstance(config, Mapping) else None)
    laid_over = next((n for n in stated if isinstance(n, int) and n > 0), None)
    usual = MAX_OUTPUT_TOKENS if provider.api == "anthropic" else None
    return laid_over or provider.max_output_tokens or usual


def committed(
    price: Price, sent_bytes: int, max_output: int | None, before: Usage, at: float
) -> float:
    """US dollars that a call under way will probably cost.

    `sent_bytes` is the size of its request, `max_output` the most tokens it may answer with (None
    where nothing limits it), `before` what the same conversation has used: the call is taken to be
    cached as much and answered at such length as those before it.
    """
    sent = round(sent_bytes / BYTES_A_TOKEN)
    cached = round(sent * before.cached / before.sent) if before.sent else 0
    output = round(before.output / before.turns) if before.turns else FIRST_OUTPUT
    if max_output is not None:
        output = min(output, max_output)
    return price.of(Usage(input=sent - cached, cached=cached, output=output), at)
