"""Following a run's events until it ends, across engines that die and come back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.client import EngineClient, EngineDownError, Heartbeat
from engine.paths import engine_socket, state_dir

if TYPE_CHECKING:
    from engine.events import Event
    from engine.state import State

PATIENCE = 60.0
_RETRY = 0.5


@dataclass(slots=True)
class Follower:
    """Folds the events of one run and shows each; `state` is always as of the newest shown event.

    `show` gets every event of the run, and the engine's own since it began. When the engine falls
    silent, `remark` is told, and the follower goes on with the next engine of the state folder
    where it had left off; without one for `PATIENCE` seconds it raises `EngineDownError`.
    """

    folder: Path
    run: str
    state: State
    show: Callable[[Event], None]
    remark: Callable[[str], None]

    @property
    def over(self) -> bool:
        """Whether the run is known and every session of it has ended."""
        from engine.state import run_over

        return self.run in self.state.runs and run_over(self.state, self.run)

    def follow(self) -> None:
        """Return when every session of the run is over. `KeyboardInterrupt` passes through, and
        the caller may call `follow` again: nothing is shown twice and nothing is lost.
        """
        silent_since: float | None = None
        while not self.over:
            try:
                self._stream(silent_since is not None)
                silent_since = None
            except EngineDownError as error:
                now = time.monotonic()
                if silent_since is None:
                    silent_since = now
                    self.remark(f"{error}; waiting {PATIENCE:.0f} s for it")
                elif now - silent_since > PATIENCE:
                    raise
                time.sleep(_RETRY)

    def _stream(self, was_silent: bool) -> None:
        from engine.state import reduce

        client = EngineClient(engine_socket(state_dir(self.folder)))
        with client.events(self.state.seq) as events:
            if was_silent:
                self.remark("the engine answers again")
            for event in events:
                if isinstance(event, Heartbeat) or event.seq <= self.state.seq:
                    continue
                self.state = reduce(self.state, event)
                begun = self.run in self.state.runs  # an engine may start after we first asked it
                if begun and (event.session is None or event.session in self._sessions()):
                    self.show(event)
                if self.over:
                    return

    def _sessions(self) -> set[str]:
        run = self.state.runs.get(self.run)
        return set(run.sessions) if run else set()
