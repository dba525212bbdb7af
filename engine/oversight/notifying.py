"""News for an operator who is away, sent through Apprise to wherever the settings say.

What happens within a few seconds goes out as one message, and each piece of news once. Whoever sits
at the app is not away: it tells the engine when keys are pressed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from engine.clock import Clock
from engine.events import AlertRaised, Event, SessionEnded, SessionMoved
from engine.settings import NotifySettings
from engine.state import SessionState, State, run_over

_MOST_LINES = 12
_LONGEST = 300  # characters of one piece of news
_SENDING_SECONDS = 60.0
_log = logging.getLogger(__name__)


class Notifier:
    """Gathers news and sends it. `hear` and `work` belong to one loop; `seen` is for any thread.

    `trouble` is told in words, once for each kind, when something cannot be sent; the words name
    no address, since addresses hold tokens.
    """

    def __init__(
        self, settings: NotifySettings, clock: Clock, trouble: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._trouble = trouble
        self._news: asyncio.Queue[str] = asyncio.Queue()
        self._seen = float("-inf")
        self._said: set[str] = set()

    @property
    def on(self) -> bool:
        """Whether anything would ever be sent."""
        return bool(self._settings.urls) and self._settings.when != "never"

    def seen(self) -> None:
        """Somebody sits at a screen now."""
        self._seen = self._clock.now()

    @property
    def away(self) -> bool:
        """Whether nobody has been seen for a while."""
        return self._clock.now() - self._seen >= self._settings.away_seconds

    def hear(self, state: State, event: Event) -> None:
        """Take note of an event that an operator would want to know of."""
        if self.on and (said := news(state, event)) is not None:
            self._news.put_nowait(said)

    async def work(self) -> None:
        """Send what was gathered, for ever; cancelled when the engine ends."""
        while True:
            gathered = [await self._news.get()]
            await asyncio.sleep(self._settings.gather_seconds)
            while not self._news.empty():
                gathered.append(self._news.get_nowait())
            if self._settings.when == "always" or self.away:
                await self._send(gathered)

    async def _send(self, gathered: Sequence[str]) -> None:
        title = "AutoLab" if len(gathered) == 1 else f"AutoLab: {len(gathered)} news"
        shown = list(gathered[:_MOST_LINES])
        if len(gathered) > _MOST_LINES:
            shown.append(f"and {len(gathered) - _MOST_LINES} more")
        try:
            async with asyncio.timeout(_SENDING_SECONDS):
                problem = await asyncio.to_thread(self._deliver, title, "\n".join(shown))
        except TimeoutError:
            problem = f"a notification was not taken within {_SENDING_SECONDS:.0f} s"
        if problem and problem not in self._said:
            self._said.add(problem)
            self._trouble(problem)

    def _deliver(self, title: str, body: str) -> str:
        """Send on this thread; what went wrong, in words without an address."""
        try:
            import apprise
        except ImportError:
            return (
                "notifications need apprise, which is not installed; "
                "pip install 'autolab-tui[notify]'"
            )
        # Its log lines hold addresses, and addresses hold tokens.
        logging.getLogger("apprise").disabled = True
        problems = []
        for number, url in enumerate(self._settings.urls, 1):
            # One by one, so that a bad address keeps no news from the good ones.
            sender = apprise.Apprise()
            if not sender.add(url.get_secret_value()):
                problems.append(
                    f"notify.urls entry {number} is no address that Apprise knows; mend it"
                )
                continue
            try:
                taken = bool(sender.notify(body=body, title=title))
            except Exception as error:
                _log.warning("a notification failed: %s", type(error).__name__)
                taken = False
            if not taken:
                problems.append(
                    f"notify.urls entry {number} did not take a notification; "
                    "it is not sent again, the news is in the feed"
                )
        return "; ".join(problems)


def news(state: State, event: Event) -> str | None:
    """What an event says to somebody who is away, in one line, or None."""
    session = state.sessions.get(event.session or "")
    if session is None:
        return None
    match event.body:
        case AlertRaised(text=text):
            return _line(session, text)
        case SessionEnded(outcome=outcome, evidence=evidence):
            if outcome in ("infrastructure", "tampered"):
                return _line(session, f"ended as {outcome}: {evidence}")
        case SessionMoved(state="finished" | "failed"):
            run = state.runs.get(session.run)
            if run is not None and run_over(state, run.id):
                known = [state.sessions[s] for s in run.sessions if s in state.sessions]
                finals = [s.final_reward for s in known if s.final_reward is not None]
                mean = f", mean final reward {sum(finals) / len(finals):.3f}" if finals else ""
                failed = sum(s.state == "failed" for s in known)
                lost = f", {failed} failed" if failed else ""
                return f"run {run.id} is over: {len(known)} sessions{lost}{mean}"
    return None


def _line(session: SessionState, text: str) -> str:
    who = f"{session.task}, {session.model or session.agent} ({session.id}): {text}"
    safe = "".join(c if c.isprintable() else " " for c in who)
    return safe if len(safe) <= _LONGEST else f"{safe[: _LONGEST - 1]}…"
