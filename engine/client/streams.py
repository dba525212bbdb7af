"""Answers of the engine that go on: lines, and the events with their heartbeats."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from engine.client.connection import (
    REMEDY,
    EngineDownError,
    EngineForeignError,
    UnixConnection,
    down,
    refusal,
)

if TYPE_CHECKING:
    from engine.events import Event

STREAM_TIMEOUT = 5.0  # heartbeats come once a second


class Heartbeat(msgspec.Struct, frozen=True):
    """The engine's sign of life, once a second.

    `at` is RFC 3339; (`boot`, `stamp`) is the engine's boottime now, to age its stamps against;
    `loop_lag` is how late the sessions' loop runs, in seconds; `seq` is the newest event; `trouble`
    says in words what keeps the engine from recording, or is empty.
    """

    at: str
    boot: str
    stamp: float
    loop_lag: float
    seq: int
    trouble: str = ""


class LineStream:
    """The lines of an answer that goes on; a context manager.

    `close` may be called from any thread: reading then raises `StopIteration`. When the engine dies
    or says nothing for five seconds it raises `EngineDownError`.
    """

    def __init__(
        self, path: Path, method: str, target: str, body: Mapping[str, Any] | None = None
    ) -> None:
        self._path = path
        self._closed = False
        self._connection = UnixConnection(path, STREAM_TIMEOUT)
        data = None if body is None else json.dumps(dict(body))
        with down(path):
            self._connection.request(method, target, data)
            self._response = self._connection.getresponse()
        if self._response.status != 200:
            answer = self._response.read()
            self.close()
            raise refusal(self._response.status, answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the stream; whoever waits for a line in another thread waits no more."""
        self._closed = True
        if self._connection.link is not None:
            with suppress(OSError):
                self._connection.link.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def line(self) -> str:
        """The next line, without its end."""
        try:
            with down(self._path):
                raw = self._response.readline()
        except (EngineDownError, ValueError, AttributeError) as error:
            # A stream closed by another thread fails in ways that depend on the moment.
            if self._closed:
                raise StopIteration from None
            if isinstance(error, EngineDownError):
                self.close()
            raise
        if not raw.endswith(b"\n"):
            if self._closed:
                raise StopIteration
            self.close()
            raise EngineDownError(f"the engine at {self._path} closed the stream; {REMEDY}")
        return raw.decode().rstrip("\r\n")


class EventStream(LineStream, Iterator["Event | Heartbeat"]):
    """Events and heartbeats as they come; an iterator, see `LineStream`."""

    def __init__(self, path: Path, after: int) -> None:
        super().__init__(path, "GET", f"/events?after={after}")

    def __next__(self) -> Event | Heartbeat:
        kind, data = "", ""
        while True:
            line = self.line()
            if line == "":
                if data:
                    return _message(kind, data)
                kind = ""
            elif line.startswith("event:"):
                kind = line[6:].strip()
            elif line.startswith("data:"):
                data += line[5:].strip()


def _message(kind: str, data: str) -> Event | Heartbeat:
    if kind == "heartbeat":
        fields = json.loads(data)
        known = {name: fields[name] for name in Heartbeat.__struct_fields__ if name in fields}
        return Heartbeat(**known)
    from engine.events import decode

    try:
        return decode(data)
    except ValueError as error:
        raise EngineForeignError(error) from error
