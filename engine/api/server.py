"""The engine's HTTP routes, served on a loop and thread of their own.

Reads come from a state that this loop folds from committed events, so that they are answered in
milliseconds whatever the sessions do. Commands are handed to the sessions' loop.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from engine.api import metrics
from engine.api.picture import Picture, StatusPicture
from engine.api.terminals import TerminalRequestError, TerminalRoutes
from engine.api.traced import Traced
from engine.events import Event, encode, rfc3339
from engine.journal import JournalError
from engine.journal.checkpointing import Checkpointer
from engine.journal.view import View
from engine.objects import ENGINE_SCHEMA, EngineObject
from engine.runs.orders import (
    ORDERS,
    Extend,
    NotRecordedError,
    OrderRefusedError,
    Orders,
    Release,
    read_order,
)
from engine.runs.planning import RunRefusedError
from engine.runs.selecting import NothingSelectedError
from engine.service.engine import Engine, EngineBusyError
from engine.session.restoring import RestoreRefusedError
from engine.session.session import Leaving
from engine.session.terminals import TerminalRefusedError
from engine.state import SessionState, State
from engine.storage.history import SnapshotNameError
from engine.storage.transcripts import TranscriptReader, transcript_path
from engine.verdicts.chain import verdicts_of
from engine.verdicts.regrading import RegradeRefusedError
from verifier.sandbox.keeper.client import KeeperError

T = TypeVar("T")
HEARTBEAT_SECONDS = 1.0
_BACKLOG = 1000
_MOST_ENTRIES = 1000
_LONGEST_WORD = 1000
_SLOWEST = 10_000  # batches that may wait for a client before it has to come again


class BadRequestError(ValueError):
    """A request that does not fit; the message names the part, its value and the remedy."""


class UnknownSessionError(LookupError):
    """No session has this id."""


_STATUS: dict[type[Exception], int] = {
    BadRequestError: 400,
    RunRefusedError: 400,
    NothingSelectedError: 404,
    UnknownSessionError: 404,
    SnapshotNameError: 404,
    RestoreRefusedError: 409,
    RegradeRefusedError: 404,
    TerminalRequestError: 400,
    TerminalRefusedError: 409,
    KeeperError: 503,
    EngineBusyError: 503,
    NotRecordedError: 503,
    OrderRefusedError: 400,
    JournalError: 503,
}


class _Pictures(NamedTuple):
    """What reads are answered with."""

    state: Picture
    status: StatusPicture


class _Batch:
    """Events that were committed together, encoded once for however many clients follow."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events
        self._whole: bytes | None = None

    def after(self, seq: int) -> bytes:
        """Those after number `seq`, as the stream carries them."""
        if not self._events or self._events[0].seq <= seq:
            return b"".join(_sse(event) for event in self._events if event.seq > seq)
        if self._whole is None:
            self._whole = b"".join(map(_sse, self._events))
        return self._whole


