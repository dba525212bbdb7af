"""Which sessions wait for their provider, and for how much longer they back off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.state.facts import SessionState
from engine.state.providers import provider_of

_ELSEWHERE = ("slot", "GPU")  # what a session waits for that no provider has


@dataclass(slots=True)
class Held:
    """The sessions at work with one provider that wait for it.

    `in_line` wait until the account takes one more call, `backing` until a failed call is tried
    again; `until` are the moments (boot, boottime in seconds) when that will be, where it is known.
    """

    in_line: int = 0
    backing: int = 0
    until: list[tuple[str, float]] = field(default_factory=list)

    def left(self, boot: str, now: float) -> float:
        """Seconds until the last of them is tried again; 0 where none is known to wait."""
        return max(
            (stamp - now for at, stamp in self.until if at == boot and stamp > now), default=0
        )


def held_up(sessions: Iterable[SessionState]) -> dict[str, Held]:
    """What holds up the sessions that are at work, by provider; one with nothing is there too."""
    found: dict[str, Held] = {}
    for one in sessions:
        name = provider_of(one.model)
        if name is None or one.over:
            continue
        held = found.setdefault(name, Held())
        clocks = one.clocks
        if clocks.state != "waiting" or clocks.cause in _ELSEWHERE:
            continue
        if clocks.cause == "connection":
            held.in_line += 1
            continue
        held.backing += 1
        if one.retry_boot:
            held.until.append((one.retry_boot, one.retry_stamp))
    return found
