"""The terminal app: a reader of the engine's events, and a few commands to it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace
from textual import events, on
from textual.screen import Screen

from autolab_tui import preferences, returning, themes, words
from autolab_tui.actions import Place
from autolab_tui.analyses import compute
from autolab_tui.attention import Attention
from autolab_tui.bindings import bindings
from autolab_tui.calls import Calls
from autolab_tui.glyphs import Glyphs, choose
from autolab_tui.link import Client, Link
from autolab_tui.local import Local
from autolab_tui.messages import Arrived, CallFailed, Computed, Ordered, Restored, Stopped
from autolab_tui.offering import OfferingApp
from autolab_tui.ordering import Ordering
from autolab_tui.plain import plain
from autolab_tui.repainting import RepaintingApp
from autolab_tui.screens import tops
from autolab_tui.screens.base import DrawnScreen
from autolab_tui.screens.fleet import FleetScreen
from autolab_tui.screens.top import TopScreen
from autolab_tui.screens.tops import HOME, TOPS
from autolab_tui.store import Store
from autolab_tui.telling import TellingApp
from autolab_tui.terminal import AsciiFilter
from autolab_tui.theming import ThemedApp
from autolab_tui.threads import CallThreads
from autolab_tui.typeahead import TypeAhead
from autolab_tui.views.fleet import in_scope
from autolab_tui.views.frame import Frame
from autolab_tui.views.sorting import LEAST_NEED, need
from autolab_tui.widgets.lines import LOOKS, Lines
from engine.clock import Clock
from engine.paths import config_dir

if TYPE_CHECKING:
    from autolab_tui.drafts import Draft

FRAME = 1.0  # seconds between frames while something changes
PRESENCE = 60.0  # seconds between two words to the engine that somebody is here
RESTING = 5  # ticks from frame to frame while nobody looks
QUIET = 3  # and while nothing happens


class AutolabApp(ThemedApp, TellingApp, OfferingApp, RepaintingApp, TypeAhead):
    """Shows one engine. Everything that it knows comes from `client`."""

    TITLE = "AutoLab"
    # Whole paths, since those of a subclass would be looked for beside it. Textual loads the sheet
    # of a screen when it is pushed, and the fleet never is.
    CSS_PATH: ClassVar[list[str | PurePath]] = [
        Path(__file__).with_name("app.tcss"),
        Path(__file__).parent / "screens" / "fleet.tcss",
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = set(LOOKS)
    BINDINGS = bindings("app")
    takes_orders = True
    # Lines have not the marks that Textual selects by, and a click would draw all of them anew.
    ALLOW_SELECT = False
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
        start_demo: Callable[[], str] = lambda: "",
        local: Local | None = None,
        store: Store | None = None,
    ) -> None:
        config = config if config is not None else config_dir()
        self._remembered = preferences.load(config)
        super().__init__(theme or self._remembered.theme or themes.DEFAULT, config)
        self.glyphs: Glyphs = choose(unicode, os.environ)
        if not unicode:
            self._filters.append(AsciiFilter())
        self.store = store or Store(clock or Clock())
        self.calls = Calls(client)
        self._draft: Draft | None = None
        self._start_demo = start_demo
        self.local = local
        self.orders = Ordering(self, self.store, self.calls)
        self._link = Link(client, self._wake)
        self.choice = returning.choice(self._remembered, run)
        self._drawn = float("-inf")
        self._attention, self._looked_at = Attention(), -1
        self._present = float("-inf")
        self._narrowed = run is not None
        self._came_back = False
        self._focused_terminal = True
        self.begin_with_theme()

    def _come_back(self) -> None:
        """Show the screen and the session that were open, once there is something to show."""
        self._came_back = True
        if not self.store.loaded or self._narrowed or self.screen is not self.screen_stack[0]:
            return
        if self._remembered.screen in TOPS:
            self.action_go(self._remembered.screen)
        if self._remembered.session:
            self.open_session(self._remembered.session)

    def _remember(self) -> None:
        """Keep what is open, for the next time."""
        with suppress(OSError):  # nothing is lost but the place
            returning.remember(self.config, self.screen_stack, self.choice)

    def get_default_screen(self) -> FleetScreen:
        """The fleet is home."""
        return FleetScreen(self)

    def on_load(self) -> None:
        """Start to read: the first screen may then have something to show at once."""
        asyncio.get_running_loop().set_default_executor(CallThreads())
        self._link.start()

    def on_mount(self) -> None:
        """Start to draw."""
        self.set_class(not self.glyphs.unicode, "-ascii")
        if not self.is_headless:
            # Asked to end, or without its terminal since the line to it was dropped.
            loop = asyncio.get_running_loop()
            for asked in (signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(asked, self._end, 128 + asked)
        self.app_resume_signal.subscribe(self, lambda _: self.action_repaint())
        self.set_interval(FRAME, self._tick)
        self.call_after_refresh(self.load_every_theme)

    def _end(self, code: int) -> None:
        """Give the terminal back as it was: no mouse reports, no second screen."""
        self._remember()
        self.exit(None, code)

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
        self._ticks += 1
        self.heed_size()
        if self._ticks % self._pace() == 0:
            self.draw()

    def _pace(self) -> int:
        """Every how many ticks a frame is drawn."""
        if not self._focused_terminal:
            return RESTING
        return QUIET if self._quiet() else 1

    def _quiet(self) -> bool:
        """Whether only the pulse would move: nothing came but signs of life, and nothing ages."""
        store = self.store
        if not isinstance(self.screen, FleetScreen) or store.health().standing != "live":
            return False
        return not self._link.has_news and all(s.over for s in store.state.sessions.values())

    def draw(self) -> None:
        """Take in what came and draw a frame."""
        if not self.is_running:
            return  # a last tick while everything is being taken down
        self._drawn = self.store.clock.now()
        self.store.absorb(self._link.take())
        if self.store.loaded and not self._came_back:
            self._come_back()
        self._call_for_attention()
        frame = self.frame()
        with self.batch_update():
            for screen in self._seen():
                if isinstance(screen, DrawnScreen) and screen.ready:
                    screen.draw_frame(frame)
                    if screen.time_bar is not None:
                        screen.time_bar.paint()

    def _seen(self) -> list[Screen[object]]:
        """The screen on top, and below popups what they leave to be seen.

        A covered one is brought up to date when it comes back.
        """
        stack = self.screen_stack
        lowest = next((n for n in reversed(range(len(stack))) if not stack[n].is_modal), 0)
        return stack[lowest:]

    def _call_for_attention(self) -> None:
        """Ring for what began to ask, and let the terminal's title say how it stands."""
        if not self.store.loaded or self._looked_at == self.store.version:
            return
        self._looked_at = self.store.version
        sessions = in_scope(self.store.state, self.choice)
        if self._attention.rings(sessions):
            self.bell()
        needy = sum(need(session) <= LEAST_NEED for session in sessions)
        title = self._attention.title(needy, sum(s.over for s in sessions), len(sessions))
        if title is not None and self._driver is not None and not self.is_headless:
            self._driver.write(f"\x1b]2;{title}\x07")

    async def on_event(self, event: events.Event) -> None:
        """Note that somebody is here, whatever they typed or clicked."""
        if isinstance(event, events.InputEvent):
            now = self.store.clock.now()
            if now - self._present >= PRESENCE:
                self._present = now
                self.calls.present(self)
        await super().on_event(event)

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

    def places(self, screen: Screen[object]) -> Sequence[Place]:
        """Where the keys of a screen are declared, its own first."""
        from autolab_tui.screens.session import SessionScreen

        if isinstance(screen, SessionScreen):
            return ("session", "list", "app")
        if isinstance(screen, TopScreen):
            return (screen.PLACE, "list", "top", "app")
        return ("fleet", "list", "top", "app")

    def action_help(self) -> None:
        """Explain the screen."""
        from autolab_tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.places(self.screen), self.glyphs, self.takes_orders))

    def action_leave(self) -> None:
        """Leave; everything goes on."""
        self._remember()
        self.exit()

    def action_go(self, name: str) -> None:
        """Show one of the screens that stand on their own."""
        while len(self.screen_stack) > 1:
            self.pop_screen()
        if name != HOME:
            self.push_screen(tops.make(name, self))

    def open_session(self, session: str) -> None:
        """Show a session's screen."""
        from autolab_tui.screens.session import SessionScreen

        if isinstance(self.screen, SessionScreen):
            self.screen.show_session(session)
        elif session in self.store.state.sessions:
            self.push_screen(SessionScreen(self, session))

    def launch(self, tasks: Sequence[str]) -> None:
        """Put a run of these tasks together."""
        self.draft = replace(self.draft, tasks=frozenset(tasks))
        self.action_go("launch")

    def launched(self, run: str, sessions: int) -> None:
        """Show a run that has begun."""
        self.choice = replace(self.choice, run=None, words="")
        self.action_go(tops.HOME)
        self.notify(f"run {run} with {words.plural(sessions, 'session')}", title="Launched")

    def action_demo(self) -> None:
        """Ask, then start the demo; it goes on when the app is left."""

        def answered(yes: bool | None) -> None:
            if yes:
                self.action_go(tops.HOME)
                self.notify("It takes some seconds to begin.", title="Starting the demo")
                compute(self, "demo", "start the demo", self._start_demo)

        text = (
            "Three scripted models work on three real tasks for some minutes, through the real "
            "engine, sandbox, compiler and verifier. No key, nothing to pay.",
        )
        from autolab_tui.screens.confirm import ConfirmScreen

        self.push_screen(ConfirmScreen("Start the demo?", text), answered)

    @on(Computed)
    def _made(self, message: Computed) -> None:
        titles = {"demo": "The demo has begun", "report": "The report"}
        if message.name in titles:
            self.notify(plain(str(message.result)), title=titles[message.name])

    @property
    def draft(self) -> Draft:
        """The run that is being put together; few starts of the app need one."""
        if self._draft is None:
            from autolab_tui.drafts import Draft

            self._draft = Draft()
        return self._draft

    @draft.setter
    def draft(self, draft: Draft) -> None:
        self._draft = draft

    def time_bar(self) -> Lines | None:
        """A line that each screen has above its keys; None here."""
        return None

    @on(Ordered)
    def _ordered(self, message: Ordered) -> None:
        self.orders.announce(message)

    @on(Restored)
    def _restored(self, message: Restored) -> None:
        self.orders.announce_restored(message)

    @on(Stopped)
    def _stopped(self, message: Stopped) -> None:
        number = words.plural(len(message.sessions), "session")
        self.notify(f"{number} will be scored and ended.", title="Stopping")

    @on(CallFailed)
    def _call_failed(self, message: CallFailed) -> None:
        self.notify(plain(message.error), title=f"Could not {message.what}", severity="error")

    def farewell(self) -> str:
        """What to say when the app is left."""
        from autolab_tui.leaving import farewell

        return farewell(self.store.state, self.store.health().standing)
