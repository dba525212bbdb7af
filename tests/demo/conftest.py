"""The demo's server in this process's own event loop, on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from autolab_tui.demo import server


@pytest_asyncio.fixture
async def base_url() -> AsyncIterator[str]:
    """The URL of a running server that never pauses."""
    listener = server.listen()
    port = listener.getsockname()[1]
    serving = asyncio.create_task(server.serve(listener, idle=60))
    try:
        yield f"http://127.0.0.1:{port}/pace/0/v1"
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        listener.close()
