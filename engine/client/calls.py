"""Every call that can be made of a running engine."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from engine.client.connection import EngineError, EngineForeignError, UnixConnection, down, refusal
from engine.client.streams import EventStream

if TYPE_CHECKING:
    from engine.client.terminal import TerminalStream
    from engine.state import State

READ_TIMEOUT = 30.0
END_TIMEOUT = 15.0


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
        """The whole state as of its `seq`; follow with `events(state.seq)`.

        Raises `EngineForeignError` for a state of another version.
        """
        import msgspec

        from engine.state import State as StateRecord

        told = self._raw("GET", "/state")
        try:
            return msgspec.json.decode(told, type=StateRecord)
        except msgspec.DecodeError as error:
            raise EngineForeignError(error) from error

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
        from engine.client.terminal import TerminalStream

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
        connection = UnixConnection(self.socket_path, READ_TIMEOUT)
        target = f"{path}?{urlencode(query)}" if query else path
        data = json.dumps(body) if isinstance(body, dict) else body
        try:
            with down(self.socket_path):
                connection.request(method, target, data, {"Content-Type": "application/json"})
                response = connection.getresponse()
                answer = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise refusal(response.status, answer)
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
