"""How the engine itself fares: how late its loop runs, and what the providers refuse."""

from __future__ import annotations

from collections import Counter, deque

_LAG_SECONDS = 60.0
_ERROR_SECONDS = 3600.0


class Health:
    """What happened lately. Written on the sessions' loop, read on any thread."""

    def __init__(self) -> None:
        self._lags: deque[tuple[float, float]] = deque()
        self._errors: deque[tuple[float, str]] = deque()

    def lagged(self, now: float, seconds: float) -> None:
        """The loop was this late at `now` (boottime)."""
        self._lags.append((now, seconds))
        while self._lags and self._lags[0][0] < now - _LAG_SECONDS:
            self._lags.popleft()

    def failed(self, now: float, cause: str) -> None:
        """A model call failed at `now` (boottime)."""
        self._errors.append((now, cause))
        while self._errors and self._errors[0][0] < now - _ERROR_SECONDS:
            self._errors.popleft()

    def worst_lag(self) -> float:
        """The worst delay of the last minute, in seconds."""
        return max((seconds for _, seconds in tuple(self._lags)), default=0.0)

    def errors(self, now: float) -> dict[str, int]:
        """How many model calls failed in the last hour, by cause."""
        recent = (cause for at, cause in tuple(self._errors) if at >= now - _ERROR_SECONDS)
        return dict(Counter(recent).most_common())
