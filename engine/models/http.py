"""Streaming POST requests. The only module that imports httpx."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from engine.models.errors import from_response
from engine.models.types import ModelError, Provider

_ERROR_BODY = 64 * 1024


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
        self, provider: Provider, path: str, body: Mapping[str, Any]
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """POST `body` as JSON and give the answer's bytes as they come.

        Raises `ModelError` for an error status, a network failure or a silent server. The
        provider's key is never in the message.
        """
        timeout = httpx.Timeout(provider.silence_seconds, connect=provider.connect_seconds)
        headers = {"Accept": "text/event-stream"}
        if provider.key:
            headers["Authorization"] = f"Bearer {provider.key}"
        url = provider.base_url.rstrip("/") + path
        try:
            async with self._client.stream(
                "POST", url, json=body, headers=headers, timeout=timeout
            ) as response:
                if response.status_code != httpx.codes.OK:
                    said = await _some(response)
                    raise from_response(response.status_code, response.headers, said)
                yield response.aiter_bytes()
        except httpx.TimeoutException as error:
            raise ModelError("retry", "timeout", _said(error, url)) from error
        except httpx.TransportError as error:
            raise ModelError("retry", "network", _said(error, url)) from error
        except httpx.InvalidURL as error:
            raise ModelError("fatal", "bad address", f"{url}: {error}") from error
        except ModelError as error:
            if provider.key and provider.key in error.detail:
                hidden = error.detail.replace(provider.key, "[key]")
                raise ModelError(error.kind, error.cause, hidden, error.retry_after) from None
            raise


async def _some(response: httpx.Response) -> bytes:
    said = b""
    async for piece in response.aiter_bytes():
        said += piece
        if len(said) > _ERROR_BODY:
            break
    return said


def _said(error: Exception, url: str) -> str:
    return f"{url}: {type(error).__name__} {error}".strip()
