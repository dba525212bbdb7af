"""What the keeper asks an exec server, until it is answered.

The answers come from inside a sandbox: one to a question that nobody asked is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from verifier.sandbox.keeper import inside


class Questions:
    """The open questions of one sandbox, by number."""

    def __init__(self) -> None:
        self._open: dict[int, asyncio.Future[tuple[inside.Event, bytes]]] = {}
        self._number = 0

    async def ask(
        self,
        channel: inside.Channel,
        operation: str,
        payload: bytes,
        arguments: Mapping[str, object],
    ) -> tuple[inside.Event, bytes]:
        """Ask, and wait for the answer.

        Raises `ConnectionError` when nobody is there to hear it, and what `fail` is given.
        """
        self._number += 1
        number = self._number
        future: asyncio.Future[tuple[inside.Event, bytes]]
        future = asyncio.get_running_loop().create_future()
        self._open[number] = future
        try:
            await channel.send({"op": operation, "number": number, **arguments}, payload)
            return await future
        finally:
            self._open.pop(number, None)

    def settle(self, event: inside.Event, payload: bytes) -> None:
        """An answer came."""
        future = self._open.get(event.number)
        if future is not None and not future.done():
            future.set_result((event, payload))

    def fail(self, error: Exception) -> None:
        """No answer will come any more."""
        for future in self._open.values():
            if not future.done():
                future.set_exception(error)
