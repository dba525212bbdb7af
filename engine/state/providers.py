"""How each provider's API answers: how often, with what failures, and how many calls at once."""

from __future__ import annotations

import msgspec

from engine.events import Event

WINDOW = 5  # minutes that the figures of "lately" are over
MOST_CAUSES = 100  # that are counted one by one; an answer of a provider's is in their words
OTHERS = "(others)"


class Minute(msgspec.Struct):
    """The calls that came back in one minute, by the engine's wall clock (Unix time / 60)."""

    number: int
    answered: int = 0
    failed: dict[str, int] = msgspec.field(default_factory=dict)  # by cause


class ProviderState(msgspec.Struct):
    """A provider as its accounts were seen through the calls of all sessions.

    `places` is how many calls go to it at once, or None while nothing has been found out since the
    engine started. `answered` and `failed`, by cause, are of all calls in the journal.
    """

    places: int | None = None
    answered: int = 0
    failed: dict[str, int] = msgspec.field(default_factory=dict)
    minutes: list[Minute] = msgspec.field(default_factory=list)  # those of the window, in order

    def rate(self, at: float) -> float:
        """Answers a minute over the window up to Unix time `at`."""
        return sum(minute.answered for minute in self._lately(at)) / WINDOW

    def failures(self, at: float) -> dict[str, int]:
        """Calls that failed within the window up to Unix time `at`, by cause."""
        found: dict[str, int] = {}
        for minute in self._lately(at):
            for cause, count in minute.failed.items():
                found[cause] = found.get(cause, 0) + count
        return found

    def _lately(self, at: float) -> list[Minute]:
        now = int(at // 60)
        return [minute for minute in self.minutes if now - WINDOW < minute.number <= now]


def provider_of(model: str | None) -> str | None:
    """The provider in a model's name; None for an agent without a model."""
    return model.partition("/")[0] if model else None


def forget_places(providers: dict[str, ProviderState]) -> None:
    """A new engine finds out anew how many calls each account bears."""
    for provider in providers.values():
        provider.places = None


def came_back(
    providers: dict[str, ProviderState], name: str, event: Event, cause: str = ""
) -> None:
    """Count a call that was answered, or that failed for `cause`."""
    provider = providers.setdefault(name, ProviderState())
    number = int(event.at // 60)
    if not provider.minutes or provider.minutes[-1].number < number:
        provider.minutes.append(Minute(number))
        del provider.minutes[:-WINDOW]
    minute = provider.minutes[-1]  # also for a wall clock that was set back
    if cause:
        minute.failed[cause] = minute.failed.get(cause, 0) + 1
        known = cause in provider.failed or len(provider.failed) < MOST_CAUSES
        counted = cause if known else OTHERS
        provider.failed[counted] = provider.failed.get(counted, 0) + 1
    else:
        minute.answered += 1
        provider.answered += 1
