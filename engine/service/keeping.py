"""The engine's one connection to its keeper, renewed when it was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from engine.oversight.trace import Trace
from verifier.sandbox.keeper.client import KeeperClient, KeeperLostError
from verifier.sandbox.keeper.connecting import connect, ensure_keeper
from verifier.sandbox.keeper.protocol import SandboxInfo


class Keepers:
    """Gives the living connection. A keeper that died took its sandboxes along; a new one starts.

    `on_silence` is told which sandboxes were frozen because this engine had not been heard.
    """

    def __init__(
        self,
        state_dir: Path,
        socket: Path,
        on_silence: Callable[[Sequence[SandboxInfo]], None],
        trace: Trace,
    ) -> None:
        self._state_dir = state_dir
        self._socket = socket
        self._on_silence = on_silence
        self._trace = trace
        self._client: KeeperClient | None = None
        self._order = asyncio.Lock()

    async def get(self) -> KeeperClient:
        """The connection; the keeper is started when none runs. Raises `KeeperError`."""
        async with self._order:
            if self._client is None or not self._client.connected:
                if self._client is not None:
                    await self._client.close()
                self._client = await ensure_keeper(
                    self._state_dir, self._socket, self._on_silence, self._asking
                )
            return self._client

    async def running(self) -> KeeperClient | None:
        """The connection, if a keeper runs already."""
        async with self._order:
            if self._client is None or not self._client.connected:
                try:
                    self._client = await connect(self._socket, self._on_silence, self._asking)
                except KeeperLostError:
                    return None
            return self._client

    def _asking(self, operation: str, sandbox: str) -> AbstractContextManager[None]:
        if operation == "look":  # asked for as long as somebody looks
            return nullcontext()
        return self._trace.doing("keeper call", sandbox, operation)

    async def leave(self) -> None:
        """Leave the keeper and its sandboxes to the next engine."""
        async with self._order:
            if self._client is not None:
                await self._client.close()

    async def shutdown(self) -> None:
        """End the keeper and every sandbox, if one runs."""
        client = await self.running()
        if client is not None:
            await client.shutdown()
