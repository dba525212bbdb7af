"""The alert that a limit cannot be kept, since nobody tells what calls use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from engine.events import AlertRaised, AnyBody, Usage
from engine.state import SessionState

_ALERT = "usage"
_LIMITS = ("tokens", "cost")


async def warn_of_untold(
    facts: SessionState, usage: Usage, record: Callable[[AnyBody], Awaitable[object]]
) -> None:
    """Raise it, once, after a whole answer of which the provider told no tokens."""
    limits = [key for key in _LIMITS if key in facts.budget]
    if limits and not usage.tokens and all(alert.id != _ALERT for alert in facts.alerts):
        void = " and ".join(limits)
        text = f"the provider does not tell what calls use: limit of {void} void"
        await record(AlertRaised(alert=_ALERT, text=text))
