"""Every route of the engine: what is asked for, whom it is handed to, and the answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from engine.api import metrics
from engine.api.picture import Picture, StatusPicture
from engine.api.requests import (
    BadRequestError,
    as_is,
    as_json,
    dry,
    flag,
    number,
    object_of,
    whole,
    word,
)
from engine.api.stream import EventStreams
from engine.api.terminals import TerminalRequestError, TerminalRoutes
from engine.journal import JournalError
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
from engine.service.commands import EngineBusyError, RemovalRefusedError
from engine.service.engine import Engine
from engine.session.restoring import RestoreRefusedError
from engine.session.session import Leaving
from engine.session.terminals import TerminalRefusedError
from engine.state import SessionState
from engine.storage.history import SnapshotNameError
from engine.storage.transcripts import TranscriptReader, transcript_path
from engine.verdicts.chain import verdicts_of
from engine.verdicts.regrading import RegradeRefusedError
from tasks.nearest import hint
from verifier.sandbox.keeper.client import KeeperError

T = TypeVar("T")
_MOST_ENTRIES = 1000


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
    RemovalRefusedError: 409,
    TerminalRequestError: 400,
    TerminalRefusedError: 409,
    KeeperError: 503,
    EngineBusyError: 503,
    NotRecordedError: 503,
    OrderRefusedError: 400,
    JournalError: 503,
}


class Routes:
    """On the API's loop. Reads come from `view` and the pictures of it.

    Commands are handed to the sessions' loop. `closing` says that the server ends.
    """

    def __init__(
        self,
        engine: Engine,
        version: str,
        view: View,
        *,
        whole_state: Picture,
        status: StatusPicture,
        streams: EventStreams,
        closing: Callable[[], bool],
    ) -> None:
        self._engine = engine
        self._version = version
        self._view = view
        self._whole_state = whole_state
        self._standing = status
        self._streams = streams
        self._closing = closing
        self._readers: dict[str, TranscriptReader] = {}

    def app(self) -> Starlette:
        """The application that answers."""
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
            Route("/sessions/{session}/processes", self._processes),
            Route("/sessions/{session}/restore", self._restore, methods=["POST"]),
            Route("/runs/{run}/remove", self._remove, methods=["POST"]),
            Route("/collect", self._collect, methods=["POST"]),
            Route("/runs/{run}/regrade", self._regrade, methods=["POST"]),
        ]
        terminals = TerminalRoutes(self._engine, self._ask, self._session, self._closing)
        routes += terminals.routes()
        handlers = dict.fromkeys(_STATUS, _refused)
        return Starlette(routes=routes, exception_handlers=handlers)

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
        return as_is(self._standing.json(engine, self._engine.clock))

    async def _engine_route(self, request: Request) -> Response:
        return as_json(self._engine_object())

    async def _state(self, request: Request) -> Response:
        return as_is(self._whole_state.json())

    async def _metrics(self, request: Request) -> Response:
        found = metrics.families(self._view.state, self._engine_object(), self._engine.clock)
        if flag(request, "json"):
            return as_json({"families": found})
        return Response(metrics.exposition(found), media_type=metrics.CONTENT_TYPE)

    async def _runs(self, request: Request) -> Response:
        spec = await object_of(request)
        return as_json(await self._ask(self._engine.commands.create_run(spec, dry(request))))

    async def _order(self, request: Request) -> Response:
        order = read_order(request.url.path.strip("/"), await object_of(request))
        orders = Orders(self._engine.journal, lambda: self._view.state)
        chosen = await orders.give(order, dry(request))
        of_runs = isinstance(order, Extend) and order.run
        whom = "verdicts" if isinstance(order, Release) else "runs" if of_runs else "sessions"
        return as_json({whom: chosen})

    async def _shutdown(self, request: Request) -> Response:
        how = Leaving.KEEP if flag(request, "keep") else Leaving.END
        await self._ask(self._engine.shutdown(how))
        return as_json({})

    async def _transcript(self, request: Request) -> Response:
        session = self._session(request)
        after = number(request, "after", 0)
        limit = min(number(request, "limit", 200), _MOST_ENTRIES)
        reader = self._readers.get(session.id)
        if reader is None:
            reader = TranscriptReader(transcript_path(self._engine.state_dir, session.id))
            self._readers[session.id] = reader
        # Tens of microseconds for what is new since the last call; not worth a thread.
        entries = reader.read(after, limit, session.transcript_bytes)
        answer = {"entries": entries, "next": after + len(entries)}
        return as_json({**answer, "live": self._engine.live(session.id)})

    async def _verdicts(self, request: Request) -> Response:
        session = self._session(request)
        journal = self._engine.journal
        return as_json({"verdicts": await asyncio.to_thread(verdicts_of, journal, session.id)})

    async def _processes(self, request: Request) -> Response:
        """What runs in a session's sandbox now."""
        return as_json(await self._ask(self._engine.sandboxes.at(self._session(request).id)))

    async def _regrade(self, request: Request) -> Response:
        body = await object_of(request)
        by, source = word(body, "by"), word(body, "anchors") or None
        if not by or source not in (None, "task", "calibrated"):
            raise BadRequestError('the body must be {"by": WHO, "anchors": "task" or "calibrated"}')
        run = request.path_params["run"]
        done = await self._ask(
            self._engine.commands.regrade(run, by, source, dry(request))  # type: ignore[arg-type]
        )
        return as_json(
            {
                "run": run,
                "tasks": done.tasks,
                "verdicts": done.rows,
                "remarks": done.remarks,
                "dry_run": dry(request),
            }
        )

    async def _remove(self, request: Request) -> Response:
        by = word(await object_of(request), "by")
        if not by:
            raise BadRequestError('the body must be {"by": WHO}')
        run = request.path_params["run"]
        return as_json(await self._ask(self._engine.commands.remove(run, by, dry(request))))

    async def _collect(self, request: Request) -> Response:
        return as_json(await self._ask(self._engine.commands.collect(dry(request))))

    async def _restore(self, request: Request) -> Response:
        session = self._session(request)
        body = await object_of(request)
        snapshot, by, why = (word(body, name) for name in ("snapshot", "by", "why"))
        if not snapshot or not by:
            raise BadRequestError('the body must be {"snapshot": WHICH, "by": WHO, "why": TEXT}')
        restored = self._engine.commands.restore(session.id, snapshot, by, why, dry(request))
        return as_json(await self._ask(restored))

    async def _gpus(self, request: Request) -> Response:
        """The newest reading of every GPU, and with `seconds` what they did so long."""
        sampler, seconds = self._engine.gpu_sampler, number(request, "seconds", 0)
        history = sampler.history(seconds) if seconds > 0 else {}
        return as_json({"reading": sampler.latest(), "history": history})

    async def _presence(self, request: Request) -> Response:
        """Somebody sits at a screen."""
        del request
        self._engine.notifier.seen()
        return as_json({})

    async def _events(self, request: Request) -> Response:
        after = number(request, "after", 0)
        if "last-event-id" in request.headers:
            after = whole(request.headers["last-event-id"], "Last-Event-ID")
        headers = {"Cache-Control": "no-store"}
        return StreamingResponse(self._streams.after(after), 200, headers, "text/event-stream")

    def _session(self, request: Request) -> SessionState:
        name = request.path_params["session"]
        found = self._view.state.sessions.get(name)
        if found is None:
            raise UnknownSessionError(f"there is no session {name!r}; {self._meant(name)}")
        return found

    def _meant(self, name: str) -> str:
        run = self._view.state.runs.get(name)
        if run is not None:
            return f"it is a run, and its sessions are {', '.join(run.sessions[:5])}"
        return hint(name, self._view.state.sessions, "`autolab status` lists them")

    async def _ask(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the sessions' loop do it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._engine.loop))


async def _refused(request: Request, error: Exception) -> Response:
    status = next((s for kind, s in _STATUS.items() if isinstance(error, kind)), 500)
    return as_json({"error": str(error)}, status)
