"""The keeper's end of the conversation with the exec server inside a sandbox.

What comes from inside is an agent's, whatever it says: frames are bounded and checked, and a
sandbox that breaks the rules loses the conversation, which ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import io
import json
import os
import socket
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

import verifier.inside
from verifier.inside import relay
from verifier.sandbox.descriptors import refuse_descriptors
from verifier.sandbox.keeper.protocol import FileStat
from verifier.sandbox.keeper.saying import say
from verifier.sandbox.spec import SandboxSpec

CHANNEL = 3
_HEADER_LIMIT = 64 * 1024
_PAYLOAD_LIMIT = 17 * 1024 * 1024
_MODULES = (
    *("exec_server", "exec_channel", "exec_pane", "exec_command"),
    "exec_keys",
    *("exec_processes", "exec_files", "exec_viewers"),
)
_FOLDER = "/run/autolab"
_SCRATCH = "/run/shell"
_ARCHIVE = f"{_FOLDER}/exec_server.pyz"
ARGV = ("/usr/bin/python3", "-I", "-S", _ARCHIVE)

# A pane that stays when its bash ends tells how it ended.
_TMUX_CONF = """\
set -g default-terminal screen-256color
set -g history-limit 5000
set -g remain-on-exit on
set -g exit-empty off
set -s escape-time 0
set -g status off
"""
# Bash says at each prompt how the last line ended, and which command of ours that was.
# It is an interactive shell with job control, as people are used to: Ctrl-C ends the job in front
# and no other, and the end of a background job is reported between commands.
_SHELLRC = f"""\
PS1='\\w \\$ '
unset HISTFILE
HISTCONTROL=ignoreboth
PAGER=cat GIT_PAGER=cat TERM=screen-256color
export PAGER GIT_PAGER TERM
PROMPT_COMMAND='printf "%s %s\\n" "$?" "${{_AUTOLAB:-}}" >{_SCRATCH}/prompt'
"""


class InsideError(ValueError):
    """The sandbox sent something that the exec server would never send."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A header from inside; which fields matter depends on `event`."""

    event: str
    command: str = ""
    code: int | None = None
    omitted: int = 0
    note: str = ""
    number: int = 0
    errno: int = 0
    stat: tuple[str, int, int, float] | None = None

    def described(self) -> FileStat | None:
        """What is at a path, of which the other side could say anything; None for nothing."""
        if self.stat is None:
            return None
        kind, size, mode, mtime = self.stat
        checked: Literal["file", "directory", "other"] = (
            "file" if kind == "file" else "directory" if kind == "directory" else "other"
        )
        return FileStat(checked, size, mode, mtime)


@dataclass(frozen=True, slots=True)
class Files:
    """What the exec server needs inside, read once when the keeper starts."""

    content: Mapping[str, tuple[bytes, int]]

    @classmethod
    def read(cls) -> Files:
        """From the package's own folder."""
        files = {
            _ARCHIVE: _archive(),
            f"{_FOLDER}/relay.py": Path(relay.__file__).read_bytes(),
            f"{_FOLDER}/tmux.conf": _TMUX_CONF.encode(),
            f"{_FOLDER}/shellrc": _SHELLRC.encode(),
        }
        return cls({path: (content, 0o444) for path, content in files.items()})


def _archive() -> bytes:
    """The exec server's modules as one file that python3 can run."""
    folder = Path(verifier.inside.__file__).parent
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("__main__.py", "from verifier.inside.exec_server import main\nmain()\n")
        archive.writestr("verifier/__init__.py", "")
        archive.writestr("verifier/inside/__init__.py", "")
        for name in _MODULES:
            source = (folder / f"{name}.py").read_bytes()
            archive.writestr(f"verifier/inside/{name}.py", source)
    return content.getvalue()


def with_exec_server(spec: SandboxSpec, files: Files, label: str) -> SandboxSpec:
    """The spec of a sandbox whose pid 1 is the exec server."""
    return dataclasses.replace(
        spec,
        label=label,
        as_init=True,
        files={**spec.files, **files.content},
        scratch=(*spec.scratch, _SCRATCH),
    )


class Channel:
    """Frames to and from the exec server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Channel:
        """The keeper's end of the socket pair."""
        end.setblocking(False)
        return cls(*await asyncio.open_connection(sock=end))

    async def send(self, header: Mapping[str, object], payload: bytes = b"") -> None:
        """Raises `ConnectionError` when the other side has gone."""
        head = json.dumps(header).encode()
        self._writer.write(struct.pack(">II", len(head), len(payload)) + head + payload)
        await self._writer.drain()

    async def receive(self) -> tuple[Event, bytes] | None:
        """The next frame, or None at the end. Raises `InsideError` for what is no frame."""
        try:
            head, body = struct.unpack(">II", await self._reader.readexactly(8))
            if head > _HEADER_LIMIT or body > _PAYLOAD_LIMIT:
                raise InsideError(f"a frame of {head}+{body} bytes came out of a sandbox")
            header = await self._reader.readexactly(head)
            payload = await self._reader.readexactly(body)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        try:
            return msgspec.json.decode(header, type=Event), payload
        except msgspec.DecodeError as error:
            raise InsideError(f"a malformed header came out of a sandbox: {error}") from error

    def close(self) -> None:
        """End the conversation; the exec server ends itself then."""
        self._writer.close()


def pair() -> tuple[socket.socket, socket.socket]:
    """(the keeper's end, the end for inside)"""
    outer, inner = socket.socketpair()
    refuse_descriptors(outer)
    os.set_inheritable(inner.fileno(), False)
    return outer, inner


def report(name: str, complaints: int) -> None:
    """What the exec server had to say at its end, for the keeper's log; then close the pipe."""
    os.set_blocking(complaints, False)
    with contextlib.suppress(BlockingIOError):
        text = os.read(complaints, 4096).decode("ascii", errors="replace").strip()
        if text:
            say(f"sandbox {name}: {text!r}")
    os.close(complaints)
