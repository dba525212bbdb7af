"""The app's line to the engine: a thread that reads, and short calls for everything else.

The thread takes the state, follows the events after it and collects both into one `Batch`; the app
takes the batch when it draws its next frame. So a storm of events costs one fold and one frame, a
slow engine costs nothing, and a dead one is tried again until it answers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec

from engine.client import EngineDownError, EngineForeignError, EngineSilentError, Heartbeat
from engine.events import Event
from engine.state import State

FIRST_RETRY = 0.5
LAST_RETRY = 5.0


class Stream(Protocol):
    """What `EngineClient.events` returns."""

    def __iter__(self) -> Iterator[Event | Heartbeat]: ...
    def close(self) -> None:
        """End the stream, from any thread."""


class Client(Protocol):
    """What the app needs of `engine.client.EngineClient`."""

    def state(self) -> State:
        """Everything, as of its `seq`."""

    def events(self, after: int = 0) -> Stream:
        """The events after a number, and heartbeats."""

    def create_run(self, spec: Mapping[str, Any], dry_run: bool = False) -> dict[str, Any]:
        """Launch a run; a dry run only says what it would come to."""

    def stop(self, globs: Sequence[str], dry_run: bool = False) -> list[str]:
        """Ask sessions to stop and be scored."""

    def order(self, name: str, order: Mapping[str, Any], dry_run: bool = False) -> list[str]:
        """Give an order; the ids of the sessions that it changes something for."""

    def restore(self, session: str, snapshot: str, *, by: str) -> dict[str, Any]:
        """Set a session's files to a snapshot."""

    def processes(self, session: str) -> dict[str, Any]:
        """What runs in a session's sandbox."""

    def gpus(self, seconds: int = 0) -> dict[str, Any]:
        """What the GPUs do, and did in the last `seconds`."""

    def present(self) -> None:
        """Say that somebody sits at the screen."""

    def transcript(self, session: str, after: int = 0, limit: int = 200) -> dict[str, Any]:
        """Entries of a transcript from a number on."""

    def verdicts(self, session: str) -> list[dict[str, Any]]:
        """Every verdict of a session, whole."""


class Batch(msgspec.Struct):
    """What came since the last batch: state, then events; `lost` says why the line broke."""

    state: State | None = None
    events: list[Event] = msgspec.field(default_factory=list)
    heartbeat: Heartbeat | None = None
    lost: str | None = None
    silent: bool = False  # lost, but it is there and only says nothing
    foreign: bool = False  # lost, because it is of another version
    connected: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing came."""
        return not (self.state or self.events or self.heartbeat or self.connected or self.lost)


class Link:
    """Reads from one engine on a thread of its own, from `start` to `stop`.

    `notify` is called (on that thread) when a batch that was empty no longer is; it should only
    wake the owner, who then calls `take`.
    """

    def __init__(self, client: Client, notify: Callable[[], None]) -> None:
        self.client = client
        self._notify = notify
        self._lock = threading.Lock()
        self._batch = Batch()
        self._stopping = threading.Event()
        self._stream: Stream | None = None
        self._thread = threading.Thread(target=self._follow, name="engine-link", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self, wait: float = 0.5) -> None:
        """Stop reading; waits up to `wait` seconds for the thread to end."""
        self._stopping.set()
        stream = self._stream
        if stream is not None:
            stream.close()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(wait)

    def take(self) -> Batch:
        """What came since the last call."""
        with self._lock:
            batch, self._batch = self._batch, Batch()
        return batch

    @property
    def has_news(self) -> bool:
        """Whether more than signs of life came since the last `take`."""
        with self._lock:
            batch = self._batch
            return bool(batch.state or batch.events or batch.connected or batch.lost)

    def _follow(self) -> None:
        pause = FIRST_RETRY
        while not self._stopping.is_set():
            try:
                heard = self._read_until_lost()
            except Exception as error:  # a thread that died would look like a silent engine
                heard = False
                self._lose(error)
            pause = FIRST_RETRY if heard else min(LAST_RETRY, pause * 2)
            self._stopping.wait(pause)

    def _read_until_lost(self) -> bool:
        """Follow one connection to its end; whether it ever gave anything."""
        state = self.client.state()
        with self._change() as batch:
            batch.state, batch.events = state, []
            batch.connected, batch.lost = True, None
        stream = self._stream = self.client.events(state.seq)
        try:
            # `stop` may have looked for the stream just before there was one.
            if self._stopping.is_set():
                return True
            for item in stream:
                if self._stopping.is_set():
                    return True
                with self._change() as batch:
                    if isinstance(item, Heartbeat):
                        batch.heartbeat = item
                    else:
                        batch.events.append(item)
        except Exception as error:  # whatever it was, the line is broken and is made anew
            self._lose(error)
            return True
        finally:
            self._stream = None
            stream.close()
        self._lose(EngineDownError("the engine closed the stream"))
        return True

    def _lose(self, error: Exception) -> None:
        if not self._stopping.is_set():
            with self._change() as batch:
                batch.lost, batch.connected = str(error) or type(error).__name__, False
                batch.silent = isinstance(error, EngineSilentError)
                batch.foreign = isinstance(error, EngineForeignError)

    @contextmanager
    def _change(self) -> Iterator[Batch]:
        """Hold the batch, and wake the owner afterwards if it was empty before."""
        with self._lock:
            wake = self._batch.empty
            yield self._batch
        if wake and not self._stopping.is_set():
            self._notify()
