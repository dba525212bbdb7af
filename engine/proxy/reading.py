"""An answer on its way through: its bytes go on, and what they say is read by the adapter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from engine.models.sse import MAX_EVENT_BYTES, ServerEvent, SseParser
from engine.models.storable import clean
from engine.models.types import Api, Delta, ModelError, Turn
from engine.models.wire import Answer
from engine.proxy.dialects import events_of

MOST_BYTES = 64 << 20  # of one answer
_END = re.compile(rb"\n\r?\n|\r\r")


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that go on, what they said, and the failure that they told of."""

    data: bytes
    deltas: tuple[Delta, ...] = ()
    error: ModelError | None = None


class Reading:
    """An answer as it comes: events of a stream, or (with `streamed` false) one JSON object.

    Everything goes on as it came, whole event by whole event, but for the key, and for a count of
    tokens that only we had asked for (`told`).
    """

    def __init__(
        self, api: Api, answer: Answer, key: str | None, *, streamed: bool, told: bool
    ) -> None:
        self._api: Api = api
        self._answer = answer
        self._key = key.encode() if key else None
        self._streamed = streamed
        self._told = told
        self._parser = SseParser()
        self._rest = bytearray()
        self._looked = 0  # up to where `_rest` has no end of an event
        self._size = 0

    @property
    def done(self) -> bool:
        """Whether the answer says that it is whole."""
        return self._answer.done

    def feed(self, data: bytes) -> Iterator[Piece]:
        """What these bytes complete. Raises `ModelError` when it is too much."""
        self._size += len(data)
        if self._size > MOST_BYTES:
            raise ModelError("broken_stream", "endless answer", f"it is above {MOST_BYTES} bytes")
        self._rest += data
        while self._streamed and (end := _END.search(self._rest, self._looked)) is not None:
            event = self._scrubbed(bytes(self._rest[: end.end()]))
            del self._rest[: end.end()]
            self._looked = 0
            yield self._piece(event)
        self._looked = max(0, len(self._rest) - 2)
        if self._streamed and len(self._rest) > MAX_EVENT_BYTES:
            raise ModelError("broken_stream", "unreadable stream", "an event has no end")

    def rest(self) -> Iterator[Piece]:
        """What is left at the end: all of an answer that is no stream."""
        data = self._scrubbed(bytes(self._rest))
        self._rest.clear()
        if self._streamed:
            if data:
                yield Piece(data)
            return
        try:
            whole = json.loads(data)
            found = list(events_of(self._api, whole)) if isinstance(whole, dict) else []
        except (ValueError, RecursionError):
            found = []
        if not found:
            detail = f"the answer is no JSON object: {data[:200].decode('utf-8', 'replace')!r}"
            yield Piece(data, error=ModelError("server", "unreadable answer", clean(detail)))
            return
        yield self._read(data, found)

    def turn(self) -> Turn:
        """What the whole answer says. Raises `ModelError` when it broke off."""
        try:
            return self._answer.turn()
        except ValueError as error:
            raise ModelError("broken_stream", "unreadable answer", clean(str(error))) from error

    def _piece(self, data: bytes) -> Piece:
        try:
            events = list(self._parser.feed(data))
        except ValueError as error:
            return Piece(data, error=_unreadable(error))
        if self._told and any(_only_usage(event) for event in events):
            return self._read(b"", events)
        return self._read(data, events)

    def _read(self, data: bytes, events: list[ServerEvent]) -> Piece:
        deltas: list[Delta] = []
        try:
            for event in events:
                deltas.extend(self._answer.take(event))
        except ModelError as error:
            return Piece(data, tuple(deltas), error)
        except ValueError as error:
            return Piece(data, tuple(deltas), _unreadable(error))
        return Piece(data, tuple(deltas))

    def _scrubbed(self, data: bytes) -> bytes:
        return data.replace(self._key, b"[key]") if self._key else data


def _unreadable(error: ValueError) -> ModelError:
    return ModelError("broken_stream", "unreadable stream", clean(str(error)))


def _only_usage(event: ServerEvent) -> bool:
    """The chunk of a chat stream that says nothing but what was used."""
    if '"usage"' not in event.data:
        return False
    try:
        chunk = json.loads(event.data)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(chunk, dict)
        and chunk.get("choices") == []
        and isinstance(chunk.get("usage"), dict)
    )
