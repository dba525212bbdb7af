"""How long to wait before a failed model call is tried again, and when to give up. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import random as uniform

from engine.models.types import ModelError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A finite budget of patience for one turn; seconds."""

    attempts: int = 10
    first: float = 1.0
    longest: float = 60.0
    patience: float = 1800.0  # all waits of one turn together


class Retries:
    """The failures of one turn so far."""

    def __init__(self, policy: RetryPolicy, random: Callable[[], float] = uniform) -> None:
        self._policy = policy
        self._random = random
        self._waited = 0.0
        self.failures = 0

    def wait(self, error: ModelError) -> float | None:
        """Seconds to wait before the next attempt; None when this error ends the session.

        A server's Retry-After is obeyed as long as the patience allows it; otherwise the wait
        doubles from failure to failure, and up to a quarter is taken off at random so that
        sessions that failed together do not come back together.
        """
        self.failures += 1
        if error.kind != "retry" or self.failures >= self._policy.attempts:
            return None
        if error.retry_after is not None:
            wait = error.retry_after + 0.25 * self._random()
        else:
            doubled = self._policy.first * 2.0 ** (self.failures - 1)
            wait = min(self._policy.longest, doubled) * (1.0 - 0.25 * self._random())
        if self._waited + wait > self._policy.patience:
            return None
        self._waited += wait
        return wait
