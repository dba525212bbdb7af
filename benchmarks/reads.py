"""How quickly an engine answers reads, asked from a process of its own.

`python -m benchmarks.reads SOCKET SECONDS` prints the latencies of each route in milliseconds, from
the connection to the last byte, as one JSON object. One request at a time, one connection each, as
the commands do it.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path

from benchmarks.measuring import percentile

ROUTES = ("/engine", "/status", "/state")
_PAUSE = 0.02


def ask(path: Path, route: str) -> float:
    """Seconds until the whole answer was there. Raises `RuntimeError` for anything but a 200."""
    began = time.perf_counter()
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10.0)
        link.connect(str(path))
        link.sendall(
            b"GET %s HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n" % route.encode()
        )
        answer = bytearray()
        while piece := link.recv(1 << 20):
            answer += piece
    taken = time.perf_counter() - began
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"{route} answered {bytes(answer[:100])!r}")
    return taken


def latencies(path: Path, seconds: float) -> dict[str, dict[str, float]]:
    """Ask all routes in turn for so long; {route: {count, p50, p99, max}}, milliseconds."""
    taken: dict[str, list[float]] = {route: [] for route in ROUTES}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for route in ROUTES:
            taken[route].append(1000 * ask(path, route))
            time.sleep(_PAUSE)
    return {
        route: {
            "count": len(values),
            "p50": percentile(values, 0.5),
            "p99": percentile(values, 0.99),
            "max": percentile(values, 1.0),
        }
        for route, values in taken.items()
        if values
    }


if __name__ == "__main__":
    print(json.dumps(latencies(Path(sys.argv[1]), float(sys.argv[2]))), flush=True)
