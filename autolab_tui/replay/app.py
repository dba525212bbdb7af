"""The app on a recording: all its screens, at a moment of the run that keys move."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.binding import BindingType
from textual.screen import Screen

from autolab_tui.actions import Place
from autolab_tui.app import AutolabApp
from autolab_tui.bindings import bindings
from autolab_tui.glyphs import terminal_is_unicode
from autolab_tui.local import Local
from autolab_tui.replay.bar import TimeBar
from autolab_tui.replay.client import ReplayClient
from autolab_tui.replay.store import SPEEDS, ReplayStore
from autolab_tui.terminal import refusal
from autolab_tui.widgets.lines import Lines
from engine.clock import Clock
from engine.offline.recordings import Recording


class ReplayApp(AutolabApp):
    """Shows a recording. Orders are refused; everything that only looks works as it does live."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("app"), *bindings("replay")]
    takes_orders = False

    def __init__(
        self,
        recording: Recording,
        *,
        clock: Clock | None = None,
        theme: str | None = None,
        config: Path | None = None,
        unicode: bool = True,
        local: Local | None = None,
        said: Sequence[str] = (),
    ) -> None:
        self._said = said
        self.replayed = ReplayStore(recording, clock or Clock())
        super().__init__(
            ReplayClient(self.replayed),
            theme=theme,
            run=recording.run,
            config=config,
            unicode=unicode,
            local=local,
            store=self.replayed,
        )

    def on_mount(self) -> None:
        """Say what there is to say of the recording."""
        for remark in self._said:
            # The terminal has the whole of it, above and below the app.
            short = remark.rpartition(". ")[2]
            self.notify(short, title="The journal is damaged", severity="warning", timeout=15)

    def time_bar(self) -> Lines:
        """The line that each screen has at its bottom."""
        return TimeBar(self.replayed, self.glyphs)

    def places(self, screen: Screen[object]) -> Sequence[Place]:
        """Those of a screen, and the keys that move through time."""
        return (*super().places(screen), "replay")

    def _remember(self) -> None:
        """The place in a replay is nobody's home."""

    def action_play(self) -> None:
        """Let time pass, or stop it; from the end, begin anew."""
        store = self.replayed
        if not store.playing and store.position >= store.recording.end:
            store.seek(store.recording.start)
        store.playing = not store.playing
        self.draw()

    def action_step(self, share: float) -> None:
        """Go on or back by a share of the run."""
        self.replayed.step(share)
        self.draw()

    def action_verdict(self, by: int) -> None:
        """Go to the next verdict or the one before."""
        self.replayed.to_verdict(by)
        self.draw()

    def action_speed(self, by: int) -> None:
        """Let time pass faster or slower."""
        at = SPEEDS.index(self.replayed.speed) + by
        self.replayed.speed = SPEEDS[min(len(SPEEDS) - 1, max(0, at))]
        self.draw()

    def farewell(self) -> str:
        """What to say when the app is left."""
        return f"Come back with `autolab replay {self.replayed.recording.run}`."


def run(
    recording: Recording, state: Path, theme: str | None = None, said: Sequence[str] = ()
) -> int:
    """Show a recording until the operator leaves; the exit code. `said` are remarks on it."""
    problem = refusal(os.environ, sys.stdin.isatty() and sys.stdout.isatty())
    if problem:
        print(f"autolab: {problem}", file=sys.stderr)
        return 1
    unicode = terminal_is_unicode(os.environ)
    app = ReplayApp(recording, theme=theme, unicode=unicode, local=Local(state), said=said)
    app.run()
    if app.return_code == 0:
        print(app.farewell())
    return app.return_code or 0
