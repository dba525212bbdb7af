"""The frame that is being drawn: the moment it shows, and what it is drawn with."""

from __future__ import annotations

from dataclasses import dataclass

from autolab_tui.glyphs import Glyphs
from autolab_tui.store import Health, Moment


@dataclass(frozen=True, slots=True)
class Frame:
    """One drawing of the screen. `beat` counts the engine's heartbeats and turns the pulse."""

    moment: Moment
    health: Health
    beat: int
    glyphs: Glyphs
