"""GPU-seconds: how long a session's devices were leased while its clock was working. Pure."""

from __future__ import annotations

import msgspec


class GpuTime(msgspec.Struct):
    """Accumulated seconds of all devices together, and the interval that is open since `since`.

    `devices` are those leased, shared or not. Only time that the session's clock counts as work is
    counted: not pauses, freezes and waits.
    """

    closed: float = 0.0
    devices: int = 0
    working: bool = False
    boot: str = ""
    since: float = 0.0

    def move(
        self, boot: str, moment: float, *, devices: int | None = None, working: bool | None = None
    ) -> None:
        """Close the open interval at `moment` (boottime in `boot`) and open the next one.

        As of the clocks: what a reboot cut counts nothing, and no second is counted twice.
        """
        if self.boot == boot:
            moment = max(moment, self.since)
            self.closed = self.seconds(boot, moment)
        self.boot, self.since = boot, moment
        if devices is not None:
            self.devices = devices
        if working is not None:
            self.working = working

    def seconds(self, boot: str, now: float) -> float:
        """GPU-seconds so far."""
        if not self.working or not self.devices or self.boot != boot:
            return self.closed
        return self.closed + self.devices * max(0.0, now - self.since)
