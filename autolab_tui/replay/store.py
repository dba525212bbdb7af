"""A store that shows a recording at a moment that the operator chooses."""

from __future__ import annotations

from autolab_tui.link import Batch
from autolab_tui.store import Health, Moment, Store
from engine.clock import Clock
from engine.offline.recordings import Recording

SPEEDS = (1.0, 10.0, 60.0, 300.0, 1800.0)  # seconds of the run for a second that passes


class ReplayStore(Store):
    """The state of a recording at `position` (Unix time), which moves on while it plays."""

    def __init__(self, recording: Recording, clock: Clock) -> None:
        super().__init__(clock)
        self.recording = recording
        self.position = recording.end
        self.playing = False
        self.speed = SPEEDS[2]
        self._passed = clock.now()
        self.seek(recording.end)
        self.loaded = True

    def seek(self, position: float) -> None:
        """Go to a moment of the run; before its start and after its end are those."""
        recording = self.recording
        self.position = min(recording.end, max(recording.start, position))
        self.state = recording.at(self.position)
        self.version += 1

    def step(self, share: float) -> None:
        """Go on, or back, by a share of the run."""
        self.seek(self.position + share * (self.recording.end - self.recording.start))

    def to_verdict(self, by: int) -> None:
        """Go to the next verdict, or to the one before."""
        times = self.recording.verdicts
        ahead = [at for at in times if at > self.position + 1e-6]
        behind = [at for at in times if at < self.position - 1e-6]
        found = ahead[:1] if by > 0 else behind[-1:]
        self.seek(found[0] if found else (self.recording.end if by > 0 else self.recording.start))

    def absorb(self, batch: Batch) -> None:
        """Let the run's time pass, while it plays."""
        del batch
        now = self.clock.now()
        passed, self._passed = now - self._passed, now
        if not self.playing:
            return
        self.beats += 1
        self.seek(self.position + passed * self.speed)
        if self.position >= self.recording.end:
            self.playing = False

    def health(self) -> Health:
        """There is no line to an engine."""
        return Health("replay", 0.0)

    def moment(self) -> Moment:
        """The chosen moment, on the clock that the engine had then."""
        boot, stamp = self.recording.boottime(self.position)
        return Moment(boot, stamp, self.position)
