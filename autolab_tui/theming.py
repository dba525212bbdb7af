"""The app's colours: which theme it begins with, the operator's choice, and remembering that."""

from __future__ import annotations

from pathlib import Path

from textual.app import App

from autolab_tui import preferences, themes
from autolab_tui.plain import plain


class ThemedApp(App[None]):
    """An app in our themes alone. `config` is the folder with the operator's own."""

    def __init__(self, wanted: str, config: Path) -> None:
        # Textual asks for their variables while it is put together, and again and again.
        self.config = config
        self._theirs = themes.operators(config)
        first = themes.to_begin_with(wanted, self._theirs[0])
        self._themes = {first.name: first}
        self._chosen_theme = first.name
        super().__init__()

    def begin_with_theme(self) -> None:
        """Take the theme that is wanted, and drop Textual's own: they know nothing of our roles."""
        self._register_themes()
        self.theme = self._chosen_theme
        for name in set(self.available_themes) - set(self._themes):
            self.unregister_theme(name)

    def _register_themes(self) -> None:
        for one in self._themes.values():
            self.register_theme(one.to_textual())

    def load_every_theme(self) -> None:
        """Read those that are shipped, which the first screen did not need."""
        theirs, problems = self._theirs
        self._themes = {**themes.shipped(), **theirs}
        self._register_themes()
        for problem in problems:
            self.notify(plain(str(problem)), title="A theme was left out", severity="warning")

    def refresh_css(self, animate: bool = True) -> None:
        """Restyle everything; before there is a screen it is enough to know the colours.

        Textual parses all sheets for a theme that is chosen before the first screen, and throws
        the result away: 8 ms.
        """
        if self.screen_stack:
            super().refresh_css(animate)
        else:
            self.stylesheet.set_variables(self.get_css_variables())

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our variables, for Textual's own themes which lack them."""
        return next(iter(self._themes.values())).variables()

    def watch_theme(self, theme: str) -> None:
        """Remember the operator's choice."""
        if theme == self._chosen_theme or theme not in self._themes:
            return
        self._chosen_theme = theme
        try:
            preferences.remember(self.config, theme=theme)
        except OSError as error:
            said = f"{error}; it holds until you leave"
            self.notify(said, title="The theme was not remembered", severity="warning")
