"""What looks stuck or wasteful about a session, in words. Pure.

Time in which it waits for a person does not count, and neither does a long command or model turn:
that is known to be in flight, and has limits of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.limits import duration
from engine.state import SessionState


@dataclass(frozen=True, slots=True)
class AlarmLimits:
    """When it is time to say something."""

    silence_seconds: float = 600.0  # without an event and with nothing in flight
    repeats: int = 8  # of the same command in a row
    rebuilds: int = 2
    retries: int = 3
    long_command_seconds: float = 3600.0


def alarms(session: SessionState, boot: str, now: float, limits: AlarmLimits) -> dict[str, str]:
    """The alarms that hold at `now` (boottime in `boot`), by name."""
    found: dict[str, str] = {}
    if session.over or session.pause is not None or session.state in ("queued", "paused"):
        return found
    idle = idle_seconds(session, boot, now)
    in_flight = session.turn_open or session.tool_open or session.state == "verifying"
    held = session.clocks.state in ("waiting", "paused")  # for a slot too, after an engine's end
    if idle >= limits.silence_seconds and not in_flight and not held:
        found["silent"] = f"nothing has happened for {duration(idle)} and nothing is in flight"
    if session.tool_open and idle >= limits.long_command_seconds:
        found["long"] = f"one command has run for {duration(idle)}: {session.last_tool}"
    if session.repeats >= limits.repeats:
        found["repeating"] = (
            f"the same command {session.repeats} times in a row: {session.last_tool}"
        )
    if session.rebuilds >= limits.rebuilds:
        found["sandbox"] = f"its sandbox was built anew {session.rebuilds} times"
    return found


def idle_seconds(session: SessionState, boot: str, now: float) -> float:
    """Seconds since the newest event of the session; 0 where none was in this boot."""
    return max(0.0, now - session.heard_stamp) if session.heard_boot == boot else 0.0
