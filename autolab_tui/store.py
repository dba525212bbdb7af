"""What the app knows: the engine's state folded by the engine's own reducer, and how fresh it is.

No input or output happens here. The engine's heartbeats carry its boottime, so that its stamps are
aged against its own clock; when it falls silent, its time stands still and the age of what is shown
grows instead.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from autolab_tui.link import Batch
from engine.clock import Clock
from engine.state import SessionState, State, reduce

SILENCE = 3.0  # heartbeats come once a second

Standing = Literal["connecting", "live", "stale", "down", "foreign", "replay"]


class Health(msgspec.Struct, frozen=True):
    """The line to the engine. `age` is how old the newest sign of life is, in seconds."""

    standing: Standing
    age: float
    reason: str = ""
    loop_lag: float = 0.0
    trouble: str = ""


class Moment(msgspec.Struct, frozen=True):
    """A point in time on the engine's clock (`boot`, `stamp`) and on the wall (`at`, Unix)."""

    boot: str
    stamp: float
    at: float


class Store:
    """The folded state and the moment for which it is drawn."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.state = State()
        self.loaded = False
        self.version = 0
        self.beats = 0
        self._heard: float | None = None
        self._engine: tuple[str, float] | None = None
        self._lost: str | None = None
        self._silent = self._foreign = False
        self._lag = 0.0
        self._trouble = ""

    def absorb(self, batch: Batch) -> None:
        """Fold a batch; `version` grows when the state itself changed."""
        if batch.connected or batch.heartbeat is not None or batch.events:
            self._heard = self.clock.now()
        if batch.connected:
            self._engine = None
        if batch.state is not None:
            self.state = batch.state
            self.loaded = True
            self.version += 1
        before = self.state.seq
        for event in batch.events:
            reduce(self.state, event)
        if self.state.seq != before:
            self.version += 1
        if batch.heartbeat is not None:
            beat = batch.heartbeat
            self.beats += 1
            self._engine = (beat.boot, beat.stamp)
            self._lag, self._trouble = beat.loop_lag, beat.trouble
        # A batch may hold a loss and the connection after it; the newer of the two is `connected`.
        if batch.lost is not None:
            self._lost, self._silent, self._foreign = batch.lost, batch.silent, batch.foreign
        elif batch.connected or batch.heartbeat is not None or batch.events:
            self._lost = None

    def health(self) -> Health:
        """How the line to the engine stands now."""
        age = 0.0 if self._heard is None else max(0.0, self.clock.now() - self._heard)
        if self._lost is not None:
            known: Standing = "foreign" if self._foreign else "stale" if self._silent else "down"
            return Health(known, age, self._lost)
        if self._heard is None:
            return Health("connecting", 0.0)
        standing: Standing = "stale" if age > SILENCE else "live"
        return Health(standing, age, "", self._lag, self._trouble)

    def moment(self) -> Moment:
        """Now, on the engine's clock; it stands still while the engine is silent."""
        now, at = self.clock.now(), self.clock.wall()
        if self._engine is None or self._heard is None:
            return Moment(self.clock.boot(), self._heard if self._lost and self._heard else now, at)
        boot, stamp = self._engine
        return Moment(boot, stamp + min(max(0.0, now - self._heard), SILENCE), at)

    def session(self, identity: str) -> SessionState | None:
        """A session by its id."""
        return self.state.sessions.get(identity)
