"""The app's way to the command palette, which is loaded when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import App

if TYPE_CHECKING:
    from textual.command import Provider


def _offered() -> type[Provider]:
    from autolab_tui.palette import Palette

    return Palette


class OfferingApp(App[None]):
    """An app whose palette offers its actions."""

    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    COMMANDS: ClassVar[set[Callable[[], type[Provider]]]] = {_offered}  # type: ignore[assignment]

    def action_command_palette(self) -> None:
        """Show the palette, unless it is there."""
        from autolab_tui.palette import PaletteScreen

        if not PaletteScreen.is_open(cast("App[object]", self)):
            self.push_screen(PaletteScreen(id="--command-palette"))