class Api:
    """The HTTP server of one engine. `start` and `stop` are called on the sessions' loop."""

    def __init__(self, engine: Engine, path: Path, version: str) -> None:
        self._engine = engine
        self._path = path
        self._version = version
        self._readers: dict[str, TranscriptReader] = {}
        self._thread: threading.Thread | None = None
        self._server: uvicorn.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Event | None = None
        self._view: View | None = None
        self._pictures: _Pictures | None = None
        self._streams: set[asyncio.Queue[_Batch]] = set()

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
        if self._closing is not None and self._server is not None:
            self._closing.set()
            self._server.should_exit = True
            for waiting in self._streams:
                waiting.put_nowait(_Batch(()))  # wakes the stream, which sees that it is the end

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
        self._view = View(self._engine.journal, self._loop, state)
        picture = Picture(state)
        maker = ThreadPoolExecutor(1, "forecast")
        status = StatusPicture(state, self._engine.thresholds, maker=maker)
        self._pictures = _Pictures(picture, status)
        for listener in (picture.note, self._pictures.status.note, self._hand_to_streams):
            self._view.listen(listener)
        checkpointer = Checkpointer(
            self._engine.journal.path, lambda: state.seq, picture.json, self._engine.checkpointed
        )
        config = uvicorn.Config(
            Traced(self._app(), self._engine.trace),
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
        self._view.close()
        maker.shutdown(wait=False, cancel_futures=True)

    def _app(self) -> Starlette:
        routes = [
            Route("/status", self._status),
            Route("/engine", self._engine_route),
            Route("/state", self._state),
            Route("/metrics", self._metrics),
            Route("/events", self._events),
            Route("/runs", self._runs, methods=["POST"]),
            Route("/gpus", self._gpus),
            Route("/presence", self._presence, methods=["POST"]),
            *(Route(f"/{name}", self._order, methods=["POST"]) for name in ORDERS),
            Route("/shutdown", self._shutdown, methods=["POST"]),
            Route("/sessions/{session}/transcript", self._transcript),
            Route("/sessions/{session}/verdicts", self._verdicts),
            Route("/sessions/{session}/restore", self._restore, methods=["POST"]),
            Route("/runs/{run}/regrade", self._regrade, methods=["POST"]),
        ]
        terminals = TerminalRoutes(self._engine, self._ask, self._session, self._is_closing)
        routes += terminals.routes()
        handlers = dict.fromkeys(_STATUS, _refused)
        return Starlette(routes=routes, exception_handlers=handlers)

    @property
    def _seen(self) -> View:
        if self._view is None:
            raise EngineBusyError("the engine is starting; try again")
        return self._view

    @property
    def _drawn(self) -> _Pictures:
        if self._pictures is None:
            raise EngineBusyError("the engine is starting; try again")
        return self._pictures

    def _engine_object(self) -> EngineObject:
        engine = self._engine
        return EngineObject(
            schema=ENGINE_SCHEMA,
            pid=os.getpid(),
            version=self._version,
            state_dir=str(engine.state_dir),
            uptime=round(engine.clock.now() - engine.started, 3),
            loop_lag=round(engine.lag(), 4),
            sessions_running=engine.running(),
            loop_lag_worst=round(engine.health.worst_lag(), 4),
            api_errors=engine.health.errors(engine.clock.now()),
            trouble=engine.trouble,
        )

    async def _status(self, request: Request) -> Response:
        engine = self._engine_object()
        return _answer(self._drawn.status.json(engine, self._engine.clock))

    async def _engine_route(self, request: Request) -> Response:
        return _json(self._engine_object())

    async def _state(self, request: Request) -> Response:
        return _answer(self._drawn.state.json())

    async def _metrics(self, request: Request) -> Response:
        found = metrics.families(self._seen.state, self._engine_object(), self._engine.clock)
        if _flag(request, "json"):
            return _json({"families": found})
        return Response(metrics.exposition(found), media_type=metrics.CONTENT_TYPE)

    async def _runs(self, request: Request) -> Response:
        spec = await _object(request)
        return _json(await self._ask(self._engine.create_run(spec, _dry(request))))

    async def _order(self, request: Request) -> Response:
        order = read_order(request.url.path.strip("/"), await _object(request))
        orders = Orders(self._engine.journal, lambda: self._seen.state)
        chosen = await orders.give(order, _dry(request))
        of_runs = isinstance(order, Extend) and order.run
        whom = "verdicts" if isinstance(order, Release) else "runs" if of_runs else "sessions"
        return _json({whom: chosen})

    async def _shutdown(self, request: Request) -> Response:
        how = Leaving.KEEP if _flag(request, "keep") else Leaving.END
        await self._ask(self._engine.shutdown(how))
        return _json({})

    async def _transcript(self, request: Request) -> Response:
        session = self._session(request)
        after = _number(request, "after", 0)
        limit = min(_number(request, "limit", 200), _MOST_ENTRIES)
        reader = self._readers.get(session.id)
        if reader is None:
            reader = TranscriptReader(transcript_path(self._engine.state_dir, session.id))
            self._readers[session.id] = reader
        # Tens of microseconds for what is new since the last call; not worth a thread.
        entries = reader.read(after, limit, session.transcript_bytes)
        answer = {"entries": entries, "next": after + len(entries)}
        return _json({**answer, "live": self._engine.live(session.id)})

    async def _verdicts(self, request: Request) -> Response:
        session = self._session(request)
        journal = self._engine.journal
        return _json({"verdicts": await asyncio.to_thread(verdicts_of, journal, session.id)})

    async def _regrade(self, request: Request) -> Response:
        body = await _object(request)
        by, source = _word(body, "by"), _word(body, "anchors") or None
        if not by or source not in (None, "task", "calibrated"):
            raise BadRequestError('the body must be {"by": WHO, "anchors": "task" or "calibrated"}')
        run = request.path_params["run"]
        done = await self._ask(
            self._engine.regrade(run, by, source, _dry(request))  # type: ignore[arg-type]
        )
        return _json(
            {
                "run": run,
                "tasks": done.tasks,
                "verdicts": done.rows,
                "remarks": done.remarks,
                "dry_run": _dry(request),
            }
        )

    async def _restore(self, request: Request) -> Response:
        session = self._session(request)
        body = await _object(request)
        snapshot, by, why = (_word(body, name) for name in ("snapshot", "by", "why"))
        if not snapshot or not by:
            raise BadRequestError('the body must be {"snapshot": WHICH, "by": WHO, "why": TEXT}')
        restored = self._engine.restore(session.id, snapshot, by, why, _dry(request))
        return _json(await self._ask(restored))

    async def _gpus(self, request: Request) -> Response:
        """The newest reading of every GPU, and with `seconds` those before it."""
        sampler, seconds = self._engine.gpu_sampler, _number(request, "seconds", 0)
        history = [
            {"age": round(self._engine.clock.now() - sample.stamp, 3), "gpus": sample.reading.gpus}
            for sample in (sampler.history(seconds) if seconds else ())
        ]
        return _json({"reading": sampler.latest(), "history": history})

    async def _presence(self, request: Request) -> Response:
        """Somebody sits at a screen."""
        del request
        self._engine.notifier.seen()
        return _json({})

    async def _events(self, request: Request) -> Response:
        after = _number(request, "after", 0)
        if "last-event-id" in request.headers:
            after = _whole(request.headers["last-event-id"], "Last-Event-ID")
        headers = {"Cache-Control": "no-store"}
        return StreamingResponse(self._stream(after), 200, headers, "text/event-stream")

    def _hand_to_streams(self, events: Sequence[Event]) -> None:
        batch = _Batch(events)
        for waiting in self._streams:
            waiting.put_nowait(batch)

    async def _stream(self, after: int) -> AsyncIterator[bytes]:
        view, closing = self._seen, self._closing
        waiting: asyncio.Queue[_Batch] = asyncio.Queue()
        self._streams.add(waiting)
        try:
            yield self._heartbeat()
            newest = view.state.seq
            while after < newest:
                until = min(after + _BACKLOG, newest)
                yield await asyncio.to_thread(self._stored, after, until)
                after = until
            beat = asyncio.get_running_loop().time() + HEARTBEAT_SECONDS
            while waiting.qsize() < _SLOWEST:
                try:
                    async with asyncio.timeout_at(beat):
                        batches = [await waiting.get()]
                except TimeoutError:
                    beat += HEARTBEAT_SECONDS
                    yield self._heartbeat()
                    continue
                while not waiting.empty():
                    batches.append(waiting.get_nowait())
                yield b"".join(batch.after(after) for batch in batches)
                if closing is not None and closing.is_set() and waiting.empty():
                    return
        finally:
            self._streams.discard(waiting)

    def _stored(self, after: int, until: int) -> bytes:
        return b"".join(_sse(event) for event in self._engine.journal.events(after, until))

    def _heartbeat(self) -> bytes:
        clock = self._engine.clock
        data = {
            "at": rfc3339(clock.wall()),
            "boot": clock.boot(),
            "stamp": clock.now(),
            "loop_lag": round(self._engine.lag(), 4),
            "seq": self._seen.state.seq,
            "trouble": self._engine.trouble,
        }
        return b"event: heartbeat\ndata: " + msgspec.json.encode(data) + b"\n\n"

    def _is_closing(self) -> bool:
        return self._closing is not None and self._closing.is_set()

    def _session(self, request: Request) -> SessionState:
        name = request.path_params["session"]
        found = self._seen.state.sessions.get(name)
        if found is None:
            raise UnknownSessionError(f"there is no session {name!r}; `autolab status` lists them")
        return found

    async def _ask(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the sessions' loop do it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._engine.loop))


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


def _sse(event: Event) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (event.seq, encode(event))


def _json(value: Any, status: int = 200) -> Response:
    return _answer(msgspec.json.encode(value), status)


def _answer(data: bytes, status: int = 200) -> Response:
    return Response(data, status, media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    status = next((s for kind, s in _STATUS.items() if isinstance(error, kind)), 500)
    return _json({"error": str(error)}, status)


async def _object(request: Request) -> dict[str, Any]:
    try:
        data = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise BadRequestError(f"the body is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise BadRequestError("the body must be a JSON object")
    return data


def _word(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST_WORD:
        raise BadRequestError(f"{name} must be text of at most {_LONGEST_WORD} characters")
    return value


def _dry(request: Request) -> bool:
    return _flag(request, "dry_run")


def _flag(request: Request, name: str) -> bool:
    return request.query_params.get(name, "0") not in ("", "0", "false")


def _number(request: Request, name: str, default: int) -> int:
    return _whole(request.query_params.get(name, str(default)), name)


def _whole(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise BadRequestError(f"{name} = {text!r} must be a whole number, 0 or more")
    return int(text)
