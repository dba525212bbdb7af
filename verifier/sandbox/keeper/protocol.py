"""What engine and keeper say to each other.

Frames on a Unix stream socket: four bytes of length (big-endian), then one msgpack object. The
engine sends `Request`s, each answered by one `Reply` with the same number, in any order. A request
that takes long (`Run`) holds up no other.
"""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from typing import Any, Literal

import msgspec

from verifier.sandbox.spec import SandboxSpec

MAX_FRAME = 64 * 1024 * 1024
HEARTBEAT_SECONDS = 0.5
SILENCE_SECONDS = 2.0
OUTPUT_LIMIT = 128 * 1024
WINDOW = 1 << 20  # bytes of a command's newest output that can be followed
LONGEST_PATIENCE = 60.0
FILE_LIMIT = 16 * 1024 * 1024
KEYS_LIMIT = 64 * 1024
LOOK_LIMIT = 64 * 1024
ALREADY_RUNNING = 75  # exit status of a second keeper for one state directory


class Body(msgspec.Struct, frozen=True, kw_only=True, tag_field="op"):
    """What is asked."""


class Heartbeat(Body, frozen=True, kw_only=True, tag="heartbeat"):
    """The engine is alive. Answered with the `SandboxInfo` of those that silence froze."""


class Create(Body, frozen=True, kw_only=True, tag="create"):
    """Start a sandbox; a living one of this name is left as it is. Answer: `SandboxInfo`."""

    sandbox: str
    spec: SandboxSpec


class Run(Body, frozen=True, kw_only=True, tag="run"):
    """Run a script in the sandbox's shell, or wait for the command of this name that was started
    before. Answer: `CommandResult`. With a `rate` (bytes a second) its output can be followed."""

    sandbox: str
    command: str
    script: str
    timeout: float | None = None
    output_limit: int = OUTPUT_LIMIT
    rate: int = 0


class Follow(Body, frozen=True, kw_only=True, tag="follow"):
    """What a command has printed beyond byte `after`; waits up to `patience` seconds for more.
    Answer: `Printed`."""

    sandbox: str
    command: str
    after: int
    patience: float


class Result(Body, frozen=True, kw_only=True, tag="result"):
    """How a command ended (or was cut short), in an earlier sandbox of this name. Starts nothing.
    Answer: `CommandResult`, or null for a command that never began."""

    sandbox: str
    command: str


class ReadFile(Body, frozen=True, kw_only=True, tag="read_file"):
    """Answer: the file's bytes."""

    sandbox: str
    path: str
    limit: int = FILE_LIMIT


class WriteFile(Body, frozen=True, kw_only=True, tag="write_file"):
    """Create or replace a file. Answer: null."""

    sandbox: str
    path: str
    content: bytes
    mode: int | None = None


class Press(Body, frozen=True, kw_only=True, tag="press"):
    """Press keys in the terminal of the sandbox's shell; the same `name` again presses nothing.
    Answer: null."""

    sandbox: str
    name: str
    keystrokes: str


class Screen(Body, frozen=True, kw_only=True, tag="screen"):
    """Answer: the terminal's text in UTF-8, with what has scrolled out of it, as bytes."""

    sandbox: str


class Attach(Body, frozen=True, kw_only=True, tag="attach"):
    """Start a tmux client inside, for a person to look at the terminal. Answer: its number."""

    sandbox: str
    columns: int
    rows: int
    write: bool


class Look(Body, frozen=True, kw_only=True, tag="look"):
    """What a client shows next, waited for at most `wait` seconds. Answer: bytes, empty when
    nothing came, or null when the client has ended."""

    viewer: int
    wait: float


class Type(Body, frozen=True, kw_only=True, tag="type"):
    """Type into a client. Answer: how many of the bytes were taken."""

    viewer: int
    content: bytes


Pan = Literal["", "L", "R", "U", "D", "c"]


class View(Body, frozen=True, kw_only=True, tag="view"):
    """Give a client another size, and show another part of the window: `pan` is L, R, U or D, by
    so many cells, or c to follow the cursor, or "". Answer: null."""

    viewer: int
    columns: int
    rows: int
    pan: Pan = ""
    by: int = 0


class Leave(Body, frozen=True, kw_only=True, tag="leave"):
    """End a client. Answer: null."""

    viewer: int


class Stat(Body, frozen=True, kw_only=True, tag="stat"):
    """Answer: `FileStat` or null."""

    sandbox: str
    path: str


class Freeze(Body, frozen=True, kw_only=True, tag="freeze"):
    """Stop every process of the sandbox. Answer: `SandboxInfo`."""

    sandbox: str


