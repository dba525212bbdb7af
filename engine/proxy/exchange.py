"""One HTTP/1.1 request and its answer, with whoever sends it: h11 reads, and nothing is believed.

A connection carries one request. Heads, bodies and what waits to be sent are bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Mapping
from typing import Any

import h11

MOST_HEAD = 64 * 1024
MOST_UNSENT = 8 << 20
_PIECE = 64 * 1024
_MOST_UNHEARD = 64 << 20
_UNHEARD_SECONDS = 2.0


class ExchangeError(Exception):
    """The request cannot be read; `status` is the HTTP status that says so."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class LeftError(Exception):
    """The client has gone before it had asked anything."""


class Exchange:
    """The server's side of one request.

    `asked` is whether the whole request has come. What is sent to a client that has left, or that
    does not read, is dropped: see `gone`.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_HEAD)
        self.asked = False
        self.begun = False
        self.gone = False

    @classmethod
    async def over(cls, connection: socket.socket) -> Exchange:
        """With the client at the other end of a connected socket."""
        connection.setblocking(False)
        return cls(*await asyncio.open_connection(sock=connection))

    @property
    def left(self) -> bool:
        """Whether the client has hung up, as far as can be seen."""
        return self.gone or self._reader.at_eof() or self._writer.is_closing()

    async def head(self) -> h11.Request:
        """The request's line and headers. Raises `ExchangeError`, `LeftError`."""
        event = await self._event()
        if not isinstance(event, h11.Request):
            raise LeftError
        return event

    async def body(self, most: int) -> bytes:
        """The request's body, of at most `most` bytes. Raises `ExchangeError`, `LeftError`."""
        if self._http.they_are_waiting_for_100_continue:
            self._send(h11.InformationalResponse(status_code=100, headers=[]))
        body = bytearray()
        while not isinstance(event := await self._event(), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                raise LeftError
            body += event.data
            if len(body) > most:
                raise ExchangeError(413, f"the request is above {most} bytes")
        self.asked = True
        return bytes(body)

    async def _event(self) -> Any:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(_PIECE))
        except h11.RemoteProtocolError as error:
            raise ExchangeError(error.error_status_hint, str(error)) from error
        except OSError as error:
            raise LeftError from error
        return event

    def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Begin the answer; the connection ends with it."""
        self.begun = True
        every = {**headers, "connection": "close"}
        self._send(h11.Response(status_code=status, headers=list(every.items())))

    def send(self, data: bytes) -> None:
        """More of the answer."""
        if data:
            self._send(h11.Data(data=data))

    def pass_on(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        """More of an answer that may have to be begun first."""
        if not self.begun:
            self.start(status, headers)
        self.send(data)

    def end(self) -> None:
        """The answer is whole."""
        self._send(h11.EndOfMessage())

    def answer(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        """A whole answer at once."""
        self.start(status, {**headers, "content-length": str(len(content))})
        self.send(content)
        self.end()

    def answer_json(self, status: int, value: Any) -> None:
        """A whole answer of JSON."""
        self.answer(status, {"content-type": "application/json"}, json.dumps(value).encode())

    def _send(self, event: h11.Event) -> None:
        if self.gone:
            return
        try:
            data = self._http.send(event)
        except h11.LocalProtocolError:
            # The request was so broken that no answer to it can be written.
            self.gone = True
            return
        if data:
            self._writer.write(data)
        transport = self._writer.transport
        if transport.is_closing() or transport.get_write_buffer_size() > MOST_UNSENT:
            self.gone = True

    async def close(self) -> None:
        """Wait until the client has what is unsent (it may stand still), and hang up.

        An answer that was begun and not ended is cut off, so that nobody takes it for a whole one.
        """
        try:
            with contextlib.suppress(OSError, TimeoutError):
                if not self.gone:
                    self._writer.transport.set_write_buffer_limits(0)
                    await self._writer.drain()
                    if self._http.their_state is not h11.DONE:
                        await self._hear_out()
        finally:
            self._writer.transport.abort()

    async def _hear_out(self) -> None:
        """Read what is left of a request that was refused: to hang up on it would take the answer
        back."""
        self._writer.write_eof()
        left = _MOST_UNHEARD
        async with asyncio.timeout(_UNHEARD_SECONDS):
            while left > 0 and (data := await self._reader.read(_PIECE)):
                left -= len(data)
