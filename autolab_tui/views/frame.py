"""The frame that is being drawn: the moment it shows, and what it is drawn with."""

from __future__ import annotations

import msgspec

from autolab_tui.glyphs import Glyphs
from autolab_tui.store import Health, Moment


class Frame(msgspec.Struct, frozen=True):
    """One drawing of the screen. `beat` counts the engine's heartbeats and turns the pulse."""

    moment: Moment
    health: Health
    beat: int
    glyphs: Glyphs
