"""The command palette: what can be done here, what is done elsewhere, and what by a command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, cast

from textual import on
from textual.command import CommandList, CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.dom import DOMNode
from textual.markup import escape
from textual.widgets import Input

from autolab_tui.actions import ACTIONS, Action, Place, key_word, of
from autolab_tui.actions.commands import available
from autolab_tui.actions.finding import rank
from autolab_tui.plain import plain
from autolab_tui.screens.base import Host
from autolab_tui.screens.tops import HOME, TOPS

_ELSEWHERE: tuple[Place, ...] = ("session", "fleet", "tasks", "leaderboard", "compare", "launch")
_FAR = 0.8  # what an action of another screen is worth beside one of this screen
_COMMAND = 0.7  # and a command
_KEYLESS = 0.5  # and what has no key, and is one of many such


class Offer(NamedTuple):
    """A line of the palette: what it does, where or by which key, and how well it fits."""

    title: str
    where: str
    run: Callable[[], Any]
    score: float


class Home(Host, Protocol):
    """What the palette needs of the app."""

    def places(self, screen: Any) -> Sequence[Place]:
        """Where the keys of a screen are declared."""

    def action_go(self, name: str) -> None:
        """Show one of the screens that stand on their own."""

    def notify(self, message: str, *, title: str = "") -> None:
        """Show a message for a while."""

    async def run_action(self, action: str, default_namespace: DOMNode | None = None) -> bool:
        """Do what a key would do."""


class PaletteScreen(CommandPalette):
    """Textual's, but `enter` does nothing that was found for fewer letters than were typed."""

    @on(Input.Changed)
    def _typed(self) -> None:
        self.query_one(CommandList).highlighted = None


class Palette(Provider):
    """Offers the actions of the screen below, then the rest."""

    @property
    def _app(self) -> Home:
        return cast(Home, self.app)

    async def discover(self) -> Hits:
        """The actions of this screen, in the order of their titles."""
        for offer in sorted(here(self._app, self.screen)):
            yield DiscoveryHit(Content(offer.title), offer.run, offer.title, escape(offer.where))

    async def search(self, query: str) -> Hits:
        """What was asked for in words; a key's own name finds it, too."""
        for offer in offers(self._app, self.screen, query):
            yield Hit(
                offer.score, Content(offer.title), offer.run, offer.title, escape(offer.where)
            )


def offers(app: Home, screen: Any, query: str) -> Iterator[Offer]:
    """What fits a query, in no order."""
    yield from here(app, screen, query)
    yield from _elsewhere(app, screen, query)
    yield from _by_command(app, screen, query)


def here(app: Home, screen: Any, query: str | None = None) -> Iterator[Offer]:
    """The actions of a screen; of these, where there is a `query`, those that fit it."""
    for action in of(app.places(screen), app.takes_orders):
        score = 1.0 if query is None else _score(query, action)
        if action.in_palette and score:
            target: Any = screen if action.place != "app" else app
            run = partial(app.run_action, action.call, target)
            yield Offer(action.help, _key(action), run, score)


def _elsewhere(app: Home, screen: Any, query: str) -> Iterator[Offer]:
    places = app.places(screen)
    known = {a.call for a in of(places) if a.call.startswith("app.")}
    names = {action.name.partition(".")[2] for action in of(app.places(screen))}
    for action in ACTIONS:
        if (
            action.place in places
            or action.place not in _ELSEWHERE
            or not action.in_palette
            or action.call in known
        ):
            continue
        if action.order and (not app.takes_orders or action.name.partition(".")[2] in names):
            continue  # the same can be ordered here
        score = _FAR * _score(query, action)
        if score:
            where = "in a session" if action.place == "session" else _place(action.place)
            run = partial(_go, app, screen, action)
            yield Offer(action.help, f"{_key(action)} {where}".lstrip(), run, score)


def _by_command(app: Home, screen: Any, query: str) -> Iterator[Offer]:
    session = next(iter(_chosen(screen)), "")
    known = app.store.session(session)
    run = known.run if known is not None else next(reversed(app.store.state.runs), "")
    for command in available(app.takes_orders):
        score = _COMMAND * rank(query, command)
        if score:
            line = command.filled(run, session)
            yield Offer(
                command.help, f"copies: {plain(line)}", partial(app.copy, line, line), score
            )


def _score(query: str, action: Action) -> float:
    if query.strip() in map(key_word, action.keys):
        return 2.0
    return rank(query, action) * (1.0 if action.keys else _KEYLESS)


def _key(action: Action) -> str:
    return f"key {key_word(action.keys[0])}" if action.keys else ""


def _place(place: Place) -> str:
    top = TOPS[place]
    return f"in {top.title} ({top.key})"


def _chosen(screen: Any) -> Sequence[str]:
    return getattr(screen, "chosen", ())


def _go(app: Home, screen: Any, action: Action) -> None:
    """Go to where an action is, and say its key."""
    if action.place == "session":
        session = next(iter(_chosen(screen)), None)
        if session is None:
            app.action_go(HOME)
        else:
            app.open_session(session)
    else:
        app.action_go(action.place)
    app.notify(action.help, title=f"Here it is the {_key(action) or 'palette'}")
