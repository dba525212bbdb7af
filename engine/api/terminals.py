"""The routes of attached terminals: one stream of what is shown, and requests to type and resize.

A stream is JSON lines; see docs/architecture.md. Nothing is read from a sandbox before the line
with what was read last has left for the caller.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from engine.service.engine import Engine
from engine.session.terminals import MOST_KEYS, Look
from engine.state import SessionState
from verifier.sandbox.keeper.protocol import Pan

T = TypeVar("T")
_LOOKS_PER_SECOND = 60.0
_BURST = 20.0
_PATIENCE = 2.5  # seconds; a look takes about one at most
_BUSY = "the engine is busy"


class TerminalRequestError(ValueError):
    """A request about a terminal that does not fit."""


class _Opening(msgspec.Struct, frozen=True):
    columns: int
    rows: int
    write: bool = False
    by: str = ""
    why: str = ""


class _Viewing(msgspec.Struct, frozen=True):
    columns: int
    rows: int
    pan: Pan = ""
    by: int = 0


class TerminalRoutes:
    """`ask` carries work to the sessions' loop; `facts` finds the session of a request."""

    def __init__(
        self,
        engine: Engine,
        ask: Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]],
        facts: Callable[[Request], SessionState],
        closing: Callable[[], bool],
    ) -> None:
        self._engine = engine
        self._ask = ask
        self._facts = facts
        self._closing = closing

    def routes(self) -> list[Route]:
        """For the application."""
        return [
            Route("/sessions/{session}/terminal", self._open, methods=["POST"]),
            Route("/terminals/{number:int}/keys", self._keys, methods=["POST"]),
            Route("/terminals/{number:int}/view", self._view, methods=["POST"]),
        ]

    async def _open(self, request: Request) -> Response:
        facts = self._facts(request)
        asked = await _body(request, _Opening)
        if asked.write and not asked.by:
            raise TerminalRequestError("to attach with write, say who does it in `by`")
        if request.query_params.get("dry_run", "0") not in ("", "0", "false"):
            still = await self._ask(self._engine.terminals.check(facts))
            return Response(msgspec.json.encode({"session": facts.id, "still": still}))
        number = await self._ask(
            self._engine.terminals.open(
                facts,
                asked.columns,
                asked.rows,
                write=asked.write,
                by=asked.by,
                why=asked.why,
            )
        )
        stream = self._stream(number, asked.write, request)
        return StreamingResponse(stream, 200, {"Cache-Control": "no-store"}, "application/jsonl")

    async def _stream(self, number: int, write: bool, request: Request) -> AsyncIterator[bytes]:
        terminals = self._engine.terminals
        loop = asyncio.get_running_loop()
        looks, counted = _BURST, loop.time()
        still = ""
        asked: asyncio.Future[Look] | None = None
        try:
            session = self._facts(request).id
            yield _line({"terminal": number, "session": session, "write": write})
            while not self._closing():
                asked = asyncio.ensure_future(self._ask(terminals.look(number)))
                while not (await asyncio.wait({asked}, timeout=_PATIENCE))[0]:
                    yield _line({"still": _BUSY} if still != _BUSY else {})
                    still = _BUSY
                look = asked.result()
                if look.over:
                    yield _line({"over": look.over})
                    return
                if look.still != still:
                    yield _line({"still": look.still})
                still = look.still
                data = {"data": base64.b64encode(look.data).decode()} if look.data else {}
                yield _line(data)  # an empty one is a sign of life
                now = loop.time()
                looks = min(_BURST, looks + (now - counted) * _LOOKS_PER_SECOND) - 1
                counted = now
                if looks < 0:
                    await asyncio.sleep(-looks / _LOOKS_PER_SECOND)
            yield _line({"over": "the engine is ending"})
        finally:
            if asked is not None:
                asked.cancel()
            await asyncio.shield(self._ask(terminals.close(number)))

    async def _keys(self, request: Request) -> Response:
        data = b""
        async for piece in request.stream():
            data += piece
            if len(data) > MOST_KEYS:
                raise TerminalRequestError(f"more than {MOST_KEYS} bytes of keys in one request")
        await self._ask(self._engine.terminals.type(request.path_params["number"], data))
        return Response(b"{}", media_type="application/json")

    async def _view(self, request: Request) -> Response:
        asked = await _body(request, _Viewing)
        view = self._engine.terminals.view(
            request.path_params["number"], asked.columns, asked.rows, asked.pan, asked.by
        )
        await self._ask(view)
        return Response(b"{}", media_type="application/json")


async def _body(request: Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.MsgspecError as error:
        raise TerminalRequestError(f"the body does not fit: {error}") from error


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode() + b"\n"
