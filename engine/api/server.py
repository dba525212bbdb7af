"""The engine's HTTP server, on a loop and thread of its own.

Reads come from a state that this loop folds from committed events, so that they are answered in
milliseconds whatever the sessions do. Commands are handed to the sessions' loop.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec
import uvicorn

from engine.api.picture import Picture, StatusPicture
from engine.api.routes import Routes
from engine.api.stream import EventStreams
from engine.api.traced import Traced
from engine.journal.checkpointing import Checkpointer
from engine.journal.view import View
from engine.service.engine import Engine
from engine.state import State


class Api:
    """The HTTP server of one engine. `start` and `stop` are called on the sessions' loop."""

    def __init__(self, engine: Engine, path: Path, version: str) -> None:
        self._engine = engine
        self._path = path
        self._version = version
        self._thread: threading.Thread | None = None
        self._server: uvicorn.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Event | None = None
        self._streams: EventStreams | None = None

    async def start(self) -> None:
        """Listen; returns when requests are answered. Raises what kept it from it."""
        listening = _listen(self._path)
        ready: Future[None] = Future()
        folded = msgspec.json.encode(self._engine.state)  # a copy costs less than a second fold
        self._thread = threading.Thread(
            target=self._serve, args=(listening, folded, ready), name="api", daemon=True
        )
        self._thread.start()
        await asyncio.wrap_future(ready)

    async def stop(self) -> None:
        """Finish what is being answered, end the streams, and close the socket."""
        if self._thread is None or self._loop is None:
            return
        self._loop.call_soon_threadsafe(self._close)
        await asyncio.to_thread(self._thread.join)
        self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._closing is not None and self._server is not None and self._streams is not None:
            self._closing.set()
            self._server.should_exit = True
            self._streams.wake()

    def _serve(self, listening: socket.socket, folded: bytes, ready: Future[None]) -> None:
        try:
            asyncio.run(self._main(listening, folded, ready))
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
                return
            # An engine that nobody can ask is of no use: end it in good order.
            self._engine.loop.call_soon_threadsafe(self._engine.end)
            raise

    async def _main(self, listening: socket.socket, folded: bytes, ready: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        state = msgspec.json.decode(folded, type=State)
        view = View(self._engine.journal, self._loop, state)
        picture = Picture(state)
        maker = ThreadPoolExecutor(1, "forecast")
        status = StatusPicture(state, self._engine.thresholds, maker=maker)
        view.listen(picture.note)
        view.listen(status.note)
        self._streams = EventStreams(self._engine, view, self._closing.is_set)
        routes = Routes(
            self._engine,
            self._version,
            view,
            whole_state=picture,
            status=status,
            streams=self._streams,
            closing=self._closing.is_set,
        )
        checkpointer = Checkpointer(
            self._engine.journal.path, lambda: state.seq, picture.json, self._engine.checkpointed
        )
        config = uvicorn.Config(
            Traced(routes.app(), self._engine.trace),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(self._server.serve(sockets=[listening]))
            while not self._server.started:  # noqa: ASYNC110 - uvicorn has a flag and no event
                await asyncio.sleep(0.01)
            saving = group.create_task(checkpointer.work())
            ready.set_result(None)
            await serving
            saving.cancel()
        await checkpointer.save()
        view.close()
        maker.shutdown(wait=False, cancel_futures=True)


def _listen(path: Path) -> socket.socket:
    """A socket that only this user can connect to."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    listening.listen(128)
    return listening
