"""Short calls to the engine, each on a worker thread; the answer comes back as a message.

Nothing here touches a widget: a message is posted to whoever asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from textual.dom import DOMNode
from textual.message import Message
from textual.message_pump import MessagePump

from autolab_tui.link import Client
from autolab_tui.messages import (
    CallFailed,
    GpusRead,
    Launched,
    Ordered,
    Planned,
    ProcessesRead,
    Restored,
    Stopped,
    TranscriptRead,
    VerdictsRead,
)
from autolab_tui.operators import operator


class Calls:
    """The calls that screens may make."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def transcript(self, asker: DOMNode, session: str, after: int, limit: int) -> None:
        """Read up to `limit` entries from number `after` on: `TranscriptRead`."""

        def read() -> Message:
            answer = self._client.transcript(session, after, limit)
            return TranscriptRead(session, list(answer.get("entries", ())), answer.get("live"))

        self._run(asker, "transcript", "read the transcript", read)

    def verdicts(self, asker: DOMNode, session: str) -> None:
        """Read the whole verdicts: `VerdictsRead`."""

        def read() -> Message:
            return VerdictsRead(session, self._client.verdicts(session))

        self._run(asker, "verdicts", "read the verdicts", read)

    def processes(self, asker: DOMNode, session: str) -> None:
        """Ask what runs in a session's sandbox: `ProcessesRead`."""

        def read() -> Message:
            return ProcessesRead(session, self._client.processes(session))

        self._run(asker, "processes", "ask for its processes", read)

    def stop(self, asker: DOMNode, sessions: Sequence[str]) -> None:
        """Ask the engine to stop and score sessions: `Stopped`."""

        def ask() -> Message:
            return Stopped(self._client.stop(list(sessions)))

        self._run(asker, "stop", "stop the session", ask)

    def order(
        self, asker: DOMNode, name: str, sessions: Sequence[str], more: Mapping[str, Any] = {}
    ) -> None:
        """Give the engine an order of `engine.runs.orders` for sessions: `Ordered`."""

        def ask() -> Message:
            order = {"globs": list(sessions), "by": operator(), **more}
            return Ordered(name, self._client.order(name, order))

        self._run(asker, name, f"{name} the session", ask)

    def restore(self, asker: DOMNode, session: str, snapshot: str) -> None:
        """Set a session's files to a snapshot: `Restored`."""

        def ask() -> Message:
            return Restored(self._client.restore(session, snapshot, by=operator()))

        self._run(asker, "restore", "restore the files", ask)

    def present(self, asker: DOMNode) -> None:
        """Tell the engine that somebody sits here; nothing comes back, whatever becomes of it."""

        def tell() -> None:
            with suppress(Exception):  # the engine may be down: the screen says so anyway
                self._client.present()

        asker.run_worker(tell, group="presence", thread=True, exit_on_error=False)

    def gpus(self, asker: DOMNode, seconds: int) -> None:
        """Ask what the GPUs do and did in the last `seconds`: `GpusRead`."""

        def ask() -> Message:
            return GpusRead(self._client.gpus(seconds))

        self._run(asker, "gpus", "ask for the GPUs", ask)

    def plan(self, asker: DOMNode, spec: Mapping[str, Any]) -> None:
        """Ask the engine what a run would come to: `Planned`."""

        def ask() -> Message:
            return Planned(self._client.create_run(spec, dry_run=True))

        self._run(asker, "plan", "plan the run", ask)

    def launch(self, asker: DOMNode, spec: Mapping[str, Any]) -> None:
        """Launch a run: `Launched`."""

        def ask() -> Message:
            created = self._client.create_run(spec)
            return Launched(str(created["run"]), list(created["sessions"]))

        self._run(asker, "launch", "launch the run", ask)

    def _run(self, asker: DOMNode, group: str, what: str, call: Callable[[], Message]) -> None:
        def work(target: MessagePump = asker) -> None:
            try:
                answer = call()
            except Exception as error:  # whatever it was, the operator is told and the app stays
                answer = CallFailed(what, str(error) or type(error).__name__)
            target.post_message(answer)

        asker.run_worker(work, group=group, thread=True, exit_on_error=False)
