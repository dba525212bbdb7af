"""What the app asks an engine, answered from a recording."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from autolab_tui.replay.store import ReplayStore
from engine.client import EngineError, Heartbeat
from engine.events import Event
from engine.state import State

_GPU_SECONDS = 180  # looked back for a minute in which GPUs were seen


class _Silence:
    """A stream on which nothing comes until it is closed."""

    def __init__(self) -> None:
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Event | Heartbeat]:
        self._closed.wait()
        return iter(())

    def close(self) -> None:
        """End it, from any thread."""
        self._closed.set()


class ReplayClient:
    """Reads the recording that a store shows, at the moment that it shows."""

    def __init__(self, store: ReplayStore) -> None:
        self._store = store

    def state(self) -> State:
        """The state at the moment that is shown."""
        return self._store.state

    def events(self, after: int = 0) -> _Silence:
        """Nothing happens any more."""
        del after
        return _Silence()

    def transcript(self, session: str, after: int = 0, limit: int = 200) -> dict[str, Any]:
        """The entries that had been written by then."""
        known = self._store.session(session)
        if known is None:
            return {"entries": [], "next": after, "live": None}
        limit = min(limit, max(0, known.transcript_entries - after))
        entries = self._store.recording.transcript(session, after, limit, known.transcript_bytes)
        return {"entries": entries, "next": after + len(entries), "live": None}

    def verdicts(self, session: str) -> list[dict[str, Any]]:
        """The verdicts that had been given by then."""
        return self._store.recording.verdicts_of(session, self._store.position)

    def gpus(self, seconds: int = 0) -> dict[str, Any]:
        """What the GPUs did then, minute by minute: seconds are not kept."""
        store = self._store
        return store.recording.gpus(store.position, max(seconds, _GPU_SECONDS), store.state)

    def processes(self, session: str) -> dict[str, Any]:
        """Refused: what ran then is not kept."""
        del session
        raise EngineError("a replay knows of no processes: what ran then was not kept")

    def present(self) -> None:
        """Nobody needs to know."""

    def stop(self, globs: Sequence[str], dry_run: bool = False) -> list[str]:
        """Refused."""
        self._refuse(globs, dry_run)

    def order(self, name: str, order: Mapping[str, Any], dry_run: bool = False) -> list[str]:
        """Refused."""
        self._refuse(name, order, dry_run)

    def restore(self, session: str, snapshot: str, *, by: str) -> dict[str, Any]:
        """Refused."""
        self._refuse(session, snapshot, by)

    def create_run(self, spec: Mapping[str, Any], dry_run: bool = False) -> dict[str, Any]:
        """Refused."""
        self._refuse(spec, dry_run)

    def _refuse(self, *_: object) -> NoReturn:
        raise EngineError("this is a replay, and what was cannot be changed; `autolab` is live")