class Thaw(Body, frozen=True, kw_only=True, tag="thaw"):
    """Let the sandbox run again. Answer: `SandboxInfo`."""

    sandbox: str


class End(Body, frozen=True, kw_only=True, tag="end"):
    """Ask every process of the sandbox to end (SIGTERM), frozen or not, and end those for good
    that have not after `grace` seconds. Answer: null."""

    sandbox: str
    grace: float


class Kill(Body, frozen=True, kw_only=True, tag="kill"):
    """End every process of the sandbox for good. Answer: null."""

    sandbox: str


class List(Body, frozen=True, kw_only=True, tag="list"):
    """Answer: a list of `SandboxInfo`."""


class Shutdown(Body, frozen=True, kw_only=True, tag="shutdown"):
    """End every sandbox and the keeper. Answer: null, then the connection closes."""


AnyBody = (
    Heartbeat
    | Create
    | Run
    | Follow
    | Result
    | ReadFile
    | WriteFile
    | Press
    | Screen
    | Attach
    | Look
    | Type
    | View
    | Leave
    | Stat
    | Freeze
    | Thaw
    | End
    | Kill
    | List
    | Shutdown
)


class Request(msgspec.Struct, frozen=True):
    """A question and its number."""

    id: int
    body: AnyBody


ErrorKind = Literal["refused", "gone", "frozen", "file", "unavailable", "failed", "replaced"]


class Reply(msgspec.Struct, frozen=True):
    """The answer to one request: a result, or what went wrong (`errno` for kind `file`)."""

    id: int
    result: Any = None
    error: str | None = None
    kind: ErrorKind | None = None
    errno: int = 0


class CommandResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended.

    `code` is null when it was cut off or its status could not be learned; `note` says why, and
    whatever else happened (the shell had to be started anew, for example). `output` is stdout and
    stderr as they came; where it was longer than the limit, its head and tail with a line between
    that counts the `omitted` bytes. `seconds` leaves out the time in which the sandbox was frozen.
    """

    code: int | None
    output: bytes
    omitted: int = 0
    timed_out: bool = False
    seconds: float = 0.0
    note: str = ""

    @property
    def truncated(self) -> bool:
        """Whether some of the output was left out."""
        return self.omitted > 0


class Printed(msgspec.Struct, frozen=True):
    """A piece of a command's output, of which `start` is the first byte's number.

    It begins later than was asked where more has come than is kept. `over` says that the command
    has ended and that this is all.
    """

    start: int
    data: bytes
    over: bool


class FileStat(msgspec.Struct, frozen=True):
    """A path inside: links are followed; `mtime` in seconds since the epoch."""

    kind: Literal["file", "directory", "other"]
    size: int
    mode: int
    mtime: float


class SandboxInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One sandbox. `frozen_since` is CLOCK_BOOTTIME in seconds; `running` is a command's name.

    `commands` are the names of all commands whose result can be asked for with `run`. `namespace`
    is the inode of its pid namespace.
    """

    id: str
    alive: bool
    frozen: bool
    frozen_since: float | None = None
    frozen_by: Literal["command", "silence"] | None = None
    running: str | None = None
    commands: tuple[str, ...] = ()
    cpu_seconds: float | None = None
    restarts: int = 0
    note: str = ""
    namespace: int | None = None


class FrameError(ValueError):
    """The other side sent something that is no frame of this protocol."""


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"cannot send a {type(value).__name__}")


def _rich(kind: type, value: Any) -> Any:
    if issubclass(kind, Path):
        return Path(value)
    raise NotImplementedError(f"cannot receive a {kind.__name__}")


def encode(message: Request | Reply) -> bytes:
    """One frame. Raises `FrameError` when it would be longer than the limit."""
    data = msgspec.msgpack.encode(message, enc_hook=_plain)
    if len(data) > MAX_FRAME:
        raise FrameError(f"a message of {len(data)} bytes exceeds the limit of {MAX_FRAME}")
    return struct.pack(">I", len(data)) + data


def decode_request(data: bytes) -> Request:
    """Raises `msgspec.DecodeError` (a `ValueError`) when it is no request."""
    return msgspec.msgpack.decode(data, type=Request, dec_hook=_rich)


def decode_reply(data: bytes) -> Reply:
    """Raises `msgspec.DecodeError` (a `ValueError`) when it is no reply."""
    return msgspec.msgpack.decode(data, type=Reply)


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame's content; None when the other side has closed.

    Raises `FrameError` for a length beyond the limit.
    """
    try:
        (length,) = struct.unpack(">I", await reader.readexactly(4))
        if length > MAX_FRAME:
            raise FrameError(f"a frame of {length} bytes exceeds the limit of {MAX_FRAME}")
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
