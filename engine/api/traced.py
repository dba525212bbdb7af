"""Every request of the API in the trace."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from engine.oversight.trace import Trace

_STREAMS = ("/events", "/terminal")


class Traced:
    """An ASGI application whose requests are in flight until they are answered."""

    def __init__(self, app: ASGIApp, trace: Trace) -> None:
        self._app = app
        self._trace = trace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = str(scope.get("path", ""))
        what = "stream" if path.endswith(_STREAMS) else "request"
        with self._trace.doing(what, detail=f"{scope.get('method', '')} {path}"):
            await self._app(scope, receive, send)
