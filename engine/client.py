"""The way to call the engine: synchronous, over its Unix socket, standard library only.

`connect(state_dir)` finds the engine of a state folder and starts it when none runs. Every method
raises `EngineDownError` when nobody answers and `EngineRefusedError` when the engine said no; both
messages name the remedy. Typed records (`Event`, `State`) are decoded on demand, so that commands
that only print JSON load nothing more than this module.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode

from engine.paths import engine_socket, make_private, state_dir

if TYPE_CHECKING:
    from engine.client_terminal import TerminalStream
    from engine.events import Event
    from engine.state import State

READ_TIMEOUT = 30.0
STREAM_TIMEOUT = 5.0  # heartbeats come once a second
START_TIMEOUT = 30.0
END_TIMEOUT = 15.0
_REMEDY = "start it with `autolab engine start`"
_WHY = "`autolab engine anomalies` says why, and what helps"


class EngineError(RuntimeError):
    """Calling the engine did not work."""


class EngineDownError(EngineError):
    """Nobody answers on the engine's socket, or the engine fell silent."""


class EngineSilentError(EngineDownError):
    """An engine has its socket and says nothing: it is stopped, stuck or very busy."""


class EngineRefusedError(EngineError):
    """The engine answered with an error; `status` is the HTTP status (400, 404, 409 or 503)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The engine's sign of life, once a second.

    `at` is RFC 3339; (`boot`, `stamp`) is the engine's boottime now, to age its stamps against;
    `loop_lag` is how late the sessions' loop runs, in seconds; `seq` is the newest event; `trouble`
    says in words what keeps the engine from recording, or is empty.
    """

    at: str
    boot: str
    stamp: float
    loop_lag: float
    seq: int
    trouble: str = ""


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over AF_UNIX."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("engine", timeout=timeout)
        self._path = path
        self.link: socket.socket | None = None

    def connect(self) -> None:
        """Connect to the socket file instead of a host."""
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.settimeout(self.timeout)
        try:
            link.connect(str(self._path))
        except BaseException:
            link.close()
            raise
        self.sock = self.link = link


