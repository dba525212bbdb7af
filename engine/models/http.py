"""Streaming POST requests. The only module that imports httpx."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from engine.models.errors import from_response
from engine.models.types import ModelError, Provider

_ERROR_BODY = 64 * 1024
# A peer that is gone without a word (a pulled cable, a dropped NAT entry) is noticed in 15 + 4 x 5
# seconds, however long a model may think.
_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer whose bytes are still to come. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]

    async def some(self) -> bytes:
        """The beginning of it, enough for what an error says."""
        said = b""
        async for piece in self.pieces:
            said += piece
            if len(said) > _ERROR_BODY:
                break
        return said


class HttpClient:
    """One connection pool, for every model call of an engine."""

    def __init__(self) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=16)
        self._client = httpx.AsyncClient(limits=limits, follow_redirects=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    @asynccontextmanager
    async def stream(
        self,
        provider: Provider,
        path: str,
        body: Mapping[str, Any],
        headers: Mapping[str, str],
        secret: str | None,
    ) -> AsyncIterator[Response]:
        """POST `body` as JSON and give the good answer as it comes.

        Raises `ModelError` for an error status, a network failure or a silent server; `secret`
        is never in it.
        """
        sent = {"Accept": "text/event-stream", **headers}
        async with self.post(provider, path, msgspec.json.encode(body), sent) as response:
            if response.status != httpx.codes.OK:
                said = _without(await response.some(), secret)
                raise from_response(response.status, response.headers, said)
            yield response

    @asynccontextmanager
    async def post(
        self,
        provider: Provider,
        path: str,
        content: bytes,
        headers: Mapping[str, str],
        silence: float | None = None,
    ) -> AsyncIterator[Response]:
        """POST a body of JSON and give the answer as it comes, whatever its status.

        `silence` is how long (in seconds) not a byte may come, if not as long as the provider has
        it. Raises `ModelError` for a network failure or a silent server.
        """
        timeout = httpx.Timeout(
            silence or provider.silence_seconds, connect=provider.connect_seconds
        )
        url = provider.base_url.rstrip("/") + path
        sent = {"Content-Type": "application/json", **provider.headers, **headers}
        try:
            async with self._client.stream(
                "POST", url, content=content, headers=sent, timeout=timeout
            ) as response:
                _notice_death(response)
                yield Response(response.status_code, response.headers, response.aiter_bytes())
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise ModelError("network", "no connection", _said(error, url)) from error
        except httpx.TimeoutException as error:
            raise ModelError("network", "timeout", _said(error, url), unanswered=True) from error
        except httpx.TransportError as error:
            raise ModelError("network", "network", _said(error, url), unanswered=True) from error
        except httpx.DecodingError as error:
            raise ModelError("broken_stream", "unreadable stream", _said(error, url)) from error
        except httpx.InvalidURL as error:
            raise ModelError("bad_request", "bad address", f"{url}: {error}") from error


def _notice_death(response: httpx.Response) -> None:
    """Keep-alive probes on the connection, where it has a socket (through a proxy too)."""
    stream = response.extensions.get("network_stream")
    found = stream.get_extra_info("socket") if stream is not None else None
    if found is not None and found.family in (socket.AF_INET, socket.AF_INET6):
        for level, option, value in _KEEPALIVE:
            found.setsockopt(level, option, value)


def _without(said: bytes, secret: str | None) -> bytes:
    return said.replace(secret.encode(), b"[key]") if secret else said


def _said(error: Exception, url: str) -> str:
    return f"{url}: {type(error).__name__} {error}".strip()
