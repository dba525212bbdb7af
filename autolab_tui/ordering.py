"""What the operator orders from any screen, for one session or for several.

Asks where an order cannot be taken back or needs words, then calls the engine; what the engine says
comes back as a message to the app.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from textual.app import App

from autolab_tui import amounts, words
from autolab_tui.calls import Calls
from autolab_tui.messages import Ordered, Restored
from autolab_tui.plain import plain
from autolab_tui.store import Store
from autolab_tui.views import sessions as say
from engine.state import SessionState

_NAMED = 6  # sessions that a question names one by one


class Ordering:
    """Gives orders for sessions, on behalf of the app."""

    def __init__(self, app: App[None], store: Store, calls: Calls) -> None:
        self._app, self._store, self._calls = app, store, calls

    def stop(self, sessions: Sequence[str]) -> None:
        """Ask the operator, then the engine, to stop sessions and score them."""
        going = self._going(sessions, "stop", lambda s: not s.over)
        if not going:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._calls.stop(self._app, [session.id for session in going])

        one = len(going) == 1
        lines = self._named(going)
        if one:
            active = words.duration(say.use(going[0], self._store.moment()).active)
            lines.append(f"{going[0].state}, {active} of work so far")
        said = "Its processes end, what it left is scored, and it cannot go on afterwards."
        many = "Their processes end, what they left is scored, and they cannot go on afterwards."
        title = "Stop this session?" if one else f"Stop {len(going)} sessions?"
        from autolab_tui.screens.confirm import ConfirmScreen

        self._app.push_screen(ConfirmScreen(title, [*lines, "", said if one else many]), answered)

    def pause_or_resume(self, sessions: Sequence[str]) -> None:
        """Pause sessions; or, where every one of them is paused, let them go on."""
        going = self._going(sessions, "pause", lambda s: not s.over and s.state != "verifying")
        if not going:
            return
        resume = all(session.pause is not None for session in going)
        chosen = [s.id for s in going if resume or s.pause is None]
        self._calls.order(self._app, "resume" if resume else "pause", chosen)

    def extend(self, sessions: Sequence[str]) -> None:
        """Ask for other budgets and give them."""
        going = self._going(sessions, "extend", lambda s: not s.over)
        if not going:
            return

        def problem(text: str) -> str:
            try:
                amounts.changes_in(text)
            except ValueError as error:
                return str(error)
            return ""

        def answered(text: str | None) -> None:
            if text:
                more = {"changes": amounts.changes_in(text)}
                self._calls.order(self._app, "extend", [s.id for s in going], more)

        notes = [*self._named(going), "", "active +30m   cost +5   turns 80   soft cost 4"]
        title = "Change the budget" if len(going) == 1 else f"Change {len(going)} budgets"
        from autolab_tui.screens.prompt import PromptScreen

        self._app.push_screen(PromptScreen(title, notes, "+30m", problem), answered)

    def tell(self, sessions: Sequence[str]) -> None:
        """Ask for words and leave them for the sessions' models."""
        going = self._going(sessions, "tell", lambda s: not s.over and s.model is not None)
        if not going:
            return

        def answered(text: str | None) -> None:
            if text and text.strip():
                self._calls.order(self._app, "message", [s.id for s in going], {"text": text})

        notes = [
            *self._named(going),
            "",
            "Read before the next turn; the session counts as assisted from then on.",
        ]
        title = "Say to the model" if len(going) == 1 else f"Say to {len(going)} models"
        from autolab_tui.screens.prompt import PromptScreen

        self._app.push_screen(PromptScreen(title, notes, "", lambda text: ""), answered)

    def verify(self, sessions: Sequence[str]) -> None:
        """Ask for verdicts on what the files of sessions are now."""

        def fits(s: SessionState) -> bool:
            return s.begun and not s.over and s.state != "verifying" and not s.verify_asked

        going = self._going(sessions, "verify", fits)
        if going:
            self._calls.order(self._app, "verify", [session.id for session in going])

    def acknowledge(self, sessions: Sequence[str]) -> None:
        """Say that the alerts of sessions are known."""
        going = self._going(sessions, "acknowledge", lambda s: bool(s.asking))
        if going:
            self._calls.order(self._app, "acknowledge", [session.id for session in going])

    def restore(self, session: str, snapshot: str) -> None:
        """Ask the operator, then the engine, to set a session's files to a snapshot."""
        going = self._going([session], "restore", lambda s: s.begun and not s.over)
        if not going:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._calls.restore(self._app, session, snapshot)

        lines = [
            *self._named(going),
            f"snapshot {snapshot[:12]}",
            "",
            "What its files are now is kept as a snapshot first. The model is told before its next "
            "turn; the session counts as assisted from then on.",
        ]
        from autolab_tui.screens.confirm import ConfirmScreen

        self._app.push_screen(ConfirmScreen("Restore these files?", lines), answered)

    def announce(self, message: Ordered) -> None:
        """Tell the operator what the engine took note of."""
        number = words.plural(len(message.sessions), "session")
        title, text = {
            "pause": ("Pausing", f"{number} will stand still, after a model turn in flight."),
            "resume": ("Resuming", f"{number} will go on as soon as there is a slot."),
            "extend": ("Budget changed", f"{number} will keep to it from now on."),
            "verify": (
                "Verify now",
                f"{number} will be judged next, unless a verdict knows these files.",
            ),
            "acknowledge": ("Acknowledged", f"{number} will not ask again for the same."),
            "message": ("Left a message", f"{number} will read it before the next turn."),
        }[message.order]
        self._app.notify(text, title=title)

    def announce_restored(self, message: Restored) -> None:
        """Tell the operator what became of the files."""
        files, before = (
            len(message.answer.get("files", ())),
            str(message.answer.get("before") or ""),
        )
        kept = f" What they were is snapshot {before[:12]}." if before else ""
        self._app.notify(f"{words.plural(files, 'file')} set.{kept}", title="Restored")

    def _going(
        self, sessions: Sequence[str], what: str, fits: Callable[[SessionState], bool]
    ) -> list[SessionState]:
        """Those for which the order makes sense; the operator is told where there is none."""
        known = [s for s in map(self._store.session, sessions) if s is not None]
        going = [session for session in known if fits(session)]
        if known and not going:
            states: Any = (
                f"{self._name(known[0])} is {known[0].state}."
                if len(known) == 1
                else f"None of the {len(known)} sessions allows it."
            )
            self._app.notify(states, title=f"Nothing to {what}")
        return going

    def _named(self, sessions: Sequence[SessionState]) -> list[str]:
        shown = [self._name(session) for session in sessions[:_NAMED]]
        if len(sessions) > _NAMED:
            shown.append(f"and {len(sessions) - _NAMED} more")
        return shown

    def _name(self, session: SessionState) -> str:
        return f"{plain(session.task)}{say.attempt(session)}, {say.who(session)}"
