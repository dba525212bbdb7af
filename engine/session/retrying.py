"""The failures of one model call: what is waited for, and what the operator is asked to mend."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from engine.clock import ClockCause, PauseCause
from engine.events import (
    ActivityChanged,
    AlertCleared,
    AlertRaised,
    AnyBody,
    ModelRetried,
    SessionPaused,
)
from engine.models.retry import Retries, RetryPolicy
from engine.models.types import ModelError
from engine.session.gate import Gate

_ALARMING = 3  # failures in a row of which the operator should know
_ALERT = "model"
_PAUSED = "paused"
_REMEDIES: Mapping[PauseCause, str] = {
    "missing key": "mend the key, then resume",
    "no credit": "mend the account, then resume",
    "unreachable": "see that the provider can be reached, then resume",
}


class Trouble:
    """One call's failures so far. `record` journals an event of the session."""

    def __init__(
        self,
        policy: RetryPolicy,
        record: Callable[[AnyBody], Awaitable[object]],
        gate: Gate,
    ) -> None:
        self._policy = policy
        self._retries = Retries(policy)
        self._record = record
        self._gate = gate
        self._alarmed = False

    async def wait(self, error: ModelError) -> float | None:
        """Seconds to wait before the call is tried again; None when waiting mends nothing."""
        wait = self._retries.wait(error)
        if wait is None:
            return None
        failures = self._retries.failures
        self._alarmed = self._alarmed or failures >= _ALARMING
        await self._record(
            ModelRetried(
                attempt=failures, cause=error.cause, wait=round(wait, 3), detail=error.detail
            )
        )
        if failures == _ALARMING:
            text = f"the model has failed {failures} times: {error}"
            await self._record(AlertRaised(alert=_ALERT, text=text))
        await self._record(ActivityChanged(activity=f"waiting {wait:.0f} s after {error.cause}"))
        return wait

    async def mended(self, error: ModelError, turn: int) -> bool:
        """Pause the session for what the operator can mend, and wait; False for anything else.

        The work so far is kept, and the call is tried again with new patience.
        """
        cause = _pause_cause(error, turn)
        if cause is None:
            return False
        why = f"{error}; {_REMEDIES[cause]}"
        await self._record(AlertRaised(alert=_PAUSED, text=why))
        await self._record(SessionPaused(cause=cause, why=why))
        await self._gate.passed()
        await self._record(AlertCleared(alert=_PAUSED))
        self._retries = Retries(self._policy)
        return True

    async def over(self) -> None:
        """An answer came."""
        if self._alarmed:
            await self._record(AlertCleared(alert=_ALERT))


def clock_cause(error: ModelError) -> ClockCause:
    """What a session's clock says while the call waits after this failure."""
    return "rate limit" if error.failure == "rate_limit" else "retry"


def _pause_cause(error: ModelError, turn: int) -> PauseCause | None:
    """Why the session is paused rather than ended by this failure; None when it is not.

    A provider that was never reached is more likely a wrong address than an outage.
    """
    match error.failure:
        case "auth":
            return "missing key"
        case "quota":
            return "no credit"
    return "unreachable" if error.kind == "retry" and turn > 1 else None
