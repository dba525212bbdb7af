"""The loopback HTTP server: `POST .../chat/completions` and `GET .../models`.

It keeps nothing between requests: the conversation in a request decides the next turn. The path may
name a pace, `/pace/2/v1`, by which every pause is multiplied. The process ends by itself when
nobody has asked anything for a while.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from autolab_tui.demo import personas, wire
from autolab_tui.demo.launch import HOST, OWNER
from autolab_tui.demo.turn import Conversation


@dataclass(slots=True)
class Pulse:
    """When somebody last asked (monotonic seconds), and how many answers are being streamed."""

    last: float = field(default_factory=time.monotonic)
    streaming: int = 0

    def idle(self) -> float:
        """Seconds of silence."""
        return 0.0 if self.streaming else time.monotonic() - self.last


def build(pulse: Pulse) -> Starlette:
    """The application."""

    async def models(_: Request) -> Response:
        pulse.last = time.monotonic()
        listed = [{"id": name, "object": "model", "owned_by": OWNER} for name in personas.NAMES]
        return JSONResponse({"object": "list", "data": listed})

    async def completions(request: Request) -> Response:
        pulse.last = time.monotonic()
        try:
            asked = _read(await request.body())
        except ValueError as error:
            return _refusal(400, "invalid_request_error", str(error))
        persona = personas.find(asked.model)
        if persona is None:
            known = ", ".join(personas.NAMES)
            text = f"The model `{asked.model}` does not exist; this server plays {known}."
            return _refusal(404, "model_not_found", text)
        turn = await asyncio.to_thread(persona, Conversation(asked.messages))
        head = wire.Head(f"chatcmpl-{os.urandom(6).hex()}", asked.model, int(time.time()))
        pace = float(request.path_params.get("pace", 1.0))
        if not asked.stream:
            return JSONResponse(wire.whole(head, turn, asked.messages))

        async def chunks() -> AsyncIterator[bytes]:
            pulse.streaming += 1
            try:
                for pause, data in wire.stream(head, turn, asked.messages, asked.usage):
                    await asyncio.sleep(pause * pace)
                    yield data
            finally:
                pulse.streaming -= 1
                pulse.last = time.monotonic()

        return StreamingResponse(chunks(), media_type="text/event-stream")

    routes = [
        Route(prefix + path, handler, methods=[method])
        for prefix in ("/v1", "/pace/{pace:float}/v1")
        for path, handler, method in (
            ("/models", models, "GET"),
            ("/chat/completions", completions, "POST"),
        )
    ]
    return Starlette(routes=routes)


@dataclass(frozen=True, slots=True)
class _Asked:
    model: str
    messages: list[dict[str, Any]]
    stream: bool
    usage: bool


def _read(body: bytes) -> _Asked:
    try:
        data = json.loads(body)
    except ValueError as error:
        raise ValueError(f"the body is not JSON: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("model"), str):
        raise ValueError("`model` is missing")
    messages = data.get("messages")
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        raise ValueError("`messages` is missing or is no list of objects")
    options = data.get("stream_options") or {}
    usage = bool(isinstance(options, dict) and options.get("include_usage"))
    return _Asked(data["model"], messages, bool(data.get("stream")), usage)


def _refusal(status: int, code: str, message: str) -> Response:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return JSONResponse({"error": error}, status_code=status)


def listen() -> socket.socket:
    """A listening socket on a free port of the loopback interface."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind((HOST, 0))
    listener.listen(64)
    return listener


async def serve(listener: socket.socket, idle: float, address: Path | None = None) -> None:
    """Serve until nobody has asked for `idle` seconds; `address` then holds where we listen."""
    pulse = Pulse()
    config = uvicorn.Config(build(pulse), log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    port = listener.getsockname()[1]
    if address is not None:
        _write(address, {"pid": os.getpid(), "port": port})

    async def watch() -> None:
        while not server.should_exit:
            await asyncio.sleep(min(1.0, idle))
            if pulse.idle() >= idle:
                server.should_exit = True

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(watch())
            await server.serve(sockets=[listener])
            server.should_exit = True
    finally:
        if address is not None:
            _forget(address)


def _write(address: Path, content: dict[str, Any]) -> None:
    partial = address.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(content), encoding="utf-8")
    partial.replace(address)


def _forget(address: Path) -> None:
    try:
        if json.loads(address.read_text(encoding="utf-8"))["pid"] == os.getpid():
            address.unlink()
    except (OSError, ValueError, KeyError, TypeError):
        pass  # another server has taken the file, or it is gone


def main(argv: list[str] | None = None) -> int:
    """`python -m autolab_tui.demo.server --address FILE [--idle SECONDS]`."""
    parser = argparse.ArgumentParser(description="The scripted models of `autolab demo`.")
    parser.add_argument("--address", type=Path, help="file that tells the port while we run")
    parser.add_argument("--idle", type=float, default=600.0, help="seconds of silence before exit")
    args = parser.parse_args(argv)
    asyncio.run(serve(listen(), args.idle, args.address))
    return 0


if __name__ == "__main__":
    sys.exit(main())
