"""A model server on the loopback interface that streams the script to whoever asks.

`python -m benchmarks.model_server` prints its base URL and serves until it is killed. It is written
on bare sockets, so that it takes as little as possible of the CPUs that are shared with the engine.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

from benchmarks.script import answer

_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    pieces = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in answer()]
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
            writer.write(_HEAD)
            for piece in pieces:  # each in a packet of its own, as a model would send them
                writer.write(piece)
                await asyncio.sleep(0)
            writer.write(b"0\r\n\r\n")
    writer.close()


async def main() -> None:
    """Serve on a free port."""
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, limit=1 << 26)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
