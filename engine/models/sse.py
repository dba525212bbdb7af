"""Server-sent events from bytes in pieces of any size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MAX_EVENT_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its type ("" when none was named) and its data lines joined by newlines."""

    event: str
    data: str


class SseParser:
    """Feed it bytes, take the events that are complete.

    Comments and unknown fields are skipped; an event that no blank line ends is never given, since
    a stream that breaks off must not look whole. Raises `ValueError` for an event above
    `MAX_EVENT_BYTES`.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._event = ""
        self._data: list[str] = []
        self._size = 0
        self._skip_newline = False  # a \r ended the last piece: its \n may begin the next one

    def feed(self, piece: bytes) -> Iterator[ServerEvent]:
        """The events that this piece completes."""
        if not piece:
            return
        if self._skip_newline:
            self._skip_newline = False
            piece = piece.removeprefix(b"\n")
        data = self._rest + piece
        if len(data) > MAX_EVENT_BYTES:
            raise ValueError(f"an event of the stream is above {MAX_EVENT_BYTES} bytes")
        lines = data.splitlines(keepends=True)  # of bytes: at \n, \r and \r\n, as the format wants
        self._rest = b""
        for line in lines:
            content = line.rstrip(b"\r\n")
            if content == line:
                self._rest = line
                break
            found = self._line(content)
            if found is not None:
                yield found
        else:
            self._skip_newline = bool(lines) and lines[-1].endswith(b"\r")

    def _line(self, line: bytes) -> ServerEvent | None:
        if not line:
            event, data = self._event, self._data
            self._event, self._data, self._size = "", [], 0
            return ServerEvent(event, "\n".join(data)) if data else None
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._event = value
        elif name == "data":
            self._size += len(value)
            if self._size > MAX_EVENT_BYTES:
                raise ValueError(f"an event of the stream is above {MAX_EVENT_BYTES} bytes")
            self._data.append(value)
        return None
