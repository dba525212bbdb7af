"""The socket to the keeper.

Frames, both ways: two big-endian 32-bit lengths, a JSON header, a payload of bytes.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
from typing import Any

_FRAME_LIMIT = 20 * 1024 * 1024
Header = dict[str, Any]


class Channel:
    """The socket to the keeper, with frames in and out."""

    def __init__(self, fd: int) -> None:
        self.socket = socket.socket(fileno=fd)
        self.socket.setblocking(True)
        self._received = bytearray()

    def send(self, header: Header, payload: bytes = b"") -> None:
        """One frame out; waits while the keeper is busy."""
        head = json.dumps(header).encode()
        self.socket.sendall(struct.pack(">II", len(head), len(payload)) + head + payload)

    def receive(self) -> list[tuple[Header, bytes]]:
        """The frames that have arrived whole. Ends the sandbox when the keeper has gone."""
        data = self.socket.recv(1 << 20)
        if not data:
            sys.exit(0)
        self._received += data
        frames = []
        while len(self._received) >= 8:
            head, body = struct.unpack(">II", self._received[:8])
            if head + body > _FRAME_LIMIT:
                sys.exit(1)
            if len(self._received) < 8 + head + body:
                break
            header = json.loads(bytes(self._received[8 : 8 + head]))
            frames.append((header, bytes(self._received[8 + head : 8 + head + body])))
            del self._received[: 8 + head + body]
        return frames