class LineStream:
    """The lines of an answer that goes on; a context manager.

    `close` may be called from any thread: reading then raises `StopIteration`. When the engine dies
    or says nothing for five seconds it raises `EngineDownError`.
    """

    def __init__(
        self, path: Path, method: str, target: str, body: Mapping[str, Any] | None = None
    ) -> None:
        self._path = path
        self._closed = False
        self._connection = _UnixConnection(path, STREAM_TIMEOUT)
        data = None if body is None else json.dumps(dict(body))
        with _down(path):
            self._connection.request(method, target, data)
            self._response = self._connection.getresponse()
        if self._response.status != 200:
            answer = self._response.read()
            self.close()
            raise _refusal(self._response.status, answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the stream; whoever waits for a line in another thread waits no more."""
        self._closed = True
        if self._connection.link is not None:
            with suppress(OSError):
                self._connection.link.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def line(self) -> str:
        """The next line, without its end."""
        try:
            with _down(self._path):
                raw = self._response.readline()
        except (EngineDownError, ValueError, AttributeError) as error:
            # A stream closed by another thread fails in ways that depend on the moment.
            if self._closed:
                raise StopIteration from None
            if isinstance(error, EngineDownError):
                self.close()
            raise
        if not raw.endswith(b"\n"):
            if self._closed:
                raise StopIteration
            self.close()
            raise EngineDownError(f"the engine at {self._path} closed the stream; {_REMEDY}")
        return raw.decode().rstrip("\r\n")


class EventStream(LineStream, Iterator["Event | Heartbeat"]):
    """Events and heartbeats as they come; an iterator, see `LineStream`."""

    def __init__(self, path: Path, after: int) -> None:
        super().__init__(path, "GET", f"/events?after={after}")

    def __next__(self) -> Event | Heartbeat:
        kind, data = "", ""
        while True:
            line = self.line()
            if line == "":
                if data:
                    return _message(kind, data)
                kind = ""
            elif line.startswith("event:"):
                kind = line[6:].strip()
            elif line.startswith("data:"):
                data += line[5:].strip()


def _message(kind: str, data: str) -> Event | Heartbeat:
    if kind == "heartbeat":
        fields = json.loads(data)
        known = {name: fields[name] for name in Heartbeat.__slots__ if name in fields}
        return Heartbeat(**known)
    from engine.events import decode

    return decode(data)


class EngineClient:
    """Calls to one engine. Every call opens a connection of its own, so threads may share it."""

    def __init__(self, socket_path: Path) -> None:
        self.socket_path = socket_path

    def status(self) -> dict[str, Any]:
        """`{schema, engine, runs, sessions}` as docs/json.md describes."""
        return self._call("GET", "/status")

    def engine(self) -> dict[str, Any]:
        """`{schema, pid, version, state_dir, uptime, loop_lag, sessions_running}`."""
        return self._call("GET", "/engine")

    def state(self) -> State:
        """The whole state as of its `seq`; follow with `events(state.seq)`."""
        import msgspec

        from engine.state import State as StateRecord

        return msgspec.json.decode(self._raw("GET", "/state"), type=StateRecord)

    def metrics(self) -> str:
        """The engine in numbers, in Prometheus' text format."""
        return self._raw("GET", "/metrics").decode()

    def metric_families(self) -> list[dict[str, Any]]:
        """The same as `[{name, type, help, samples: [{labels, value, suffix}]}]`."""
        return list(self._call("GET", "/metrics", {"json": "1"})["families"])

    def events(self, after: int = 0) -> EventStream:
        """The events after number `after`, then new ones as they happen, and heartbeats."""
        return EventStream(self.socket_path, after)

    def create_run(self, spec: Mapping[str, Any], dry_run: bool = False) -> dict[str, Any]:
        """Launch a run; `{run, sessions}`. A dry run checks everything and creates nothing."""
        return self._call("POST", "/runs", {"dry_run": "1"} if dry_run else {}, dict(spec))

    def gpus(self, seconds: int = 0) -> dict[str, Any]:
        """`{reading: {driver, trouble, gpus}, history: {uuid: {figure: [value]}}}`.

        The history is of the last `seconds`, in parts, the oldest first.
        """
        return self._call("GET", "/gpus", {"seconds": str(seconds)} if seconds else {})

    def present(self) -> None:
        """Say that somebody sits at a screen: news need not be sent after them."""
        self._call("POST", "/presence", {}, {})

    def stop(self, globs: Sequence[str], dry_run: bool = False, **more: Any) -> list[str]:
        """Ask sessions to stop and be scored; the ids that matched and were not over yet."""
        return self.order("stop", {"globs": list(globs), **more}, dry_run)

    def order(self, name: str, order: Mapping[str, Any], dry_run: bool = False) -> list[str]:
        """Give an order of `engine.runs.orders` (pause, resume, stop, extend, message).

        Returns the ids of the sessions (or runs, or verdicts) that it changes something for.
        """
        answer = self._call("POST", f"/{name}", {"dry_run": "1"} if dry_run else {}, dict(order))
        return [
            str(who) for whom in ("sessions", "runs", "verdicts") for who in answer.get(whom, ())
        ]

    def transcript(self, session: str, after: int = 0, limit: int = 200) -> dict[str, Any]:
        """`{entries, next, live}`: up to `limit` entries from number `after` on."""
        query = {"after": str(after), "limit": str(limit)}
        return self._call("GET", f"/sessions/{quote(session, safe='')}/transcript", query)

    def verdicts(self, session: str) -> list[dict[str, Any]]:
        """Every verdict of a session, whole, in the order in which they were given."""
        answer = self._call("GET", f"/sessions/{quote(session, safe='')}/verdicts")
        return list(answer["verdicts"])

    def processes(self, session: str) -> dict[str, Any]:
        """What runs in a session's sandbox now; see `engine.session.processes.Processes`."""
        return self._call("GET", f"/sessions/{quote(session, safe='')}/processes")

    def restore(
        self, session: str, snapshot: str, *, by: str, why: str = "", dry_run: bool = False
    ) -> dict[str, Any]:
        """Set a session's files to a snapshot; `{session, snapshot, files, removed, before}`."""
        path = f"/sessions/{quote(session, safe='')}/restore"
        body = {"snapshot": snapshot, "by": by, "why": why}
        return self._call("POST", path, {"dry_run": "1"} if dry_run else {}, body)

    def regrade(
        self, run: str, *, by: str, anchors: str = "", dry_run: bool = False
    ) -> dict[str, Any]:
        """Grade a run's verdicts anew; `{run, tasks, verdicts, remarks, dry_run}`."""
        path = f"/runs/{quote(run, safe='')}/regrade"
        body = {"by": by, "anchors": anchors}
        return self._call("POST", path, {"dry_run": "1"} if dry_run else {}, body)

    def remove_run(self, run: str, *, by: str, dry_run: bool = False) -> dict[str, Any]:
        """Remove a run that is over, and its files; `{run, sessions, freed, dry_run}`."""
        path = f"/runs/{quote(run, safe='')}/remove"
        return self._call("POST", path, {"dry_run": "1"} if dry_run else {}, {"by": by})

    def collect(self, dry_run: bool = False) -> dict[str, Any]:
        """Delete the files that no session needs any more; `{sessions, freed, dry_run}`."""
        return self._call("POST", "/collect", {"dry_run": "1"} if dry_run else {}, {})

    def terminal(
        self, session: str, columns: int, rows: int, *, write: bool, by: str, why: str = ""
    ) -> TerminalStream:
        """A session's terminal as a stream of what it shows; with `write` keys can be typed."""
        from engine.client_terminal import TerminalStream

        body = {"columns": columns, "rows": rows, "write": write, "by": by, "why": why}
        return TerminalStream(self.socket_path, session, body, self._raw)

    def can_attach(self, session: str) -> dict[str, Any]:
        """`{session, still}`: `still` says why it stands still, if it does. Changes nothing."""
        path = f"/sessions/{quote(session, safe='')}/terminal"
        return self._call("POST", path, {"dry_run": "1"}, {"columns": 80, "rows": 24})

    def shutdown(self, keep: bool = False) -> None:
        """End the engine in good order; the next one takes its sessions up.

        Their processes are ended, or with `keep` stand still until then. Returns when the engine's
        process has let go of the state folder.
        """
        folder = Path(self.engine()["state_dir"])
        self._call("POST", "/shutdown", {"keep": "1"} if keep else {})
        deadline = time.monotonic() + END_TIMEOUT
        while _held(folder / "engine.lock"):
            if time.monotonic() > deadline:
                raise EngineError(
                    f"the engine has not let go of {folder} {END_TIMEOUT:.0f} s after it was asked "
                    f"to end; see {folder / 'engine.log'}"
                )
            time.sleep(0.02)

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        answer = json.loads(self._raw(method, path, query, body))
        if not isinstance(answer, dict):
            raise EngineError(f"{method} {path} answered with no object: {answer!r}")
        return answer

    def _raw(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: dict[str, Any] | bytes | None = None,
    ) -> bytes:
        connection = _UnixConnection(self.socket_path, READ_TIMEOUT)
        target = f"{path}?{urlencode(query)}" if query else path
        data = json.dumps(body) if isinstance(body, dict) else body
        try:
            with _down(self.socket_path):
                connection.request(method, target, data, {"Content-Type": "application/json"})
                response = connection.getresponse()
                answer = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise _refusal(response.status, answer)
        return answer


def _held(lock: Path) -> bool:
    """Whether an engine holds its lock; looking takes and drops a shared one."""
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _refusal(status: int, body: bytes) -> EngineRefusedError:
    try:
        message = str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        message = f"the engine answered {status}: {body[:200].decode(errors='replace')}"
    return EngineRefusedError(status, message)


@contextmanager
def _down(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise EngineDownError(f"no engine runs at {path}; {_REMEDY}") from error
    except TimeoutError as error:
        raise EngineSilentError(f"the engine at {path} does not answer; {_WHY}") from error
    except (ConnectionError, http.client.HTTPException) as error:
        said = str(error) or type(error).__name__
        raise EngineDownError(
            f"the engine at {path} does not answer ({said}); {_REMEDY}"
        ) from error
    except OSError as error:
        raise EngineDownError(f"cannot reach the engine at {path}: {error}; {_REMEDY}") from error


def find(state: Path | None = None) -> EngineClient | None:
    """A client of the engine that answers for a state folder, or None when none does."""
    try:
        return running(state)
    except EngineSilentError:
        return None


def running(state: Path | None = None) -> EngineClient | None:
    """A client of the engine that runs for a state folder, or None when none runs.

    Raises `EngineSilentError` when one is there and says nothing.
    """
    client = EngineClient(engine_socket(state_dir(state)))
    try:
        client.engine()
    except EngineSilentError:
        raise
    except EngineDownError:
        return None
    return client


def connect(state: Path | None = None, start: bool = True) -> EngineClient:
    """A client of the engine of a state folder, which is started, detached, when none runs.

    Two callers at once start one engine. Raises `EngineDownError` with the end of `engine.log`
    when it does not come up, or at once when `start` is false and none runs; `EngineSilentError`
    when one runs and does not answer.
    """
    folder = state_dir(state)
    client = running(folder)
    if client is not None:
        return client
    if not start:
        raise EngineDownError(f"no engine runs for {folder}; {_REMEDY}")
    make_private(folder)
    with _start_lock(folder):
        return find(folder) or _start(folder)


@contextmanager
def _start_lock(folder: Path) -> Iterator[None]:
    with (folder / "engine-start.lock").open("a") as held:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise EngineDownError(
                        f"another command has been starting the engine for {folder} for "
                        f"{START_TIMEOUT:.0f} s; see {folder / 'engine.log'}"
                    ) from None
                time.sleep(0.05)
        yield


def _start(folder: Path) -> EngineClient:
    log = folder / "engine.log"
    home = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(p for p in (home, os.environ.get("PYTHONPATH", "")) if p)
    with log.open("ab") as out:
        start = out.tell()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "engine.daemon", "--state", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        client = find(folder)
        if client is not None:
            return client
        if process.poll() is not None:
            break
        time.sleep(0.05)
    with log.open("rb") as file:
        file.seek(start)  # what earlier engines said is no reason of this one
        said = file.read().decode("utf-8", "replace").strip().splitlines()[-3:]
    how = "ended" if process.poll() is not None else "does not answer"
    raise EngineDownError(f"the engine {how} at its start; {log} says: " + " | ".join(said))
