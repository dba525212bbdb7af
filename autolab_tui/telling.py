"""What the app says to its operator and hands to them: notices, the clipboard, the terminal."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import App, SuspendNotSupported
from textual.notifications import SeverityLevel

from autolab_tui.plain import plain


class TellingApp(App[None]):
    """An app whose notices are harmless text."""

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a message for a while: as harmless text, since it may name what an agent wrote."""
        del markup
        super().notify(
            plain(message), title=plain(title), severity=severity, timeout=timeout, markup=False
        )

    def aside(self, work: Callable[[], object], what: str) -> None:
        """Give the terminal to something else until it is done; it may return a problem."""
        try:
            with self.suspend():
                problem = work()
        except (OSError, SuspendNotSupported) as error:
            problem = str(error) or type(error).__name__
        if problem:
            self.notify(plain(str(problem)), title=f"Could not {what}", severity="warning")

    def copy(self, text: str, what: str) -> None:
        """Put text on the operator's clipboard."""
        from autolab_tui.clipboard import copy

        copy(self, text, what)
