"""The Unix socket of one session: where it lies, who may use it, and how many at once.

It lies in a folder of its own that is bound into the sandbox read-only. A new engine opens a new
socket in the same folder, so a sandbox that outlived the last engine finds it at the same path.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from engine.proxy.exchange import Exchange
from verifier.inside.relay import NAME

_log = logging.getLogger(__name__)
MOST_GUESTS = 64
_BACKLOG = 128
_PAUSE = 0.01  # seconds between two guests: a flood of them is no work for the engine
_TROUBLE_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Door:
    """Where the socket is, and the one uid that may use it."""

    folder: Path
    uid: int

    def open(self) -> socket.socket:
        """A listening socket, in place of whatever was there. Raises `OSError`."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        folder = os.open(self.folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(NAME, dir_fd=folder)
            before = os.umask(0o177)
            try:
                # By the folder's descriptor, since a socket's path may have 107 bytes only.
                listener.bind(f"/proc/self/fd/{folder}/{NAME}")
            finally:
                os.umask(before)
            if os.geteuid() == 0:
                os.chown(NAME, self.uid, self.uid, dir_fd=folder, follow_symlinks=False)
            listener.listen(_BACKLOG)
        except BaseException:
            listener.close()
            raise
        finally:
            os.close(folder)
        return listener


class Guests:
    """Whoever is connected to a door. `receive` must not raise for anything that a guest does."""

    def __init__(self, door: Door, receive: Callable[[Exchange], Awaitable[None]]) -> None:
        self._door = door
        self._receive = receive
        self._here: dict[Exchange, asyncio.Task[None]] = {}

    async def welcome(self, listener: socket.socket, group: asyncio.TaskGroup) -> None:
        """Receive guests until cancelled, each in a task of `group`; then the door is closed."""
        with listener:
            while True:
                await self._next(listener, group)
                await asyncio.sleep(_PAUSE)

    def send_away(self) -> None:
        """Hang up on everybody."""
        for exchange, task in self._here.items():
            exchange.gone = True
            task.cancel()

    async def _next(self, listener: socket.socket, group: asyncio.TaskGroup) -> None:
        try:
            guest, _ = await asyncio.get_running_loop().sock_accept(listener)
        except OSError as error:  # no descriptor is left, or the guest has gone already
            _log.warning("%s: %s", self._door.folder, error)
            await asyncio.sleep(_TROUBLE_PAUSE)
            return
        if peer_uid(guest) != self._door.uid or not self._has_room():
            guest.close()
            return
        exchange = await Exchange.over(guest)
        task = group.create_task(self._stay(exchange))
        self._here[exchange] = task

    def _has_room(self) -> bool:
        """Whoever has asked nothing yet, the longest first, makes room for the next one."""
        if len(self._here) < MOST_GUESTS:
            return True
        for exchange, task in self._here.items():
            if not exchange.asked and not task.cancelling():
                exchange.gone = True
                task.cancel()
                return True
        return False

    async def _stay(self, exchange: Exchange) -> None:
        try:
            await self._receive(exchange)
        finally:
            del self._here[exchange]
            await exchange.close()


def peer_uid(connection: socket.socket) -> int:
    """The uid of the process that connected, as this process sees it."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid: int = struct.unpack("3i", data)[1]
    return uid
