"""Runs inside an agent's sandbox: lets a program speak HTTP to the model through a Unix socket.

It listens on the sandbox's own 127.0.0.1 and passes bytes between each connection and the socket
that the engine bound in; it reads none of them. Standard library only; trusted for nothing. Started
by hand it returns as soon as it listens. An engine that is away is waited for, since the next one
opens the same socket again.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import sys

FOLDER = "/run/model"  # the engine binds it in; the socket may be replaced while we live
NAME = "socket"
PORT = 47113
PATIENCE = 120.0
_STEP = 0.2
_PIECE = 65536
_LEAVING = 5.0  # seconds in which a client may say what nobody reads any more


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> None:
    """One connection of a client, to its end."""
    try:
        there = await connect(path)
        if there is None:
            return
        answers, requests, sending = there
        asking = asyncio.create_task(ask(reader, sending))
        await pump(answers, writer)
        # The answer is whole. A client that still sends would not read it if we hung up on it.
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        with contextlib.suppress(OSError):
            requests.close()
        sending.close()
        await drain(reader)
    finally:
        with contextlib.suppress(OSError):
            writer.close()


async def connect(
    path: str,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, socket.socket] | None:
    """The engine's end, waited for while there is none; None when none came.

    The socket is a second handle of the same end, to send on: an answer that came before the
    question was through would be lost with the stream if sending on that stream failed.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while loop.time() < deadline:
        there = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        there.setblocking(False)
        try:
            # At once or not at all; asyncio would take a full queue for a connection under way.
            there.connect(path)
        except OSError:
            there.close()
            await asyncio.sleep(_STEP)
        else:
            sending = there.dup()
            sending.setblocking(False)
            return (*await asyncio.open_connection(sock=there), sending)
    return None


async def ask(source: asyncio.StreamReader, sink: socket.socket) -> None:
    """Pass a question on until it ends, or nobody takes it."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        while data := await source.read(_PIECE):
            await loop.sock_sendall(sink, data)
        sink.shutdown(socket.SHUT_WR)


async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Pass on what comes until nothing more can come, or nobody takes it."""
    with contextlib.suppress(OSError):
        while data := await source.read(_PIECE):
            sink.write(data)
            await sink.drain()
        sink.write_eof()


async def drain(reader: asyncio.StreamReader) -> None:
    """Read what nobody wants, so that the kernel does not take our answer back."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_LEAVING):
            while await reader.read(_PIECE):
                pass


async def serve(listener: socket.socket, path: str) -> None:
    """Relay for ever."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await relay(reader, writer, path)

    server = await asyncio.start_server(client, sock=listener)
    await server.serve_forever()


def main() -> None:
    """Listen, then go on in the background. A port that is taken is one that we listen on."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", PORT))
    except OSError as error:
        sys.exit(0 if error.errno == errno.EADDRINUSE else f"relay: {error}")
    listener.listen(128)
    if os.fork() != 0:
        os._exit(0)
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    asyncio.run(serve(listener, f"{FOLDER}/{NAME}"))


if __name__ == "__main__":
    main()
