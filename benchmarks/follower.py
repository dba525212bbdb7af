"""A client that is attached to an engine and throws away what it hears.

`python -m benchmarks.follower SOCKET` follows the event stream until the engine ends.
"""

from __future__ import annotations

import socket
import sys


def follow(path: str) -> None:
    """Read the event stream to its end."""
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(path)
        link.sendall(b"GET /events?after=0 HTTP/1.1\r\nHost: engine\r\n\r\n")
        while link.recv(1 << 20):
            pass


if __name__ == "__main__":
    follow(sys.argv[1])
