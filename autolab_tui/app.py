"""The terminal app: a reader of the engine's events, and a few commands to it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import ClassVar

from textual import events, on
from textual.app import App, SystemCommand
from textual.screen import Screen

from autolab_tui import preferences, themes, words
from autolab_tui.actions import Place
from autolab_tui.bindings import bindings, commands
from autolab_tui.calls import Calls
from autolab_tui.glyphs import Glyphs, choose, terminal_is_unicode
from autolab_tui.link import Client, Link
from autolab_tui.messages import Arrived, CallFailed, Ordered, Stopped
from autolab_tui.plain import plain
from autolab_tui.screens.base import DrawnScreen
from autolab_tui.screens.confirm import ConfirmScreen
from autolab_tui.screens.fleet import FleetScreen
from autolab_tui.screens.help import HelpScreen
from autolab_tui.screens.session import SessionScreen
from autolab_tui.store import Store
from autolab_tui.terminal import AsciiFilter, refusal
from autolab_tui.views import sessions as say
from autolab_tui.views.fleet import Choice
from autolab_tui.views.frame import Frame
from engine.clock import Clock
from engine.paths import config_dir

FRAME = 1.0  # seconds between frames while something changes
TERMINATED = 128 + signal.SIGTERM
RESTING = 5  # frames that are left out, but one, while nobody looks


class AutolabApp(App[None]):
    """Shows one engine. Everything that it knows comes from `client`."""

    TITLE = "AutoLab"
    CSS_PATH: ClassVar[list[str | PurePath]] = [
        "app.tcss",
        "screens/fleet.tcss",
        "screens/session.tcss",
        "screens/popup.tcss",
    ]
    BINDINGS = bindings("app")
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    NOTIFICATION_TIMEOUT: ClassVar[float] = 6
    animation_level = "none"

    def __init__(
        self,
        client: Client,
        *,
        theme: str | None = None,
        run: str | None = None,
        clock: Clock | None = None,
        config: Path | None = None,
        unicode: bool = True,
    ) -> None:
        super().__init__()
        self.glyphs: Glyphs = choose(unicode)
        if not unicode:
            self._filters.append(AsciiFilter())
        self.store = Store(clock or Clock())
        self.choice = Choice(run=run)
        self.calls = Calls(client)
        self.thrifty = os.environ.get("AUTOLAB_FULL_FRAMES", "") in ("", "0")
        self._link = Link(client, self._wake)
        self._config = config if config is not None else config_dir()
        self._drawn = float("-inf")
        self._unseen = 0
        self._focused_terminal = True
        self._themes, self._theme_problems = themes.everything(self._config)
        for one in self._themes.values():
            self.register_theme(one.to_textual())
        self._chosen_theme = self._theme_to_use(theme)
        self.theme = self._chosen_theme
        for name in set(self.available_themes) - set(self._themes):
            self.unregister_theme(name)  # Textual's own know nothing of our roles

    def _theme_to_use(self, asked: str | None) -> str:
        wanted = asked or preferences.load(self._config).theme
        return wanted if wanted in self._themes else themes.DEFAULT

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our variables, for Textual's own themes which lack them."""
        return themes.shipped()[themes.DEFAULT].variables()

    def get_default_screen(self) -> FleetScreen:
        """The fleet is home."""
        return FleetScreen(self)

    def on_mount(self) -> None:
        """Start to read and to draw."""
        self.set_class(not self.glyphs.unicode, "-ascii")
        if not self.is_headless:
            # Asked to end, give the terminal back as it was: no mouse reports, no second screen.
            asyncio.get_running_loop().add_signal_handler(
                signal.SIGTERM, self.exit, None, TERMINATED
            )
        self._link.start()
        self.set_interval(FRAME, self._tick)
        for problem in self._theme_problems:
            self.notify(plain(str(problem)), title="A theme was left out", severity="warning")

    def on_unmount(self) -> None:
        """Stop reading."""
        self._link.stop()

    def _wake(self) -> None:
        """Called on the link's thread."""
        with suppress(RuntimeError):  # the loop may just have ended
            self.post_message(Arrived())

    @on(Arrived)
    def _arrived(self) -> None:
        """Draw at once after a rest or for the first time; else the next frame will."""
        if not self.store.loaded or self.store.clock.now() - self._drawn >= FRAME:
            self.draw()

    def _tick(self) -> None:
        self._unseen += 1
        if self._focused_terminal or self._unseen % RESTING == 0:
            self.draw()

    def draw(self) -> None:
        """Take in what came and draw a frame."""
        if not self.is_running:
            return  # a last tick while everything is being taken down
        self._drawn = self.store.clock.now()
        self.store.absorb(self._link.take())
        frame = self.frame()
        with self.batch_update():
            for screen in self.screen_stack:
                if isinstance(screen, DrawnScreen) and screen.ready:
                    screen.draw_frame(frame)

    def frame(self) -> Frame:
        """The frame to draw now."""
        store = self.store
        return Frame(store.moment(), store.health(), store.beats, self.glyphs)

    def on_app_blur(self, event: events.AppBlur) -> None:
        """Nobody looks: draw rarely."""
        del event
        self._focused_terminal = False

    def on_app_focus(self, event: events.AppFocus) -> None:
        """Somebody looks again."""
        del event
        self._focused_terminal = True
        self.draw()

    def watch_theme(self, theme: str) -> None:
        """Remember the operator's choice."""
        if theme == self._chosen_theme or theme not in self._themes:
            return
        self._chosen_theme = theme
        try:
            preferences.remember_theme(self._config, theme)
        except OSError as error:
            said = f"{error}; it holds until you leave"
            self.notify(said, title="The theme was not remembered", severity="warning")

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every action that makes sense here."""
        yield from commands(screen, self._places(screen))

    def _places(self, screen: Screen[object]) -> Sequence[Place]:
        if isinstance(screen, SessionScreen):
            return ("session", "list", "app")
        return ("fleet", "list", "app")

    def action_help(self) -> None:
        """Explain the screen."""
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self._places(self.screen), self.glyphs))

    def action_leave(self) -> None:
        """Leave; everything goes on."""
        self.exit()

    def open_session(self, session: str) -> None:
        """Show a session's screen."""
        if isinstance(self.screen, SessionScreen):
            self.screen.show_session(session)
        elif session in self.store.state.sessions:
            self.push_screen(SessionScreen(self, session))

    def ask_stop(self, session: str) -> None:
        """Ask the operator, then the engine, to stop a session."""
        found = self.store.session(session)
        if found is None:
            return
        name = f"{plain(found.task)}, {say.who(found)}"
        if found.over:
            self.notify(f"{name} is over already.", title="Nothing to stop")
            return
        active = words.duration(say.use(found, self.store.moment()).active)

        def answered(yes: bool | None) -> None:
            if yes:
                self.calls.stop(self, [session])

        text = (
            name,
            f"{found.state}, {active} of work so far",
            "",
            "Its processes end, what it left is scored, and it cannot go on afterwards.",
        )
        self.push_screen(ConfirmScreen("Stop this session?", text), answered)

    def pause_or_resume(self, session: str) -> None:
        """Ask the engine to pause a session, or to let it go on."""
        found = self.store.session(session)
        if found is None:
            return
        if found.over or found.state == "verifying":
            name = f"{plain(found.task)}, {say.who(found)}"
            self.notify(f"{name} is {found.state}.", title="Nothing to pause")
            return
        self.calls.order(self, "resume" if found.pause is not None else "pause", [session])

    @on(Ordered)
    def _ordered(self, message: Ordered) -> None:
        number = words.plural(len(message.sessions), "session")
        if message.order == "pause":
            text = f"{number} will stand still, after a model turn in flight; the clock stops."
            self.notify(text, title="Pausing")
        else:
            self.notify(f"{number} will go on as soon as there is a slot.", title="Resuming")

    @on(Stopped)
    def _stopped(self, message: Stopped) -> None:
        number = words.plural(len(message.sessions), "session")
        self.notify(f"{number} will be scored and ended.", title="Stopping")

    @on(CallFailed)
    def _call_failed(self, message: CallFailed) -> None:
        self.notify(plain(message.error), title=f"Could not {message.what}", severity="error")

    def farewell(self) -> str:
        """What to say when the app is left."""
        going = sum(not session.over for session in self.store.state.sessions.values())
        if not going:
            return "Come back with `autolab`."
        goes = "goes" if going == 1 else "go"
        sessions = words.plural(going, "session")
        return f"{sessions} {goes} on without this screen. Come back with `autolab`."


def run(
    socket_path: Path, theme: str | None = None, run: str | None = None, mouse: bool = True
) -> int:
    """Show the engine at a socket until the operator leaves; the exit code.

    `run` narrows the fleet to one run. A terminal that cannot show the app gets 1 and a remedy.
    """
    from engine.client import EngineClient

    problem = refusal(os.environ, sys.stdin.isatty() and sys.stdout.isatty())
    if problem:
        print(f"autolab: {problem}", file=sys.stderr)
        return 1
    known, _ = themes.everything(config_dir())
    if theme is not None and theme not in known:
        names = themes.names(known.values())
        print(f"autolab: there is no theme {theme!r}; there are {names}", file=sys.stderr)
        return 2
    unicode = terminal_is_unicode(os.environ)
    app = AutolabApp(EngineClient(socket_path), theme=theme, run=run, unicode=unicode)
    app.run(mouse=mouse)
    if app.return_code == 0:
        print(app.farewell())
    return app.return_code or 0
